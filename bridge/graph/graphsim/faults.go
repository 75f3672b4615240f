package graphsim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Fault names one thing that goes wrong on purpose. Faults fire by count: every
// so many candidates, at a phase that the seed decides.
type Fault string

// What Graph and the network between do to a correct bridge.
const (
	DuplicateItem         Fault = "duplicate_item"
	DuplicateUnidentified Fault = "duplicate_unidentified"
	DuplicateResealed     Fault = "duplicate_resealed"
	ReorderItem           Fault = "reorder_item"
	RepeatPost            Fault = "repeat_post"
	CutPost               Fault = "cut_post"
	GrownPayload          Fault = "grown_payload"
	MisfitPayload         Fault = "misfit_payload"
	BigPayload            Fault = "big_payload"
	RotateKeys            Fault = "rotate_keys"
	RotateKeysUnannounced Fault = "rotate_keys_unannounced"
	AuthorityDown         Fault = "authority_down"
	AuthoritySlow         Fault = "authority_slow"
	AuthorityGarbage      Fault = "authority_garbage"
)

// What a forger does. Each deviates from the genuine in exactly one way.
const (
	ForgeMalformedItem         Fault = "forge_malformed_item"
	ForgeClientStateMissing    Fault = "forge_client_state_missing"
	ForgeClientStateMalformed  Fault = "forge_client_state_malformed"
	ForgeClientStateUnknownKey Fault = "forge_client_state_unknown_key"
	ForgeClientStateWrong      Fault = "forge_client_state_wrong"
	ForgeClientStateForeign    Fault = "forge_client_state_foreign"
	ForgeTokenMissing          Fault = "forge_token_missing"
	ForgeTokenMalformed        Fault = "forge_token_malformed"
	ForgeTokenAlgorithmNone    Fault = "forge_token_algorithm_none"
	ForgeTokenAlgorithmHS256   Fault = "forge_token_algorithm_hs256"
	ForgeTokenUnknownKey       Fault = "forge_token_unknown_key"
	ForgeTokenSignature        Fault = "forge_token_signature"
	ForgeTokenExpired          Fault = "forge_token_expired"
	ForgeTokenNotYetValid      Fault = "forge_token_not_yet_valid"
	ForgeTokenIssuer           Fault = "forge_token_issuer"
	ForgeTokenAudience         Fault = "forge_token_audience"
	ForgeTokenPublisher        Fault = "forge_token_publisher"
	ForgeTokenTenant           Fault = "forge_token_tenant"
	ForgeSealedMalformed       Fault = "forge_sealed_malformed"
	ForgeCertificateUnknown    Fault = "forge_certificate_unknown"
	ForgeDataKey               Fault = "forge_data_key"
	ForgeDataSignatureMissing  Fault = "forge_data_signature_missing"
	ForgeDataTampered          Fault = "forge_data_tampered"
	ForgeDataSignature         Fault = "forge_data_signature"
	ForgePadding               Fault = "forge_padding"
	ForgePayloadNotJSON        Fault = "forge_payload_not_json"
)

// FaultInfo describes a fault.
type FaultInfo struct {
	Fault Fault
	Per   string // what its candidates are: item, post, request (to the authority)
	Every int    // how often it fires by default; 0: not
	// Reason is why the bridge must set a forgery aside, as it stands in its
	// quarantine record; "" for a fault that must cost nothing.
	Reason string
	// Sealed faults need Certificates and not Basic.
	Sealed bool
	Means  string
}

// FaultList returns every fault. Those that fire by default are what Graph is
// known to do to everybody (FACTS §1.5, §7).
func FaultList() []FaultInfo {
	return []FaultInfo{
		{DuplicateItem, "item", 25, "", false, "an item comes again, the same to the byte, up to eight items later; items that nothing tells from others like them are spared"},
		{DuplicateUnidentified, "item", 0, "", false, "an item comes again that nothing tells from another like it: a basic update, a lifecycle notice"},
		{DuplicateResealed, "item", 0, "", true, "an item comes again, sealed anew; whether Graph does so is not documented, and not every payload tells that it is the same"},
		{ReorderItem, "item", 20, "", false, "an item comes up to eight items late"},
		{RepeatPost, "post", 0, "", false, "a POST is sent once more although it was acknowledged"},
		{CutPost, "post", 0, "", false, "the first attempt breaks off in mid-body; the retry is whole"},
		{GrownPayload, "item", 40, "", true, "a payload has members that nobody documented"},
		{MisfitPayload, "item", 0, "", true, "a member of a payload has a type that it never had"},
		{BigPayload, "item", 250, "", true, "a payload of about 100 kB"},
		{RotateKeys, "post", 0, "", false, "tokens are signed by the next key, which was published before"},
		{RotateKeysUnannounced, "post", 0, "", false, "tokens are signed by a key that was not published before; more than one a minute outruns a bridge that refetches once a minute"},
		{AuthorityDown, "request", 0, "", false, "the authority answers 503"},
		{AuthoritySlow, "request", 0, "", false, "the authority answers after 5 s"},
		{AuthorityGarbage, "request", 0, "", false, "the authority answers 200 with a page that is not JSON"},

		{ForgeMalformedItem, "item", 0, "malformed_item", false, "an element of value that is no change notification"},
		{ForgeClientStateMissing, "item", 0, "client_state_missing", false, "no clientState"},
		{ForgeClientStateMalformed, "item", 0, "client_state_malformed", false, "a clientState with the bridge's prefix and nothing sensible after it"},
		{ForgeClientStateUnknownKey, "item", 0, "client_state_unknown_key", false, "a well-formed clientState under a key id that nobody has"},
		{ForgeClientStateWrong, "item", 0, "client_state_mismatch", false, "a guessed clientState"},
		{ForgeClientStateForeign, "item", 0, "client_state_mismatch", false, "the clientState of another tenant"},
		{ForgeTokenMissing, "item", 0, "token_missing", true, "sealed items in a POST without tokens"},
		{ForgeTokenMalformed, "item", 0, "token_malformed", true, "a token of two parts"},
		{ForgeTokenAlgorithmNone, "item", 0, "token_algorithm", true, "an unsigned token"},
		{ForgeTokenAlgorithmHS256, "item", 0, "token_algorithm", true, "a token whose HMAC key is the published public key"},
		{ForgeTokenUnknownKey, "item", 0, "token_unknown_key", true, "a token signed by a key that is not published"},
		{ForgeTokenSignature, "item", 0, "token_signature", true, "a token that names a published key but was signed by another"},
		{ForgeTokenExpired, "item", 0, "token_expired", true, "a token that expired an hour ago"},
		{ForgeTokenNotYetValid, "item", 0, "token_not_yet_valid", true, "a token that becomes valid in an hour"},
		{ForgeTokenIssuer, "item", 0, "token_issuer", true, "a token whose issuer is another tenant's"},
		{ForgeTokenAudience, "item", 0, "token_audience", true, "a token made for another app"},
		{ForgeTokenPublisher, "item", 0, "token_publisher", true, "a token of another client than Graph's change tracking"},
		{ForgeTokenTenant, "item", 0, "token_tenant", true, "a good token, of another tenant than the item"},
		{ForgeSealedMalformed, "item", 0, "sealed_malformed", true, "data that is not base64, or no dataKey"},
		{ForgeCertificateUnknown, "item", 0, "decryption_key_unknown", true, "sealed for a certificate that is not the bridge's"},
		{ForgeDataKey, "item", 0, "data_key_unopened", true, "a dataKey of the right length that holds nothing"},
		{ForgeDataSignatureMissing, "item", 0, "data_signature_missing", true, "no dataSignature"},
		{ForgeDataTampered, "item", 0, "data_signature_mismatch", true, "one bit of data turned over"},
		{ForgeDataSignature, "item", 0, "data_signature_mismatch", true, "a dataSignature made with another key, over the base64 text"},
		{ForgePadding, "item", 0, "sealed_padding", true, "well signed data whose padding is not PKCS#7"},
		{ForgePayloadNotJSON, "item", 0, "payload_not_json", true, "well sealed text that is no JSON object"},
	}
}

// forgery reports whether f makes an item that must not become a record.
func (i FaultInfo) forgery() bool { return i.Reason != "" }

// Faults says which faults fire and how often. The zero value is what
// FaultList gives as default.
type Faults struct {
	// Every is a fault's period in candidates: 0 the default, negative never.
	Every map[Fault]int
	// AtMost bounds how often a fault fires; 0 or absent: no bound.
	AtMost map[Fault]int
}

// AllForgeries returns c.Faults with every forgery that c can have firing once
// in so many items.
func (c Config) AllForgeries(every int) Faults {
	out := Faults{Every: map[Fault]int{}, AtMost: c.Faults.AtMost}
	maps.Copy(out.Every, c.Faults.Every)
	for _, i := range FaultList() {
		if i.forgery() && i.possible(c) == nil {
			out.Every[i.Fault] = every
		}
	}
	return out
}

// possible returns why i cannot be had with c, nil if it can.
func (i FaultInfo) possible(c Config) error {
	switch {
	case i.Sealed && (c.Basic || len(c.Certificates) == 0):
		return fmt.Errorf("check config: fault %s needs certificates and rich subscriptions", i.Fault)
	case i.Fault == ForgeClientStateForeign && !c.statesBound():
		return fmt.Errorf("check config: fault %s needs a ClientState that depends on the tenant", i.Fault)
	}
	return nil
}

// ParseFaults reads a comma-separated list of fault=every or fault=every/times;
// every may be "off"; "forgeries" stands for all forgeries.
func ParseFaults(s string) (Faults, error) {
	f := Faults{Every: map[Fault]int{}, AtMost: map[Fault]int{}}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, spec, _ := strings.Cut(part, "=")
		everyText, timesText, bounded := strings.Cut(spec, "/")
		every, times := -1, 0
		var err error
		if everyText != "off" {
			every, err = strconv.Atoi(everyText)
		}
		if err == nil && bounded {
			times, err = strconv.Atoi(timesText)
		}
		if err != nil {
			return f, fmt.Errorf("read fault %q: want name=every or name=every/times: %w", part, err)
		}
		for _, i := range FaultList() {
			if string(i.Fault) == name || name == "forgeries" && i.forgery() {
				f.Every[i.Fault], f.AtMost[i.Fault] = every, times
			}
		}
		if _, ok := f.Every[Fault(name)]; !ok && name != "forgeries" {
			return f, fmt.Errorf("read fault %q: no such fault", part)
		}
	}
	return f, nil
}

// every returns the period of i under f, 0 for never.
func (f Faults) every(i FaultInfo) int {
	if n := f.Every[i.Fault]; n != 0 {
		return max(n, 0)
	}
	return i.Every
}

// validate returns what of f cannot be had with c.
func (f Faults) validate(c Config) []error {
	var errs []error
	known := FaultList()
	for fault := range f.Every {
		if !slices.ContainsFunc(known, func(i FaultInfo) bool { return i.Fault == fault }) {
			errs = append(errs, fmt.Errorf("check config: no fault is called %q", fault))
		}
	}
	for _, i := range known {
		if err := i.possible(c); err != nil && f.Every[i.Fault] > 0 {
			errs = append(errs, err)
		}
	}
	return errs
}

// faultPlan decides when faults fire and counts that they did. It is safe for
// concurrent use; what is asked by one goroutine only is deterministic.
type faultPlan struct {
	forgeries []Fault // those that can fire, in FaultList's order

	mu    sync.Mutex
	plans map[Fault]*faultCount
}

type faultCount struct {
	every, phase, most int
	candidates         int
	owed               int // turns that came and were not used yet
	done               int
}

func newFaultPlan(f Faults, c Config) *faultPlan {
	p := &faultPlan{plans: map[Fault]*faultCount{}}
	rng := rand.New(rand.NewPCG(c.Seed, 0xfa))
	for _, i := range FaultList() {
		phase := rng.IntN(1 << 30) // drawn for every fault, so that one setting does not move the others
		every := f.every(i)
		if every == 0 || i.possible(c) != nil {
			continue
		}
		p.plans[i.Fault] = &faultCount{every: every, phase: phase % every, most: f.AtMost[i.Fault]}
		if i.forgery() {
			p.forgeries = append(p.forgeries, i.Fault)
		}
	}
	return p
}

// due counts one candidate of f and reports whether the fault's turn has come.
// A turn stays owed until fired, so a candidate that turns out not to fit
// leaves it to the next.
func (p *faultPlan) due(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dueLocked(f)
}

func (p *faultPlan) dueLocked(f Fault) bool {
	c := p.plans[f]
	if c == nil {
		return false
	}
	if c.candidates%c.every == c.phase && (c.most == 0 || c.done+c.owed < c.most) {
		c.owed++
	}
	c.candidates++
	return c.owed > 0
}

// fired counts that f happened.
func (p *faultPlan) fired(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.firedLocked(f)
}

func (p *faultPlan) firedLocked(f Fault) {
	if c := p.plans[f]; c != nil {
		c.done++
		c.owed = max(c.owed-1, 0)
	}
}

// take counts one candidate of f, which always fits, and reports whether the
// fault happens to it.
func (p *faultPlan) take(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dueLocked(f) {
		return false
	}
	p.firedLocked(f)
	return true
}

// counts returns how often each fault that can fire has fired.
func (p *faultPlan) counts() map[Fault]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[Fault]int, len(p.plans))
	for f, c := range p.plans {
		out[f] = c.done
	}
	return out
}
