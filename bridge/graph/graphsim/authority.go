package graphsim

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// keyMemory is how long a retired key stays published: longer than any POST
// that carries its tokens can be retried.
const keyMemory = 5 * time.Hour

// authority is the simulated Entra ID: it owns the signing keys and publishes
// them under both openid configurations (FACTS §2.1).
type authority struct {
	url, sts string
	rotation time.Duration
	faults   *faultPlan
	given    []*rsa.PrivateKey // used before any is made; guarded by mu

	mu      sync.Mutex
	keys    []*signingKey // oldest first: retired ones, the one in use, the next
	current int
	since   time.Time // when the one in use came into use
	served  int
}

func newAuthority(c Config, faults *faultPlan) *authority {
	return &authority{url: c.AuthorityURL, sts: c.STSURL, rotation: c.KeyRotation, faults: faults, given: slices.Clone(c.SigningKeys)}
}

// makeKeys makes the first key in use and the next one.
func (a *authority) makeKeys(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range 2 {
		key, err := a.newKeyLocked(now)
		if err != nil {
			return err
		}
		a.keys = append(a.keys, key)
	}
	a.since = now
	return nil
}

// newKeyLocked returns the next key that was given, or makes one.
func (a *authority) newKeyLocked(now time.Time) (*signingKey, error) {
	if len(a.given) == 0 {
		return newSigningKey(now)
	}
	private := a.given[0]
	a.given = a.given[1:]
	return certify(private, now)
}

func (a *authority) issuerV1(tenant string) string { return a.sts + "/" + tenant + "/" }
func (a *authority) issuerV2(tenant string) string { return a.url + "/" + tenant + "/v2.0" }

// signer returns the key in use, after the daily rotation if it is due.
func (a *authority) signer(now time.Time) *signingKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.since) >= a.rotation {
		a.rotateLocked(now, true)
	}
	return a.keys[a.current]
}

// rotate puts the next key to use; without keys it does nothing. Announced, that is the one that was
// published all along; otherwise one that nobody has seen.
func (a *authority) rotate(now time.Time, announced bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rotateLocked(now, announced)
}

// rotateLocked leaves everything as it is when no key can be made, which takes
// a broken random source.
func (a *authority) rotateLocked(now time.Time, announced bool) {
	if len(a.keys) == 0 {
		return
	}
	next, err := a.newKeyLocked(now)
	if err != nil {
		return
	}
	a.keys[a.current].retired = now
	a.since = now
	if announced {
		a.keys = append(a.keys, next)
	} else {
		// The new key goes before the announced one, whose time is still to come.
		a.keys = append(a.keys[:a.current+1:a.current+1], next, a.keys[a.current+1])
	}
	a.current++
	for a.current > 0 && now.Sub(a.keys[0].retired) > keyMemory {
		a.keys = a.keys[1:]
		a.current--
	}
}

// published returns the keys that the key sets hold now.
func (a *authority) published() []*signingKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*signingKey(nil), a.keys...)
}

// openIDConfiguration is the part of an openid configuration that a token
// validator can use.
type openIDConfiguration struct {
	Issuer                string   `json:"issuer"`
	JWKSURI               string   `json:"jwks_uri"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	Algorithms            []string `json:"id_token_signing_alg_values_supported"`
	CloudInstance         string   `json:"cloud_instance_name"`
}

// webKey is one key of a key set. In the v2.0 set a key names its issuer, with
// a placeholder for the tenant; in the v1.0 set none does.
type webKey struct {
	Type   string   `json:"kty"`
	Use    string   `json:"use"`
	KeyID  string   `json:"kid"`
	X5T    string   `json:"x5t"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	X5C    []string `json:"x5c"`
	Issuer string   `json:"issuer,omitzero"`
}

type webKeySet struct {
	Keys []webKey `json:"keys"`
}

// handler serves the openid configurations and the key sets.
func (a *authority) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /common/.well-known/openid-configuration", a.answer(func() any {
		return openIDConfiguration{
			Issuer: a.issuerV1("{tenantid}"), JWKSURI: a.url + "/common/discovery/keys",
			AuthorizationEndpoint: a.url + "/common/oauth2/authorize", TokenEndpoint: a.url + "/common/oauth2/token",
			Algorithms: []string{"RS256"}, CloudInstance: "microsoftonline.com",
		}
	}))
	mux.HandleFunc("GET /common/v2.0/.well-known/openid-configuration", a.answer(func() any {
		return openIDConfiguration{
			Issuer: a.issuerV2("{tenantid}"), JWKSURI: a.url + "/common/discovery/v2.0/keys",
			AuthorizationEndpoint: a.url + "/common/oauth2/v2.0/authorize", TokenEndpoint: a.url + "/common/oauth2/v2.0/token",
			Algorithms: []string{"RS256"}, CloudInstance: "microsoftonline.com",
		}
	}))
	mux.HandleFunc("GET /common/discovery/keys", a.answer(func() any { return a.keySet("") }))
	mux.HandleFunc("GET /common/discovery/v2.0/keys", a.answer(func() any { return a.keySet(a.issuerV2("{tenantid}")) }))
	if path := pathOf(a.url); path != "" {
		return http.StripPrefix(path, mux)
	}
	return mux
}

// answer returns a handler that serves what value returns, unless a fault's
// turn has come.
func (a *authority) answer(value func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if a.misbehaves(w, r) {
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=86400, private")
		_ = json.MarshalWrite(w, value()) // the client went away: nothing to do
	}
}

// misbehaves counts a request, lets the faults happen to it whose turn has
// come, and reports whether that answered it.
func (a *authority) misbehaves(w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	a.served++
	a.mu.Unlock()
	if a.faults.take(AuthoritySlow) {
		select {
		case <-time.After(5 * time.Second):
		case <-r.Context().Done():
		}
	}
	if a.faults.take(AuthorityDown) {
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
		return true
	}
	if a.faults.take(AuthorityGarbage) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=86400, private")
		_, _ = w.Write([]byte("<html><body>Sign in to your account</body></html>"))
		return true
	}
	return false
}

// keySet returns the published keys, each with issuer if it is not "".
func (a *authority) keySet(issuer string) webKeySet {
	var set webKeySet
	for _, k := range a.published() {
		set.Keys = append(set.Keys, webKey{
			Type: "RSA", Use: "sig", KeyID: k.kid, X5T: k.kid,
			N:      base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
			E:      base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
			X5C:    []string{base64.StdEncoding.EncodeToString(k.cert)},
			Issuer: issuer,
		})
	}
	return set
}

// requests returns how many requests the authority has answered.
func (a *authority) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.served
}

// pathOf returns the path of an absolute URL without its last slash.
func pathOf(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	_, path, ok := strings.Cut(rest, "/")
	if !ok || path == "" {
		return ""
	}
	return "/" + strings.TrimSuffix(path, "/")
}
