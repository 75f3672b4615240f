package token_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"meetbridge/ingest/token"
)

const (
	authorityURL = "https://login.microsoftonline.com"
	tenantA      = "84bd8158-6d4d-4958-8b9f-9d6445542f95" // of the documented v1 claims
	tenantB      = "9f4ebab6-520d-49c0-85cc-7b25c78d4a93" // of the documented v2 claims
	appA         = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f"
	appB         = "925bff9f-f6e2-4a69-b858-f71ea2b9b6d0"
	publisher    = "0bf30f3b-4a52-48df-9a82-234910c4a086"
)

// object is a JSON object of a header or of claims.
type object map[string]any

// with returns o with changes; a nil value removes the member.
func (o object) with(changes object) object {
	o = maps.Clone(o)
	for k, v := range changes {
		o[k] = v
		if v == nil {
			delete(o, k)
		}
	}
	return o
}

// documented returns the claims of a fixture.
func documented(tb testing.TB, version string) object {
	tb.Helper()
	b, err := os.ReadFile("testdata/claims/docs-validation-token-" + version + "-claims.json")
	if err != nil {
		tb.Fatal(err)
	}
	o := object{}
	if err := json.Unmarshal(b, &o); err != nil {
		tb.Fatal(err)
	}
	return o
}

// claims returns good claims of version 2.0 for tenantB, valid from now for a day.
func claims(tb testing.TB, now time.Time) object {
	tb.Helper()
	return documented(tb, "v2").with(object{"nbf": now.Unix(), "exp": now.Add(24 * time.Hour).Unix()})
}

// signer makes tokens by itself, so that a test can spoil each part.
type signer struct {
	id  string
	key *rsa.PrivateKey
}

func readSigner(tb testing.TB, name string) signer {
	tb.Helper()
	file, err := os.ReadFile("testdata/keys/" + name + ".pem")
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := pem.Decode(file)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		tb.Fatalf("key is %T", parsed)
	}
	return signer{"kid-" + name, key}
}

func encode(tb testing.TB, v any) string {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// sign returns a token of claims with the usual header.
func (s signer) sign(tb testing.TB, claims object) string {
	tb.Helper()
	return s.signWith(tb, s.header(), claims)
}

func (s signer) header() object { return object{"typ": "JWT", "alg": "RS256", "kid": s.id} }

func (s signer) signWith(tb testing.TB, header, claims object) string {
	tb.Helper()
	return s.signText(tb, encode(tb, header)+"."+encode(tb, claims))
}

// signText signs header and payload as they are.
func (s signer) signText(tb testing.TB, text string) string {
	tb.Helper()
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// jwk returns the published form of the signer's key.
func (s signer) jwk(more object) object {
	return object{
		"kty": "RSA", "use": "sig", "kid": s.id, "x5t": s.id,
		"n": base64.RawURLEncoding.EncodeToString(s.key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(s.key.E)).Bytes()),
	}.with(more)
}

// authority is an authority in memory: an http.RoundTripper that answers for
// both openid configurations and their key sets.
type authority struct {
	tb testing.TB

	mu      sync.Mutex
	keys    [2][]object   // of the key sets v1 and v2
	fault   fault         // nil: none
	slow    time.Duration // before each answer
	fetches int           // of openid configurations, in pairs
	seen    []string      // URLs
}

// newAuthority publishes the keys in both sets, in that of version 2.0 with the
// template of their issuer, as the real one does.
func newAuthority(tb testing.TB, signers ...signer) *authority {
	tb.Helper()
	a := &authority{tb: tb}
	a.publish(signers...)
	return a
}

func (a *authority) publish(signers ...signer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = [2][]object{}
	for _, s := range signers {
		a.keys[0] = append(a.keys[0], s.jwk(nil))
		a.keys[1] = append(a.keys[1], s.jwk(object{"issuer": authorityURL + "/{tenantid}/v2.0"}))
	}
}

// publishRaw makes both key sets keys as they are.
func (a *authority) publishRaw(keys ...object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = [2][]object{keys, keys}
}

func (a *authority) fail(f fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = f
}

// fault decides what a request gets instead of its answer; nil: its answer.
type fault func(*http.Request) *reply

type reply struct {
	status         int
	body, location string
	err            error
}

// down is the fault of an authority that cannot be reached.
func down(*http.Request) *reply { return &reply{err: errors.New("connection refused")} }

// always returns a fault that answers everything so; a location redirects.
func always(status int, body, location string) fault {
	return func(*http.Request) *reply { return &reply{status: status, body: body, location: location} }
}

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// count returns how often key sets were fetched.
func (a *authority) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fetches
}

func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	fault, slow := a.fault, a.slow
	a.seen = append(a.seen, r.URL.String())
	if r.URL.Path == "/common/v2.0/.well-known/openid-configuration" {
		a.fetches++
	}
	a.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if fault != nil {
		if f := fault(r); f != nil && f.err != nil {
			return nil, f.err
		} else if f != nil {
			resp := respond(f.status, f.body)
			resp.Header.Set("Location", f.location)
			resp.Request = r
			return resp, nil
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var body any
	base := r.URL.Scheme + "://" + r.URL.Host
	switch r.URL.Path {
	case "/common/.well-known/openid-configuration":
		body = object{"issuer": "https://sts.windows.net/{tenantid}/", "jwks_uri": base + "/common/discovery/keys"}
	case "/common/v2.0/.well-known/openid-configuration":
		body = object{"issuer": base + "/{tenantid}/v2.0", "jwks_uri": base + "/common/discovery/v2.0/keys"}
	case "/common/discovery/keys":
		body = object{"keys": a.keys[0]}
	case "/common/discovery/v2.0/keys":
		body = object{"keys": a.keys[1]}
	default:
		return respond(http.StatusNotFound, ""), nil
	}
	b, err := json.Marshal(body)
	if err != nil {
		a.tb.Error(err)
	}
	return respond(http.StatusOK, string(b)), nil
}

// verifier returns a Verifier of both documented applications that asks a.
func (a *authority) verifier(tb testing.TB) *token.Verifier {
	tb.Helper()
	v, err := token.New(token.Config{AppIDs: []string{appA, appB}, HTTP: &http.Client{Transport: a}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	return v
}

// verify returns the verdict on tokens, which must not lack keys.
func verify(tb testing.TB, v *token.Verifier, now time.Time, tokens ...string) token.Verdict {
	tb.Helper()
	verdict, err := v.Verify(tb.Context(), tokens, now)
	if err != nil {
		tb.Fatal(err)
	}
	if len(tokens) <= 256 && len(verdict.Checked) != len(tokens) {
		tb.Fatalf("%d tokens, %d checked", len(tokens), len(verdict.Checked))
	}
	return verdict
}

func jsonOf(tb testing.TB, v any) string {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// payload returns the claims of a token as text.
func payload(tb testing.TB, token string) string {
	tb.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// judged returns the reason for which one token does not pass, "" if it does, and
// "no keys" for our own trouble.
func judged(tb testing.TB, v *token.Verifier, text string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2500*time.Millisecond) // the budget of an answer
	defer cancel()
	verdict, err := v.Verify(ctx, []string{text}, time.Now())
	if errors.Is(err, token.ErrNoKeys) {
		return "no keys"
	}
	if err != nil {
		tb.Fatal(err)
	}
	return string(verdict.Checked[0].Reason)
}

func expect(tb testing.TB, what, got, want string) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: %q, want %q", what, got, want)
	}
}
