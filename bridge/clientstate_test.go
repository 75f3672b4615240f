package bridge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"meetbridge/bridge"
)

const (
	stateTenant = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
	otherTenant = "9f4ebab6-520d-49c0-85cc-7b25c78d4a93"
)

// stateSecret returns 32 bytes that are not random, for tests alone.
func stateSecret(fill byte) []byte { return []byte(strings.Repeat(string(fill), 32)) }

func stateLine(id string, fill byte) string {
	return id + " " + base64.StdEncoding.EncodeToString(stateSecret(fill)) + "\n"
}

func parseStates(tb testing.TB, keys, literals string) bridge.ClientStateKeys {
	tb.Helper()
	k, err := bridge.ParseClientStateKeys([]byte(keys), []byte(literals))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func mint(tb testing.TB, k bridge.ClientStateKeys, tenant string) string {
	tb.Helper()
	s, err := k.Mint(tenant, [16]byte{1, 2, 3, 0xff, 0xfe})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// reasonOf returns the reason of a rejection, "" for nil, and fails on any other
// error.
func reasonOf(tb testing.TB, err error) bridge.Reason {
	tb.Helper()
	if err == nil {
		return ""
	}
	var r *bridge.Rejection
	if !errors.As(err, &r) {
		tb.Fatalf("error is no rejection: %v", err)
	}
	return r.Reason
}

// TestClientStateForm computes the documented form by itself (DESIGN §4).
func TestClientStateForm(t *testing.T) {
	t.Parallel()
	k := parseStates(t, stateLine("spring-26", 'a'), "")
	got := mint(t, k, strings.ToUpper(stateTenant))

	guid, err := hex.DecodeString(strings.ReplaceAll(stateTenant, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	nonce := base64.RawURLEncoding.EncodeToString(append([]byte{1, 2, 3, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, guid...))
	mac := hmac.New(sha256.New, stateSecret('a'))
	fmt.Fprintf(mac, "%s\n%s", stateTenant, nonce)
	want := "mb1.spring-26." + nonce + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	longest := parseStates(t, stateLine(strings.Repeat("k", 32), 'a'), "")
	if s := mint(t, longest, stateTenant); len(s) > 128 {
		t.Errorf("%d characters, more than a subscription may hold", len(s))
	}
}

// A notification that leaves its tenant out is proven by the tenant in its
// clientState, and by no other (I2, I3).
func TestTenantOf(t *testing.T) {
	t.Parallel()
	k := parseStates(t, stateLine("k", 'a'), "")
	good := mint(t, k, strings.ToUpper(stateTenant))
	if got := bridge.TenantOf(good); got != stateTenant || k.Check(got, good) != nil {
		t.Errorf("tenant of %s is %q", good, got)
	}
	parts := strings.Split(good, ".")
	other := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for _, s := range []string{
		"", "literal", "mb1", "mb1.k", "mb1.k.%.x", mint(t, k, "no-guid"), "mb1.k.AAAA." + parts[3], good + strings.Repeat("x", 128),
		"mb1.k." + other + "." + parts[3],
	} {
		if tenant := bridge.TenantOf(s); tenant != "" && k.Check(tenant, s) == nil {
			t.Errorf("%.60q proves tenant %q", s, tenant)
		}
	}
}

// TestClientStateCheck walks through what a hostile sender may try (I3).
func TestClientStateCheck(t *testing.T) {
	t.Parallel()
	k := parseStates(t, stateLine("new", 'n')+stateLine("old", 'o'), "from-elsewhere\nnull\n")
	good := mint(t, k, stateTenant)
	old := mint(t, parseStates(t, stateLine("old", 'o'), ""), stateTenant)
	stranger := mint(t, parseStates(t, stateLine("other", 'x'), ""), stateTenant)
	parts := strings.Split(good, ".") // mb1, key id, nonce, MAC
	join := func(key, nonce, mac string) string { return "mb1." + key + "." + nonce + "." + mac }
	last := parts[3][len(parts[3])-1]
	trailing := parts[3][:len(parts[3])-1] + string(nextInAlphabet(last)) // same bytes, other text

	for _, c := range []struct {
		name   string
		tenant string
		state  string
		want   bridge.Reason
	}{
		{"ours", stateTenant, good, ""},
		{"ours, tenant in upper case", strings.ToUpper(stateTenant), good, ""},
		{"ours, by the older key", stateTenant, old, ""},
		{"literal", stateTenant, "from-elsewhere", ""},
		{"literal of any tenant", "", "null", ""},

		{"missing", stateTenant, "", bridge.ClientStateMissing},
		{"another tenant's", otherTenant, good, bridge.ClientStateMismatch},
		{"no tenant", "", good, bridge.ClientStateMismatch},
		{"tenant of 1 MB", strings.Repeat("a", 1<<20), good, bridge.ClientStateMismatch},
		{"tenant with the nonce in it", stateTenant + "\n" + parts[2], good, bridge.ClientStateMismatch},
		{"truncated MAC", stateTenant, good[:len(good)-1], bridge.ClientStateMalformed},
		{"extended MAC", stateTenant, good + "A", bridge.ClientStateMalformed},
		{"one part more", stateTenant, good + ".A", bridge.ClientStateMalformed},
		{"truncated to its prefix", stateTenant, "mb1.", bridge.ClientStateMalformed},
		{"truncated to the key id", stateTenant, "mb1.new", bridge.ClientStateMalformed},
		{"no nonce", stateTenant, join("new", "", parts[3]), bridge.ClientStateMalformed},
		{"no MAC", stateTenant, join("new", parts[2], ""), bridge.ClientStateMalformed},
		{"other known key id", stateTenant, join("old", parts[2], parts[3]), bridge.ClientStateMismatch},
		{"unknown key id", stateTenant, join("next", parts[2], parts[3]), bridge.ClientStateUnknownKey},
		{"unknown key", stateTenant, stranger, bridge.ClientStateUnknownKey},
		{"key id in other case", stateTenant, join("NEW", parts[2], parts[3]), bridge.ClientStateUnknownKey},
		{"MAC in other case", stateTenant, join("new", parts[2], strings.ToUpper(parts[3])), bridge.ClientStateMismatch},
		{"prefix in other case", stateTenant, "MB1." + good[4:], bridge.ClientStateMismatch},
		{"MAC with other trailing bits", stateTenant, join("new", parts[2], trailing), bridge.ClientStateMismatch},
		{"other nonce", stateTenant, join("new", "AAAAAAAAAAAAAAAAAAAAAA", parts[3]), bridge.ClientStateMismatch},
		{"padded MAC", stateTenant, good + "=", bridge.ClientStateMalformed},
		{"look-alike in the key id", stateTenant, join("nеw", parts[2], parts[3]), bridge.ClientStateMalformed},
		{"look-alike in the prefix", stateTenant, "mb１." + good[4:], bridge.ClientStateMismatch},
		{"full-width dot", stateTenant, strings.Replace(good, ".", "．", 1), bridge.ClientStateMismatch},
		{"line break at the end", stateTenant, good + "\n", bridge.ClientStateMalformed},
		{"nonce of 1 MB", stateTenant, join("new", strings.Repeat("A", 1<<20), parts[3]), bridge.ClientStateMalformed},
		{"1 MB", stateTenant, strings.Repeat("x", 1<<20), bridge.ClientStateMismatch},
		{"literal in other case", stateTenant, "From-elsewhere", bridge.ClientStateMismatch},
		{"literal truncated", stateTenant, "from-elsewher", bridge.ClientStateMismatch},
		{"literal with a blank", stateTenant, "from-elsewhere ", bridge.ClientStateMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := reasonOf(t, k.Check(c.tenant, c.state)); got != c.want {
				t.Errorf("reason %q, want %q", got, c.want)
			}
		})
	}

	t.Run("nothing passes an empty set", func(t *testing.T) {
		empty := parseStates(t, "", "# nothing\n\n")
		for state, want := range map[string]bridge.Reason{
			"":               bridge.ClientStateMissing,
			good:             bridge.ClientStateUnknownKey,
			"from-elsewhere": bridge.ClientStateMismatch,
			"null":           bridge.ClientStateMismatch,
		} {
			for _, k := range []bridge.ClientStateKeys{empty, {}} {
				if got := reasonOf(t, k.Check(stateTenant, state)); got != want {
					t.Errorf("%q: reason %q, want %q", state, got, want)
				}
			}
		}
	})
}

// nextInAlphabet returns the character that differs from c in its lowest bit:
// in the last place of a MAC that bit stands for nothing.
func nextInAlphabet(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

// TestClientStateRotation mints with the first key of the file and checks with
// all of them.
func TestClientStateRotation(t *testing.T) {
	t.Parallel()
	before := parseStates(t, stateLine("a", 'a'), "")
	during := parseStates(t, stateLine("b", 'b')+stateLine("a", 'a'), "")
	after := parseStates(t, stateLine("b", 'b'), "")
	made := mint(t, before, stateTenant)
	renewed := mint(t, during, stateTenant)
	if err := during.Check(stateTenant, made); err != nil {
		t.Errorf("the old one, while both keys live: %v", err)
	}
	if !strings.HasPrefix(renewed, "mb1.b.") {
		t.Errorf("minted %q, not with the first key", renewed)
	}
	if got := reasonOf(t, after.Check(stateTenant, made)); got != bridge.ClientStateUnknownKey {
		t.Errorf("the old one, its key gone: reason %q", got)
	}
	if err := after.Check(stateTenant, renewed); err != nil {
		t.Errorf("the renewed one: %v", err)
	}
}

// TestParseClientStateKeys says what is wrong with a file, and never what is in
// it (I4).
func TestParseClientStateKeys(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString(stateSecret('s'))
	for _, c := range []struct{ name, keys, literals, want string }{
		{"comments, blanks, line ends of Windows", "\ufeff# keys\r\n\r\n  a  " + key + "  \r\n", "# values\r\nx\r\n", ""},
		{"no key", "a\n", "", "line 1"},
		{"three fields", "# one\na " + key + " b\n", "", "line 2"},
		{"short key", "a " + base64.StdEncoding.EncodeToString([]byte("secret-of-too-few-bytes")) + "\n", "", "line 1"},
		{"not base64", "a secret!\n", "", "line 1"},
		{"url-safe base64", "a " + strings.Repeat("-_", 22) + "\n", "", "line 1"},
		{"id with a dot", "a.b " + key + "\n", "", "line 1"},
		{"id too long", strings.Repeat("a", 33) + " " + key + "\n", "", "line 1"},
		{"id twice", "a " + key + "\na " + key + "\n", "", "line 2"},
		{"endless line", "a " + strings.Repeat("A", 1<<17), "", "line 1"},
		{"literal too long", "", "x\n" + strings.Repeat("s", 256), "line 2"},
		{"literal of our form", "", "mb1.secret", "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := bridge.ParseClientStateKeys([]byte(c.keys), []byte(c.literals))
			if c.want == "" {
				if keys, literals := k.Len(); err != nil || keys != 1 || literals != 1 {
					t.Errorf("%d keys, %d literals, error %v", keys, literals, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one that names %s", err, c.want)
			}
			for _, secret := range []string{"secret", key, "ssss"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error repeats the file: %v", err)
				}
			}
			if keys, literals := k.Len(); keys+literals != 0 {
				t.Error("a set came back beside the error")
			}
		})
	}
}

// TestMintRefuses makes no clientState that would be worth nothing.
func TestMintRefuses(t *testing.T) {
	t.Parallel()
	k := parseStates(t, stateLine("a", 'a'), "")
	for name, c := range map[string]struct {
		keys   bridge.ClientStateKeys
		tenant string
	}{
		"no key":          {bridge.ClientStateKeys{}, stateTenant},
		"literals only":   {parseStates(t, "", "x"), stateTenant},
		"no tenant":       {k, ""},
		"endless tenant":  {k, strings.Repeat("a", 1000)},
		"tenant in lines": {k, "a\nb"},
	} {
		if s, err := c.keys.Mint(c.tenant, [16]byte{}); err == nil {
			t.Errorf("%s: minted %q", name, s)
		}
	}
}

func FuzzClientStateCheck(f *testing.F) {
	k := parseStates(f, stateLine("a", 'a')+stateLine("b", 'b'), "literal\n")
	good := mint(f, k, stateTenant)
	for _, s := range []string{"", good, good[:40], good + "=", "mb1...", "mb1.c.AAAA." + good[len(good)-43:], "literal", "LITERAL", "mb1．"} {
		f.Add(stateTenant, s)
	}
	f.Add("", good)
	f.Fuzz(func(t *testing.T, tenant, state string) {
		err := k.Check(tenant, state)
		if err != nil {
			reasonOf(t, err)
			return
		}
		// The one MAC that is known here, and the literal; another pass would be
		// a forged one.
		if state != "literal" && (state != good || !strings.EqualFold(tenant, stateTenant)) {
			t.Errorf("passed: tenant %q, state %q", tenant, state)
		}
	})
}

func FuzzParseClientStateKeys(f *testing.F) {
	for _, s := range []string{"", "# c\n", stateLine("a", 'a'), stateLine("a", 'a') + stateLine("a", 'a'), "a b c", "a AAAA", "\ufeff"} {
		f.Add([]byte(s), []byte("x\n# y\n"))
	}
	f.Add([]byte{}, []byte("mb1.x"))
	f.Fuzz(func(t *testing.T, keys, literals []byte) {
		k, err := bridge.ParseClientStateKeys(keys, literals)
		if err != nil {
			return
		}
		n, _ := k.Len()
		state, err := k.Mint(stateTenant, [16]byte{})
		if (err == nil) != (n > 0) {
			t.Fatalf("%d keys, mint: %v", n, err)
		}
		if err == nil && k.Check(stateTenant, state) != nil {
			t.Errorf("does not pass what it minted: %q", state)
		}
	})
}

func BenchmarkClientStateCheck(b *testing.B) {
	k := parseStates(b, stateLine("a", 'a')+stateLine("b", 'b'), "one\ntwo\nthree\n")
	good := mint(b, k, stateTenant)
	for name, state := range map[string]string{"mac": good, "literal": "three"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := k.Check(stateTenant, state); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
