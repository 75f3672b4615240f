package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"meetbridge/bridge"
)

// ErrNoKeys is returned by Verify for tokens that may be good, but whose key
// cannot be had now: our trouble, to be answered so that Graph sends again.
var ErrNoKeys = errors.New("token: key sets cannot be had")

// maxTokens bounds the tokens of one POST that are looked at. There is one for
// each pair of application and tenant (FACTS §2.1), and few applications.
const maxTokens = 256

// Config is what a Verifier goes by. The zero value trusts the public cloud and
// passes no token, since no application is ours.
type Config struct {
	// Authority is the base URL of the authority whose openid configurations
	// lead to the key sets, and which stands in issuers of version 2.0. ""
	// means https://login.microsoftonline.com. Plain http on loopback only.
	Authority string
	// STS is the base URL in issuers of version 1.0. "" means
	// https://sts.windows.net. Nothing is fetched from it, but the same holds
	// for plain http.
	STS string
	// AppIDs are the applications that tokens may be made for, in any case.
	AppIDs []string
	// HTTP makes the fetches; nil means a client of its own. How it follows
	// redirects is overruled.
	HTTP *http.Client
	// Log gets the troubles with key sets; nil means nobody does.
	Log *slog.Logger
}

// Verifier proves the validation tokens of POSTs. It is safe for concurrent use.
type Verifier struct {
	rules  rules
	keys   *keySets
	passed *remembered
}

// New returns a Verifier, or the error that names the wrong flag. It does no
// I/O: key sets are fetched by Start, or else when the first token needs them.
func New(cfg Config) (*Verifier, error) {
	authority, err := baseURL("--entra-authority", cfg.Authority, "https://login.microsoftonline.com")
	if err != nil {
		return nil, err
	}
	sts, err := baseURL("--entra-sts", cfg.STS, "https://sts.windows.net")
	if err != nil {
		return nil, err
	}
	apps := map[string]struct{}{}
	for _, id := range cfg.AppIDs {
		id = strings.ToLower(strings.TrimSpace(id))
		if id == "" {
			return nil, errors.New("--app-ids holds an empty id: leave it out")
		}
		if len(id) != len(uuid.Nil.String()) || uuid.Validate(id) != nil {
			return nil, fmt.Errorf("--app-ids holds %.60q: must be the GUIDs of applications (Application (client) ID in Entra), such as 7a4c9d0e-0000-4000-8000-000000000000", id)
		}
		apps[id] = struct{}{}
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client := http.Client{}
	if cfg.HTTP != nil {
		client = *cfg.HTTP
	}
	client.CheckRedirect = sameHostOnly
	return &Verifier{
		rules:  rules{authority: authority, sts: sts, apps: apps},
		passed: newRemembered(maxRemembered),
		keys: newKeySets(&client, log.With("component", "token_keys"), [2]string{
			authority + "/common/.well-known/openid-configuration",
			authority + "/common/v2.0/.well-known/openid-configuration",
		}),
	}, nil
}

// baseURL returns the URL without a slash at its end.
func baseURL(flag, value, standard string) (string, error) {
	if value == "" {
		value = standard
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("%s is %q: must be a URL such as %s", flag, value, standard)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", fmt.Errorf("%s is %q: plain http is for loopback only, where nobody can listen in: use https", flag, value)
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("%s is %q: must be https", flag, value)
	}
	return strings.TrimRight(value, "/"), nil
}

// Start fetches the key sets and keeps them fresh until ctx ends or Close. It
// returns at once, and is called once.
func (v *Verifier) Start(ctx context.Context) { v.keys.background(ctx) }

// Close ends all fetching and waits for it; Verify then has only the keys that
// are known already.
func (v *Verifier) Close() { v.keys.close() }

// Ready returns nil if tokens can be proven: some key is known and good.
func (v *Verifier) Ready() error {
	if v.keys.usable(time.Now()) {
		return nil
	}
	if err := v.keys.trouble(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	return fmt.Errorf("%w: all that are known are older than %s", ErrNoKeys, keysGoodFor)
}

// KeySetState describes one key set for metrics and for a doctor.
type KeySetState struct {
	Configuration string    // URL of the openid configuration that leads to it
	Keys          int       // known, those that the last fetches did not list among them
	Fetched       time.Time // the last successful fetch; zero: none yet
	Err           error     // of the last fetch; nil if it was successful
}

// KeySets describes both key sets, that of version 1.0 first.
func (v *Verifier) KeySets() []KeySetState {
	states := make([]KeySetState, 0, len(v.keys.sources))
	for i := range v.keys.sources {
		s := &v.keys.sources[i]
		set := s.current.Load()
		states = append(states, KeySetState{s.configuration, len(set.keys), set.fetched, set.err})
	}
	return states
}

// Verify checks the tokens of one POST as of now. Bad tokens, and more than 256,
// are in the Verdict. The only error is ErrNoKeys, when no token is bad beyond
// cure but for some the key sets would have to be asked and cannot be, or not
// before ctx ends.
func (v *Verifier) Verify(ctx context.Context, tokens []string, now time.Time) (Verdict, error) {
	if len(tokens) > maxTokens {
		return Verdict{Checked: []Checked{{Reason: bridge.TokenMalformed}}}, nil
	}
	verdict := Verdict{}
	if len(tokens) > 0 {
		verdict.Checked = make([]Checked, len(tokens))
	}
	// Twice at most: the fetch that was waited for the first time may have
	// begun before the key was there.
	for range 2 {
		if !v.checkAll(tokens, verdict.Checked, now) {
			return verdict, nil
		}
		fetched, err := v.keys.ask(ctx)
		if err != nil {
			return Verdict{}, fmt.Errorf("%w: %w", ErrNoKeys, err)
		}
		if !fetched {
			break
		}
	}
	if v.checkAll(tokens, verdict.Checked, now) {
		if err := v.keys.trouble(); err != nil {
			return Verdict{}, fmt.Errorf("%w: %w", ErrNoKeys, err)
		}
	}
	return verdict, nil
}

// checkAll fills checked and reports whether the verdict hangs on keys that are
// not known: with any token bad beyond cure it does not.
func (v *Verifier) checkAll(tokens []string, checked []Checked, now time.Time) bool {
	today := time.Now() // keys age by the clock, also where tokens are judged as of another time
	open, bad := false, false
	for i, token := range tokens {
		unknown := false
		checked[i], unknown = v.check(token, now, today)
		open = open || unknown
		bad = bad || !unknown && !checked[i].SignatureValid
	}
	return open && !bad
}

// check judges one token. It also reports whether its key is unknown, so that a
// fetch may change the verdict. The signature comes first even where the claims
// are bad already: a replay must know it (DESIGN §7).
func (v *Verifier) check(token string, now, today time.Time) (Checked, bool) {
	if len(token) > maxToken {
		return Checked{Reason: bridge.TokenMalformed}, false
	}
	if p := v.passed.get(token); p != nil {
		reason := inTime(p.expires, p.notBefore, now)
		if reason == "" && v.keys.find(p.keyID, today) == p.keys {
			return p.checked, false
		}
		v.passed.drop(token)
	}

	c, err := parseCompact(token)
	if err != nil {
		return Checked{Reason: bridge.TokenMalformed}, false
	}
	checked := Checked{Claims: c.claimsText()}
	claims, err := parseClaims(c.payload)
	if err != nil {
		checked.Reason = bridge.TokenMalformed
		return checked, false
	}
	if c.header.Algorithm != "RS256" {
		checked.Reason = bridge.TokenAlgorithm
		return checked, false
	}
	id := c.header.KeyID
	keys := v.keys.find(id, today)
	if keys == (keyPair{}) {
		checked.Reason = bridge.TokenUnknownKey
		return checked, id != "" && len(id) <= maxKeyID
	}
	if checked.Reason = v.signed(c, keys, claims.Tenant); checked.Reason != "" {
		return checked, false
	}
	checked.SignatureValid = true
	if checked.Reason = v.rules.judge(claims, now); checked.Reason != "" {
		return checked, false
	}
	checked.Tenant = strings.ToLower(claims.Tenant)
	v.passed.put(&passed{
		text: strings.Clone(token), keyID: id, keys: keys, checked: checked,
		expires: *claims.Expires, notBefore: *claims.NotBefore,
	})
	return checked, false
}

// signed returns "" if one of keys made c's signature, and may for that tenant.
// Where both sets list the key, each that names an issuer must agree.
func (v *Verifier) signed(c *compact, keys keyPair, tenant string) bridge.Reason {
	reason, valid := bridge.TokenSignature, false
	for i, key := range keys {
		if key == nil {
			continue
		}
		if i == 0 || keys[0] == nil || !keys[0].public.Equal(key.public) {
			valid = c.signedBy(key)
		}
		if !valid {
			continue
		}
		if !v.rules.keyAgrees(key.issuer, tenant) {
			return bridge.TokenIssuer
		}
		reason = ""
	}
	return reason
}
