package token_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"meetbridge/bridge"
)

// TestVerifyHostile goes through the tokens that must not pass (I3), and those
// at the edge that must.
func TestVerifyHostile(t *testing.T) {
	t.Parallel()
	s, stranger := readSigner(t, "a"), readSigner(t, "b")
	now := at()
	good := claims(t, now)
	v1 := documented(t, "v1").with(object{"nbf": now.Unix(), "exp": now.Unix() + 3600})
	signed := func(changes object) string { return s.sign(t, good.with(changes)) }
	signed1 := func(changes object) string { return s.sign(t, v1.with(changes)) }
	headed := func(changes object) string { return s.signWith(t, s.header().with(changes), good) }
	raw := func(header, payload string) string {
		e := base64.RawURLEncoding.EncodeToString
		return s.signText(t, e([]byte(header))+"."+e([]byte(payload)))
	}
	header := `{"alg":"RS256","kid":"` + s.id + `"}`
	plain := signed(nil)
	parts := strings.Split(plain, ".")
	withSignature := func(sig []byte) string {
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	impostor := signer{s.id, stranger.key} // another's key under a good name
	iss2 := func(tenant string) string { return authorityURL + "/" + tenant + "/v2.0" }

	public, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	byHMAC := func() string {
		text := encode(t, s.header().with(object{"alg": "HS256"})) + "." + parts[1]
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	byRS512 := func() string {
		text := encode(t, s.header().with(object{"alg": "RS512"})) + "." + parts[1]
		sum := sha512.Sum512([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA512, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(sig)
	}

	for _, c := range []struct {
		name  string
		token string
		want  bridge.Reason
	}{
		{"good", plain, ""},
		{"good, version 1.0", signed1(nil), ""},
		{"good, app id in upper case", signed(object{"aud": strings.ToUpper(appB)}), ""},
		{"good, audience a list of one", signed(object{"aud": []string{appB}}), ""},
		{"good, both publishers alike", signed(object{"appid": publisher}), ""},

		// Signature and algorithm.
		{"alg none", encode(t, object{"alg": "none", "kid": s.id}) + "." + parts[1] + ".", bridge.TokenAlgorithm},
		{"alg none with a signature", headed(object{"alg": "none"}), bridge.TokenAlgorithm},
		{"alg None", headed(object{"alg": "None"}), bridge.TokenAlgorithm},
		{"alg missing", headed(object{"alg": nil}), bridge.TokenAlgorithm},
		{"alg in lower case", headed(object{"alg": "rs256"}), bridge.TokenAlgorithm},
		{"alg a list", headed(object{"alg": []string{"RS256"}}), bridge.TokenMalformed},
		{"HS256 with the public key as secret", byHMAC(), bridge.TokenAlgorithm},
		{"RS512", byRS512(), bridge.TokenAlgorithm},
		{"alg twice", raw(`{"alg":"none","alg":"RS256","kid":"`+s.id+`"}`, "{}"), bridge.TokenMalformed},
		{"PS256 signed as RS256", headed(object{"alg": "PS256"}), bridge.TokenAlgorithm},
		{"signed by another key of that name", impostor.sign(t, good), bridge.TokenSignature},
		{"signature of another token", parts[0] + "." + parts[1] + "." + strings.Split(signed(object{"uti": "x"}), ".")[2], bridge.TokenSignature},
		{"payload of another token", parts[0] + "." + strings.Split(signed(object{"uti": "x"}), ".")[1] + "." + parts[2], bridge.TokenSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", bridge.TokenSignature},
		{"signature of zeros", withSignature(make([]byte, 256)), bridge.TokenSignature},
		{"signature of one byte", withSignature([]byte{1}), bridge.TokenSignature},
		{"signature with other trailing bits", plain[:len(plain)-1] + string(otherTrailingBits(plain[len(plain)-1])), bridge.TokenSignature},
		{"signature padded", plain + "==", bridge.TokenSignature},
		{"signature broken over lines", plain[:len(plain)-8] + "\n" + plain[len(plain)-8:], bridge.TokenSignature},

		// Keys that the token would bring along.
		{"jku", headed(object{"jku": "https://evil.example/keys", "kid": "evil"}), bridge.TokenUnknownKey},
		{"x5u", headed(object{"x5u": "https://evil.example/cert", "kid": "evil"}), bridge.TokenUnknownKey},
		{"embedded jwk", stranger.signWith(t, object{"alg": "RS256", "jwk": stranger.jwk(nil)}, good), bridge.TokenUnknownKey},
		{"embedded jwk under a good name", impostor.signWith(t, s.header().with(object{"jwk": stranger.jwk(nil)}), good), bridge.TokenSignature},
		{"x5c under a good name", impostor.signWith(t, s.header().with(object{"x5c": []string{"MIIB"}}), good), bridge.TokenSignature},
		{"jku beside a good signature", headed(object{"jku": "https://evil.example/keys"}), ""},
		{"critical extension", headed(object{"crit": []string{"b64"}, "b64": false}), bridge.TokenMalformed},
		{"unencoded payload", headed(object{"b64": false}), bridge.TokenMalformed},
		{"wrong kid", headed(object{"kid": "kid-other"}), bridge.TokenUnknownKey},
		{"kid in other case", headed(object{"kid": strings.ToUpper(s.id)}), bridge.TokenUnknownKey},
		{"no kid", headed(object{"kid": nil}), bridge.TokenUnknownKey},
		{"kid null", headed(object{"kid": ""}), bridge.TokenUnknownKey},
		{"kid a number", headed(object{"kid": 1}), bridge.TokenMalformed},
		{"kid a path", headed(object{"kid": "../../../../etc/passwd"}), bridge.TokenUnknownKey},
		{"kid a URL", headed(object{"kid": "https://evil.example/k?a=b#c\r\n"}), bridge.TokenUnknownKey},
		{"kid of 10 kB", headed(object{"kid": strings.Repeat("k", 8000)}), bridge.TokenUnknownKey},
		{"kid of 1 MB", headed(object{"kid": strings.Repeat("k", 1<<20)}), bridge.TokenMalformed},

		// Form.
		{"empty", "", bridge.TokenMalformed},
		{"two dots", "..", bridge.TokenMalformed},
		{"two parts", parts[0] + "." + parts[1], bridge.TokenMalformed},
		{"four parts", plain + ".x", bridge.TokenMalformed},
		{"five parts", plain + ".x.y", bridge.TokenMalformed},
		{"a blank in front", " " + plain, bridge.TokenMalformed},
		{"Bearer", "Bearer " + plain, bridge.TokenMalformed},
		{"JSON serialization", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`, bridge.TokenMalformed},
		{"standard base64 header", base64.StdEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "." + parts[2], bridge.TokenMalformed},
		{"1 MB", strings.Repeat("a", 1<<20), bridge.TokenMalformed},
		{"longer than 16 KiB, else good", signed(object{"more": strings.Repeat("m", 13<<10)}), bridge.TokenMalformed},
		{"a million dots", strings.Repeat(".", 1<<20), bridge.TokenMalformed},
		{"header an array", raw(`["RS256"]`, "{}"), bridge.TokenMalformed},
		{"claims an array", raw(header, `[]`), bridge.TokenMalformed},
		{"claims null", raw(header, `null`), bridge.TokenMalformed},
		{"claims not JSON", raw(header, `hello`), bridge.TokenMalformed},
		{"claims empty", raw(header, `{}`), bridge.TokenMalformed},
		{"claims not UTF-8", raw(header, "{\"tid\":\"\xff\"}"), bridge.TokenMalformed},
		{"a claim twice", raw(header, `{"tid":"`+tenantA+`","tid":"`+tenantB+`"}`), bridge.TokenMalformed},
		{"claims 5,000 levels deep", raw(header, strings.Repeat(`{"a":`, 2000)), bridge.TokenMalformed},

		// Time.
		{"expired within the leeway", signed(object{"exp": now.Unix() - 299}), ""},
		{"expired", signed(object{"exp": now.Unix() - 300}), bridge.TokenExpired},
		{"expired in 1970", signed(object{"exp": 0}), bridge.TokenExpired},
		{"valid in 5 min", signed(object{"nbf": now.Unix() + 300}), ""},
		{"not valid yet", signed(object{"nbf": now.Unix() + 301}), bridge.TokenNotYetValid},
		{"exp a string", signed(object{"exp": "9999999999"}), bridge.TokenMalformed},
		{"nbf a string", signed(object{"nbf": "0"}), bridge.TokenMalformed},
		{"exp NaN", signed(object{"exp": "NaN"}), bridge.TokenMalformed},
		{"exp negative", signed(object{"exp": -1}), bridge.TokenMalformed},
		{"nbf negative", signed(object{"nbf": -1}), bridge.TokenMalformed},
		{"exp 2^53", signed(object{"exp": int64(1) << 53}), ""},
		{"exp beyond 2^53", signed(object{"exp": int64(1)<<53 + 2}), bridge.TokenMalformed},
		{"exp beyond int64", raw(header, strings.Replace(payload(t, plain), `"exp":`, `"exp":1e300,"x":`, 1)), bridge.TokenMalformed},
		{"exp beyond float64", raw(header, strings.Replace(payload(t, plain), `"exp":`, `"exp":1e999,"x":`, 1)), bridge.TokenMalformed},
		{"exp of 5,000 digits", raw(header, strings.Replace(payload(t, plain), `"exp":`, `"exp":`+strings.Repeat("9", 5000)+`,"x":`, 1)), bridge.TokenMalformed},
		{"exp with a fraction", signed(object{"exp": float64(now.Unix()) + 10.5}), ""},
		{"exp missing", signed(object{"exp": nil}), bridge.TokenMalformed},
		{"nbf missing", signed(object{"nbf": nil}), bridge.TokenMalformed},
		{"exp null", raw(header, strings.Replace(payload(t, plain), `"exp":`, `"exp":null,"x":`, 1)), bridge.TokenMalformed},

		// Issuer and tenant.
		{"issuer of another tenant", signed(object{"iss": iss2(tenantA)}), bridge.TokenIssuer},
		{"tenant of another issuer", signed(object{"tid": tenantA}), bridge.TokenIssuer},
		{"issuer with a suffix", signed(object{"iss": iss2(tenantB) + "/"}), bridge.TokenIssuer},
		{"issuer with a prefix", signed(object{"iss": "https://evil.example/?" + iss2(tenantB)}), bridge.TokenIssuer},
		{"issuer in other case", signed(object{"iss": strings.ToUpper(iss2(tenantB))}), bridge.TokenIssuer},
		{"issuer of plain http", signed(object{"iss": strings.Replace(iss2(tenantB), "https", "http", 1)}), bridge.TokenIssuer},
		{"issuer missing", signed(object{"iss": nil}), bridge.TokenIssuer},
		{"issuer a list", signed(object{"iss": []string{iss2(tenantB)}}), bridge.TokenMalformed},
		{"v1 issuer without its slash", signed1(object{"iss": "https://sts.windows.net/" + tenantA}), bridge.TokenIssuer},
		{"v1 issuer in version 2.0", signed(object{"iss": "https://sts.windows.net/" + tenantB + "/"}), bridge.TokenIssuer},
		{"v2 issuer in version 1.0", signed1(object{"iss": iss2(tenantA)}), bridge.TokenIssuer},
		{"tid no GUID", signed(object{"tid": "common", "iss": iss2("common")}), bridge.TokenMalformed},
		{"tid with a path", signed(object{"tid": tenantB + "/x", "iss": iss2(tenantB + "/x")}), bridge.TokenMalformed},
		{"tid of 36 other characters", signed(object{"tid": strings.Repeat("x", 36), "iss": iss2(strings.Repeat("x", 36))}), bridge.TokenMalformed},
		{"tid missing", signed(object{"tid": nil}), bridge.TokenMalformed},
		{"ver missing", signed(object{"ver": nil}), bridge.TokenMalformed},
		{"ver 3.0", signed(object{"ver": "3.0"}), bridge.TokenMalformed},
		{"ver a number", signed(object{"ver": 2.0}), bridge.TokenMalformed},

		// Audience.
		{"wrong audience", signed(object{"aud": publisher}), bridge.TokenAudience},
		{"audience missing", signed(object{"aud": nil}), bridge.TokenAudience},
		{"audience of no one", signed(object{"aud": []string{}}), bridge.TokenAudience},
		{"audience of us and others", signed(object{"aud": []string{appB, publisher}}), bridge.TokenAudience},
		{"audience of us twice", signed(object{"aud": []string{appA, appB}}), bridge.TokenAudience},
		{"audience with a suffix", signed(object{"aud": appB + "/"}), bridge.TokenAudience},
		{"audience a number", signed(object{"aud": 1}), bridge.TokenMalformed},
		{"audience a list of numbers", signed(object{"aud": []int{1}}), bridge.TokenMalformed},

		// Publisher.
		{"wrong publisher", signed(object{"azp": appB}), bridge.TokenPublisher},
		{"publisher missing", signed(object{"azp": nil}), bridge.TokenPublisher},
		{"publisher in the claim of version 1.0", signed(object{"azp": nil, "appid": publisher}), bridge.TokenPublisher},
		{"publisher in the claim of version 2.0", signed1(object{"appid": nil, "azp": publisher}), bridge.TokenPublisher},
		{"publishers unlike", signed(object{"appid": appB}), bridge.TokenPublisher},
		{"publishers unlike, version 1.0", signed1(object{"azp": appB}), bridge.TokenPublisher},
		{"publisher in upper case", signed(object{"azp": strings.ToUpper(publisher)}), bridge.TokenPublisher},
		{"publisher empty", signed(object{"azp": ""}), bridge.TokenPublisher},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, s)
			v := a.verifier(t)
			for _, round := range []string{"first", "again"} {
				verdict := verify(t, v, now, c.token)
				if got := verdict.Checked[0].Reason; got != c.want {
					t.Errorf("%s: reason %q, want %q", round, got, c.want)
				}
				tenant := tenantB
				if strings.Contains(c.name, "1.0") {
					tenant = tenantA
				}
				if got := reason(t, verdict.Covers(tenant)); got != c.want {
					t.Errorf("%s: item rejected for %q, want %q", round, got, c.want)
				}
				if c.want != "" && verdict.Checked[0].Tenant != "" {
					t.Error("a bad token has a tenant")
				}
				if claims := verdict.Checked[0].Claims; strings.Contains(claims, ".") && strings.Contains(claims, parts[2]) {
					t.Error("the token itself is among the claims")
				}
			}
			for _, url := range a.seen {
				if !strings.HasPrefix(url, authorityURL+"/common/") {
					t.Errorf("fetched %s", url)
				}
			}
		})
	}
}

// otherTrailingBits returns the character that differs from c in its lowest bit,
// which in the last place of a signature stands for nothing.
func otherTrailingBits(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}
