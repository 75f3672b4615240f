package token_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBrokenKeySets: whatever the authority may answer, known keys stay, nothing
// panics or grows, and nothing is fetched from elsewhere.
func TestBrokenKeySets(t *testing.T) {
	t.Parallel()
	s, other := readSigner(t, "a"), readSigner(t, "b")
	keysOnly := func(f fault) fault {
		return func(r *http.Request) *reply {
			if strings.Contains(r.URL.Path, "/discovery/") {
				return f(r)
			}
			return nil
		}
	}
	// Sets that would do, were it not for their size.
	weak := other.jwk(object{"n": strings.Repeat("_", 170) + "w"}) // 1,024 bits
	many := `{"keys":[` + strings.Repeat("{},", 20_000) + jsonOf(t, s.jwk(nil)) + `]}`
	long := `{"keys":[` + strings.Repeat(" ", 9<<20) + jsonOf(t, s.jwk(nil)) + `]}`
	for name, fault := range map[string]fault{
		"down":                           down,
		"keys down":                      keysOnly(down),
		"500":                            always(500, "oops", ""),
		"keys 404":                       keysOnly(always(404, "{}", "")),
		"HTML":                           always(200, "<html>", ""),
		"empty":                          always(200, "", ""),
		"null":                           always(200, "null", ""),
		"no jwks_uri":                    always(200, "{}", ""),
		"jwks_uri a number":              always(200, `{"jwks_uri":1}`, ""),
		"jwks_uri a path":                always(200, `{"jwks_uri":"/common/keys"}`, ""),
		"jwks_uri a file":                always(200, `{"jwks_uri":"file:///etc/passwd"}`, ""),
		"jwks_uri plain http":            always(200, `{"jwks_uri":"http://login.microsoftonline.com/common/keys"}`, ""),
		"jwks_uri loopback":              always(200, `{"jwks_uri":"http://127.0.0.1/common/keys"}`, ""),
		"redirect to another host":       always(302, "", "https://evil.example/keys"),
		"redirect of keys to another":    keysOnly(always(302, "", "https://evil.example/keys")),
		"redirect to plain http":         always(302, "", "http://login.microsoftonline.com/x"),
		"redirect to another port":       always(307, "", "https://login.microsoftonline.com:444/x"),
		"redirect for ever":              always(302, "", authorityURL+"/common/again"),
		"keys an object":                 keysOnly(always(200, `{"keys":{}}`, "")),
		"keys empty":                     keysOnly(always(200, `{"keys":[]}`, "")),
		"keys of no use":                 keysOnly(always(200, `{"keys":[1,"x",null,{},{"kty":"RSA"},{"kty":"RSA","n":"","e":"","kid":"x"}]}`, "")),
		"keys twice":                     keysOnly(always(200, `{"keys":[],"keys":[]}`, "")),
		"20,000 keys":                    keysOnly(always(200, many, "")),
		"9 MB":                           keysOnly(always(200, long, "")),
		"deep":                           keysOnly(always(200, strings.Repeat("[", 100_000), "")),
		"a key too small":                keysOnly(always(200, `{"keys":[`+jsonOf(t, weak)+`]}`, "")),
		"a symmetric key":                keysOnly(always(200, `{"keys":[{"kty":"oct","kid":"kid-a","k":"AAAA"}]}`, "")),
		"a private key":                  keysOnly(always(200, `{"keys":[{"kty":"RSA","kid":"kid-a","d":"AAAA","n":"AAAA","e":"AQAB"}]}`, "")),
		"an EC key":                      keysOnly(always(200, `{"keys":[{"kty":"EC","kid":"kid-a","crv":"P-256","x":"AAAA","y":"AAAA"}]}`, "")),
		"a key for encryption":           keysOnly(always(200, `{"keys":[`+jsonOf(t, other.jwk(object{"use": "enc"}))+`]}`, "")),
		"a key for RS512":                keysOnly(always(200, `{"keys":[`+jsonOf(t, other.jwk(object{"alg": "RS512"}))+`]}`, "")),
		"a key without an id":            keysOnly(always(200, `{"keys":[`+jsonOf(t, other.jwk(object{"kid": nil}))+`]}`, "")),
		"a key with a number for issuer": keysOnly(always(200, `{"keys":[`+jsonOf(t, other.jwk(object{"issuer": 1}))+`]}`, "")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthority(t, s)
				v := a.verifier(t)
				text := s.sign(t, claims(t, time.Now()))
				a.fail(fault)
				expect(t, "broken at first", judged(t, v, text), "no keys")
				a.fail(nil)
				time.Sleep(6 * time.Second)
				expect(t, "mended", judged(t, v, text), "")
				a.fail(fault)
				time.Sleep(2 * time.Minute)
				unknown := other.sign(t, claims(t, time.Now()))
				expect(t, "broken later, unknown key", judged(t, v, unknown), "no keys")
				expect(t, "broken later, new token", judged(t, v, s.sign(t, claims(t, time.Now()))), "")
				for _, url := range a.seen {
					if !strings.HasPrefix(url, authorityURL+"/common/") {
						t.Errorf("fetched %s", url)
					}
				}
			})
		})
	}
}

// TestManyKeys: a good key among 10,000 others is found.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	s := readSigner(t, "a")
	a := newAuthority(t)
	keys := make([]object, 10_000)
	for i := range keys {
		keys[i] = s.jwk(object{"kid": fmt.Sprint("kid-", i), "x5t": nil})
	}
	keys[9_000] = s.jwk(nil)
	a.keys[1] = keys
	now := time.Now()
	if err := verify(t, a.verifier(t), now, s.sign(t, claims(t, now))).Covers(tenantB); err != nil {
		t.Error(err)
	}
}

// TestOneSetOnly: keys of either set prove tokens while the other cannot be had.
func TestOneSetOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		a.fail(func(r *http.Request) *reply {
			if r.URL.Path == "/common/.well-known/openid-configuration" {
				return &reply{status: http.StatusNotFound}
			}
			return nil
		})
		v := a.verifier(t)
		expect(t, "version 2.0", judged(t, v, s.sign(t, claims(t, time.Now()))), "")
		v1 := documented(t, "v1").with(object{"nbf": time.Now().Unix(), "exp": time.Now().Unix() + 3600})
		expect(t, "version 1.0", judged(t, v, s.sign(t, v1)), "")
		if err := v.Ready(); err != nil {
			t.Error(err)
		}
		expect(t, "unknown", judged(t, v, signer{"x", s.key}.sign(t, claims(t, time.Now()))), "no keys")
	})
}
