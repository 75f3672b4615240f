package graphsim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // x5t is a SHA-1 by definition (RFC 7517 §4.8)
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// assertionSkew is how much an assertion's clock may differ.
const assertionSkew = 5 * time.Minute

// jwt is an assertion, read but not believed.
type jwt struct {
	header struct {
		Algorithm string `json:"alg"`
		X5T       string `json:"x5t"`
		X5T256    string `json:"x5t#S256"`
		KeyID     string `json:"kid"`
	}
	claims struct {
		Issuer   string         `json:"iss"`
		Subject  string         `json:"sub"`
		Audience jsontext.Value `json:"aud"` // a text or a list
		Expires  float64        `json:"exp"`
		Before   float64        `json:"nbf"`
	}
	audience  []string
	digest    [sha256.Size]byte
	signature []byte
}

// parseJWT reads the three parts of a token.
func parseJWT(text string) (*jwt, bool) {
	signed, sig, ok := cutLast(text, ".")
	head, body, two := strings.Cut(signed, ".")
	if !ok || !two || strings.Contains(body, ".") {
		return nil, false
	}
	var t jwt
	for _, p := range []struct {
		text string
		into any
	}{{head, &t.header}, {body, &t.claims}} {
		b, err := base64.RawURLEncoding.DecodeString(p.text)
		if err != nil || json.Unmarshal(b, p.into) != nil {
			return nil, false
		}
	}
	var err error
	if t.signature, err = base64.RawURLEncoding.DecodeString(sig); err != nil {
		return nil, false
	}
	switch t.claims.Audience.Kind() {
	case '"':
		t.audience = make([]string, 1)
		err = json.Unmarshal(t.claims.Audience, &t.audience[0])
	case '[':
		err = json.Unmarshal(t.claims.Audience, &t.audience)
	}
	t.digest = sha256.Sum256([]byte(signed))
	return &t, err == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// signedBy reports whether key signed the token, by PS256 or RS256.
func (t *jwt) signedBy(key *rsa.PublicKey) bool {
	switch t.header.Algorithm {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, t.digest[:], t.signature, nil) == nil
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, t.digest[:], t.signature) == nil
	}
	return false
}

// assertion checks a client assertion: a JWT that the app signed with the key of
// one of its certificates, or that another issuer signed for one of its
// federated identities.
func (e *entra) assertion(app *clientApp, d *directory, text string, now time.Time) *refusal {
	t, ok := parseJWT(text)
	if !ok {
		return refuseClient(50027, "JWT token is invalid or malformed.")
	}
	at := float64(now.UnixNano()) / 1e9
	if at > t.claims.Expires+assertionSkew.Seconds() || at < t.claims.Before-assertionSkew.Seconds() {
		return refuseClient(700024, "Client assertion is not within its valid time range.")
	}
	if t.header.X5T == "" && t.header.X5T256 == "" {
		return e.federation(app, t)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cert := range app.certificates {
		old, sum := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw) // x5t's definition
		if !thumbprintIs(t.header.X5T, old[:]) && !thumbprintIs(t.header.X5T256, sum[:]) {
			continue
		}
		key, _ := publicRSA(cert) // validate saw to it
		switch {
		case !t.signedBy(key):
			return refuseClient(700027, "The certificate with identifier used to sign the client assertion is registered on application, but the signature is invalid.")
		case !strings.EqualFold(t.claims.Issuer, app.id) || !strings.EqualFold(t.claims.Subject, app.id):
			return refuseClient(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
		case !slices.ContainsFunc(t.audience, func(a string) bool { return e.audience(a, d) }):
			return refuseClient(700023, "Client assertion audience claim does not match Realm issuer.")
		}
		return nil
	}
	return refuseClient(700027, fmt.Sprintf("The certificate with identifier used to sign the client assertion is not registered on application '%s'.", app.id))
}

// audience reports whether a client assertion may be made out to a.
func (e *entra) audience(a string, d *directory) bool {
	for _, name := range []string{d.id, d.domain} {
		at := e.api.URL + "/" + name
		if a == at+"/oauth2/v2.0/token" || a == at+"/v2.0" || a == at+"/" {
			return true
		}
	}
	return false
}

// thumbprintIs compares a thumbprint in any of base64's spellings.
func thumbprintIs(encoded string, sum []byte) bool {
	encoded = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(encoded), "=")
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	return err == nil && subtle.ConstantTimeCompare(b, sum) == 1
}

// federation checks the token of another issuer.
func (e *entra) federation(app *clientApp, t *jwt) *refusal {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range app.federated {
		want := f.Audience
		if want == "" {
			want = federatedAudience
		}
		if t.claims.Issuer != f.Issuer || t.claims.Subject != f.Subject {
			continue
		}
		switch {
		case !slices.Contains(t.audience, want):
			return refuseClient(700212, fmt.Sprintf("No matching federated identity record found for presented assertion audience '%s'.", bounded(strings.Join(t.audience, ","))))
		case !t.signedBy(f.Key):
			return refuseClient(50013, "Assertion failed signature validation.")
		}
		return nil
	}
	return refuseClient(700213, fmt.Sprintf("No matching federated identity record found for presented assertion subject '%s'.", bounded(t.claims.Subject)))
}
