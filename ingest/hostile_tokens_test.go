//go:build synctests

package ingest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/bridgetest"
)

// Tokens that are forged, of somebody else, or for somebody else prove nothing:
// one case at least for each reason, through a running ingest. All forms of
// each are in the tests of package token.
func TestHostileTokens(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	n := 0
	rich := func() string {
		n++
		return item("@@", n).with(object{"encryptedContent": e.sealed(sealing{}, message(n))}).String()
	}
	signer, header := e.authority.signer, object{"typ": "JWT", "alg": "RS256", "kid": "kid-a"}
	good, parts := e.token(nil), strings.Split(e.token(nil), ".")
	claimed := func(changes object) []string { return []string{e.token(changes)} }
	headed := func(changes object) []string { return []string{e.sign(signer, header.with(changes), e.claims())} }
	other := tenantB
	foreign := e.token(object{"tid": other, "iss": e.Config.EntraAuthority + "/" + other + "/v2.0"})
	hs256 := func() []string {
		public, err := x509.MarshalPKIXPublicKey(&signer.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		text := encode([]byte(header.with(object{"alg": "HS256"}).String())) + "." + encode([]byte(e.claims().String()))
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(text))
		return []string{text + "." + encode(mac.Sum(nil))}
	}
	repeated := func(s string, n int) []string { return strings.Split(strings.Repeat(s+"\n", n-1)+s, "\n") }
	hour := func(h int) int64 { return time.Now().Add(time.Duration(h) * time.Hour).Unix() }
	attacks := []attack{
		{"good", "", []string{good}, ""},
		{"two good ones", "", []string{foreign, good}, ""},
		{"none", "", []string{}, "token_missing"},
		{"validationTokens missing", "", "", "token_missing"},
		{"validationTokens null", "", `,"validationTokens":null`, "token_missing"},
		{"validationTokens a string", "", `,"validationTokens":"` + good + `"`, "token_missing"},
		{"validationTokens of numbers", "", `,"validationTokens":[7,null]`, "token_malformed"},
		{"a good one and an empty one", "", []string{good, ""}, "token_malformed"},
		{"1,000 tokens", "", repeated(good, 1000), "token_malformed"},
		{"200 tokens", "", repeated(good, 200), ""},
		{"one of 1 MB", "", []string{good, strings.Repeat("a", 1<<20)}, "token_malformed"},
		{"alg none", "", headed(object{"alg": "none"}), "token_algorithm"},
		{"HS256 with the public key", "", hs256(), "token_algorithm"},
		{"RS512", "", headed(object{"alg": "RS512"}), "token_algorithm"},
		{"jku", "", []string{e.sign(e.stranger, object{"alg": "RS256", "kid": "evil", "jku": "https://evil.example/keys"}, e.claims())}, "token_unknown_key"},
		{"no kid", "", headed(object{"kid": nil}), "token_unknown_key"},
		{"a kid of 10 kB", "", headed(object{"kid": strings.Repeat("k", 8000)}), "token_unknown_key"},
		{"a kid that is a path", "", headed(object{"kid": "../../keys"}), "token_unknown_key"},
		{"signed by a stranger", "", []string{e.sign(e.stranger, header, e.claims())}, "token_signature"},
		{"no signature", "", []string{parts[0] + "." + parts[1] + "."}, "token_signature"},
		{"expired", "", claimed(object{"exp": hour(-1)}), "token_expired"},
		{"not valid yet", "", claimed(object{"nbf": hour(1)}), "token_not_yet_valid"},
		{"exp a string", "", claimed(object{"exp": "9999999999"}), "token_malformed"},
		{"exp beyond 2^53", "", claimed(object{"exp": int64(1)<<53 + 2}), "token_malformed"},
		{"issuer of another tenant", "", claimed(object{"iss": e.Config.EntraAuthority + "/" + other + "/v2.0"}), "token_issuer"},
		{"issuer with a suffix", "", claimed(object{"iss": e.Config.EntraAuthority + "/" + tenantA + "/v2.0/"}), "token_issuer"},
		{"wrong audience", "", claimed(object{"aud": publisher}), "token_audience"},
		{"audience a list of ours and theirs", "", claimed(object{"aud": []string{bridgetest.AppID, publisher}}), "token_audience"},
		{"wrong publisher", "", claimed(object{"azp": bridgetest.AppID}), "token_publisher"},
		{"publisher in the claim of version 1.0", "", claimed(object{"azp": nil, "appid": publisher}), "token_publisher"},
		{"a tid that is no GUID", "", claimed(object{"tid": "common", "iss": e.Config.EntraAuthority + "/common/v2.0"}), "token_malformed"},
		{"of another tenant", "", []string{foreign}, "token_tenant"},
	}
	for i := range attacks {
		attacks[i].item = rich()
	}
	e.run(attacks)
}

// A clientState that is nearly right is wrong.
func TestHostileClientStates(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	states, err := bridge.ParseClientStateKeys([]byte("k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), nil)
	if err != nil {
		t.Fatal(err)
	}
	mint := func(tenant string) string {
		s, err := states.Mint(tenant, [16]byte{9})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := mint(tenantA)
	last := good[len(good)-1]
	with := func(state any) string { return item("@@", 1).with(object{"clientState": state}).String() }
	const mismatch, malformed = "client_state_mismatch", "client_state_malformed"
	lit := bridgetest.LiteralState
	e.run([]attack{
		{"ours", with(good), nil, ""},
		{"literal", with(lit), nil, ""},
		{"null", with(null{}), nil, "client_state_missing"},
		{"empty", with(""), nil, "client_state_missing"},
		{"of another tenant", with(mint(tenantB)), nil, mismatch},
		{"truncated", with(good[:len(good)-1]), nil, malformed},
		{"extended", with(good + "A"), nil, malformed},
		{"with another key id", with(strings.Replace(good, "mb1.k1.", "mb1.k2.", 1)), nil, "client_state_unknown_key"},
		{"with a key id in other case", with(strings.Replace(good, "mb1.k1.", "mb1.K1.", 1)), nil, "client_state_unknown_key"},
		{"without a key id", with(strings.Replace(good, "mb1.k1.", "mb1..", 1)), nil, malformed},
		{"prefix in other case", with(strings.Replace(good, "mb1.", "MB1.", 1)), nil, mismatch},
		{"MAC in other case", with(good[:len(good)-43] + strings.ToUpper(good[len(good)-43:])), nil, mismatch},
		{"trailing bits changed", with(good[:len(good)-1] + string(last^1)), nil, mismatch},
		{"padded", with(good + "="), nil, malformed},
		{"a blank behind", with(good + " "), nil, malformed},
		{"literal, truncated", with(lit[:len(lit)-1]), nil, mismatch},
		{"literal, extended", with(lit + "x"), nil, mismatch},
		{"literal in other case", with(strings.ToUpper(lit)), nil, mismatch},
		{"literal with a look-alike", with(strings.Replace(lit, "i", "і", 1)), nil, mismatch},
		{"literal with a NUL behind", with(lit + "\x00"), nil, mismatch},
		{"ours with a look-alike", with(strings.Replace(good, "mb1.k1", "mb1.kⅠ", 1)), nil, malformed},
		{"a replacement character", with("\ufffd"), nil, mismatch},
	})
}

// The claims that a quarantine record keeps are bounded: many bad items beside
// many large tokens do not become gigabytes.
func TestHostileClaims(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	var items []object
	for n := range 100 {
		items = append(items, item("s", n).with(object{"encryptedContent": object{"data": "*"}}))
	}
	var tokens []string
	for range 100 {
		tokens = append(tokens, e.token(object{"more": strings.Repeat("m", 10<<10)}))
	}
	if got := e.post(object{"value": items, "validationTokens": tokens}.String()); got.code != 202 {
		t.Errorf("answered %d", got.code)
	}
	stored := e.Records()
	for _, s := range stored {
		list, _ := s.Value["tokens"].([]any)
		if size := len(fmt.Sprint(list)); len(list) != 100 || size > 100<<10 || size < 50<<10 {
			t.Errorf("%d tokens of %d bytes are kept", len(list), size)
		}
	}
	if len(stored) != 100 {
		t.Errorf("%d records, want 100", len(stored))
	}
}

// A token that was good is looked at again when its time is over, though it is
// remembered; and a key that the set has withdrawn stops to count after 24 h.
func TestHostileTokenOutlivesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), nil)
		send := func(n int, token string) {
			it := item("s", n).with(object{"encryptedContent": e.sealed(sealing{}, message(n))})
			if got := e.post(`{"value":[` + it.String() + `],"validationTokens":["` + token + `"]}`); got.code != 202 {
				t.Errorf("%d: answered %d", n, got.code)
			}
		}
		short := e.token(object{"exp": time.Now().Add(time.Hour).Unix()})
		long := e.token(object{"exp": time.Now().Add(100 * time.Hour).Unix()})
		send(1, short)
		send(2, long)
		time.Sleep(time.Hour + 6*time.Minute)
		send(3, short)
		e.authority.set(func() { e.authority.kid = "kid-z" })
		time.Sleep(20 * time.Hour)
		send(4, long)
		time.Sleep(6 * time.Hour)
		send(5, long)
		got := map[string]int{}
		for _, s := range e.Records() {
			got[s.Topic+s.Text("reason")]++
		}
		if len(got) != 3 || got["chat-messages"] != 3 || got["quarantinetoken_expired"] != 1 || got["quarantinetoken_unknown_key"] != 1 {
			t.Errorf("in Kafka: %v", got)
		}
	})
}
