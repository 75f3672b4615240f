package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge"
	"meetbridge/ingest/token"
)

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

// TestConcurrentFirstUses fetch the key sets once between them.
func TestConcurrentFirstUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		a.slow = 300 * time.Millisecond
		v := a.verifier(t)
		v.Start(t.Context())
		text := s.sign(t, claims(t, time.Now()))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { expect(t, "first use", judged(t, v, text), "") })
		}
		wg.Wait()
		if n := a.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestStartFetchesAhead, so that the first POST need not wait; and again every
// hour or so.
func TestStartFetchesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next := readSigner(t, "a"), readSigner(t, "b")
		a := newAuthority(t, s)
		v := a.verifier(t)
		if err := v.Ready(); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("ready before a fetch: %v", err)
		}
		v.Start(t.Context())
		synctest.Wait()
		if err := v.Ready(); err != nil {
			t.Error(err)
		}
		if sets := v.KeySets(); len(sets) != 2 || sets[0].Keys != 1 || sets[1].Err != nil || sets[1].Fetched.IsZero() {
			t.Errorf("key sets %+v", sets)
		}
		a.publish(s, next)
		time.Sleep(time.Hour)
		before := a.count()
		expect(t, "announced an hour ago", judged(t, v, next.sign(t, claims(t, time.Now()))), "")
		if a.count() != before {
			t.Error("fetched again for a key that was announced")
		}
		time.Sleep(24 * time.Hour)
		if n := a.count(); n < 24 || n > 36 {
			t.Errorf("%d fetches in 25 h", n)
		}
	})
}

// TestUnknownKeys: a storm of unknown ids, each with all else right, must not
// become a storm of fetches; a new key is found by the first token that needs it,
// and at worst after a minute.
func TestUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next := readSigner(t, "a"), readSigner(t, "b")
		a := newAuthority(t, s)
		v := a.verifier(t)
		text := s.sign(t, claims(t, time.Now()))
		expect(t, "the known key", judged(t, v, text), "")
		before, since := a.count(), time.Now()
		payload := encode(t, claims(t, time.Now()))
		for i := range 2000 {
			stranger := signer{fmt.Sprint("kid-", i), next.key}
			text := encode(t, stranger.header()) + "." + payload + ".AAAA"
			if i%100 == 0 { // signed ones cost time, and get no further
				text = stranger.signWith(t, stranger.header(), claims(t, time.Now()))
			}
			expect(t, "unknown key", judged(t, v, text), string(bridge.TokenUnknownKey))
			time.Sleep(150 * time.Millisecond)
		}
		if n := a.count() - before; n > int(time.Since(since)/time.Minute)+1 || n < 4 {
			t.Errorf("%d fetches in %s", n, time.Since(since))
		}
		expect(t, "the known key, after the storm", judged(t, v, text), "")

		// What could be no id, or comes beside what no key could mend, is not
		// worth a fetch at all.
		time.Sleep(time.Minute)
		before = a.count()
		for _, id := range []string{"", strings.Repeat("k", 257)} {
			odd := signer{id, next.key}
			expect(t, "no id", judged(t, v, odd.sign(t, claims(t, time.Now()))), string(bridge.TokenUnknownKey))
		}
		verify(t, v, time.Now(), signer{"kid", next.key}.sign(t, claims(t, time.Now())), "x")
		if a.count() != before {
			t.Error("fetched for what no key could mend")
		}
		a.publish(s, next)
		expect(t, "a new key", judged(t, v, next.sign(t, claims(t, time.Now()))), "")
		expect(t, "the old key beside it", judged(t, v, text), "")
	})
}

// TestDownAtStart is our trouble and not theirs: no verdict, until the authority
// can be reached, and few attempts until then.
func TestDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		a.fail(down)
		v := a.verifier(t)
		v.Start(t.Context())
		text := s.sign(t, claims(t, time.Now()))
		for range 600 {
			expect(t, "down", judged(t, v, text), "no keys")
			expect(t, "down, a token that no key could mend", judged(t, v, "x"), string(bridge.TokenMalformed))
			time.Sleep(100 * time.Millisecond)
		}
		if n := a.count(); n > 25 {
			t.Errorf("%d fetches in a minute", n)
		}
		if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("ready while down: %v", err)
		}
		a.fail(nil)
		time.Sleep(5 * time.Second)
		expect(t, "up again", judged(t, v, text), "")
	})
}

// Ensure that the log of a fetch that failed says what that means for what comes.
func TestDownSaysWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		a.fail(down)
		var log strings.Builder
		v, err := token.New(token.Config{HTTP: &http.Client{Transport: a}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		v.Start(t.Context())
		time.Sleep(time.Second)
		v.Close()
		if !strings.Contains(log.String(), "get 503 until it is") || strings.Contains(log.String(), "stay good") {
			t.Errorf("no key known: %s", log.String())
		}

		log.Reset()
		a.fail(nil)
		if v, err = token.New(token.Config{HTTP: &http.Client{Transport: a}, Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		v.Start(t.Context())
		time.Sleep(time.Second)
		a.fail(down)
		time.Sleep(23 * time.Hour)
		v.Close()
		if !strings.Contains(log.String(), "stay good for a day") || strings.Contains(log.String(), "get 503") {
			t.Errorf("keys known: %s", log.String())
		}
	})
}

// TestDownLater: known keys stay good for 24 h since they were last listed, and
// remembered tokens no longer than that.
func TestDownLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		v := a.verifier(t)
		day := object{"exp": time.Now().Add(72 * time.Hour).Unix()}
		remembered := s.sign(t, claims(t, time.Now()).with(day))
		expect(t, "up", judged(t, v, remembered), "")
		a.fail(down)
		v.Start(t.Context())
		time.Sleep(24*time.Hour - time.Second)
		expect(t, "remembered, just before", judged(t, v, remembered), "")
		expect(t, "new, just before", judged(t, v, s.sign(t, claims(t, time.Now()))), "")
		// It could be a new key's; only the authority could tell.
		unknown := signer{"new", s.key}.sign(t, claims(t, time.Now()))
		expect(t, "unknown key while down", judged(t, v, unknown), "no keys")
		time.Sleep(2 * time.Second)
		expect(t, "remembered, after", judged(t, v, remembered), "no keys")
		expect(t, "new, after", judged(t, v, s.sign(t, claims(t, time.Now()))), "no keys")
		if v.Ready() == nil {
			t.Error("ready without a good key")
		}
		a.fail(nil)
		time.Sleep(2 * time.Minute)
		expect(t, "up again", judged(t, v, remembered), "")
	})
}

// TestWithdrawnKey: what the key set no longer lists is refused after 24 h at
// the latest, remembered or not; what changes under its old name, at once.
func TestWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next := readSigner(t, "a"), readSigner(t, "b")
		a := newAuthority(t, s)
		v := a.verifier(t)
		v.Start(t.Context())
		long := object{"exp": time.Now().Add(72 * time.Hour).Unix()}
		remembered := s.sign(t, claims(t, time.Now()).with(long))
		expect(t, "listed", judged(t, v, remembered), "")
		a.publish(next)
		time.Sleep(25*time.Hour + time.Minute) // an hour may pass until the next fetch
		expect(t, "withdrawn, remembered", judged(t, v, remembered), string(bridge.TokenUnknownKey))
		expect(t, "withdrawn", judged(t, v, s.sign(t, claims(t, time.Now()))), string(bridge.TokenUnknownKey))

		text := next.sign(t, claims(t, time.Now()))
		expect(t, "the other key", judged(t, v, text), "")
		a.publish(signer{next.id, s.key})
		time.Sleep(time.Hour)
		expect(t, "another key under the name", judged(t, v, text), string(bridge.TokenSignature))
	})
}

// TestRememberedExpires: a token that was good is looked at again each time.
func TestRememberedExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		v := newAuthority(t, s).verifier(t)
		v.Start(t.Context())
		text := s.sign(t, claims(t, time.Now()).with(object{"exp": time.Now().Add(time.Hour).Unix()}))
		expect(t, "good", judged(t, v, text), "")
		time.Sleep(time.Hour + 5*time.Minute - time.Second)
		expect(t, "within the leeway", judged(t, v, text), "")
		time.Sleep(time.Second)
		expect(t, "expired", judged(t, v, text), string(bridge.TokenExpired))
		if verdict := verify(t, v, time.Now().Add(-time.Hour), text); verdict.Covers(tenantB) != nil {
			t.Error("not good any more as of an hour ago")
		}
		expect(t, "expired, again", judged(t, v, text), string(bridge.TokenExpired))
	})
}

// TestSlow: an authority that takes its time holds nobody beyond the budget, and
// what it says in the end counts.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		a.slow = 3 * time.Second // twice
		v := a.verifier(t)
		text := s.sign(t, claims(t, time.Now()))
		begun := time.Now()
		expect(t, "slow", judged(t, v, text), "no keys")
		if d := time.Since(begun); d != 2500*time.Millisecond {
			t.Errorf("took %s", d)
		}
		time.Sleep(4 * time.Second)
		expect(t, "arrived", judged(t, v, text), "")
		if n := a.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		// Too slow for any fetch: given up, and Close does not hang on it.
		a.slow = time.Hour
		expect(t, "hanging", judged(t, v, signer{"x", s.key}.sign(t, claims(t, time.Now()))), "no keys")
		expect(t, "hanging, the known key", judged(t, v, text), "")
	})
}

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

// TestRotationInLoad: keys that come and go while tokens are being verified all
// the time cost no good token its verdict.
func TestRotationInLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := readSigner(t, "a"), readSigner(t, "b")
		a := newAuthority(t, one)
		a.slow = 50 * time.Millisecond
		v := a.verifier(t)
		v.Start(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for day := range 6 {
					s := []signer{{fmt.Sprint("day-", day), one.key}, {fmt.Sprint("day-", day), other.key}}[day%2]
					if day > 0 {
						a.publish(s) // the others are withdrawn at once
					} else {
						a.publish(one, s)
					}
					text := s.sign(t, claims(t, time.Now()))
					for range 10 {
						expect(t, "in load", judged(t, v, text), "")
						time.Sleep(time.Hour)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestClose ends everything, also what is under way, and Verify after it still
// judges by the keys it has.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSigner(t, "a")
		a := newAuthority(t, s)
		v := a.verifier(t)
		text := s.sign(t, claims(t, time.Now()))
		expect(t, "open", judged(t, v, text), "")
		time.Sleep(time.Minute)
		a.slow = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Verify(ctx, []string{signer{"x", s.key}.sign(t, claims(t, time.Now()))}, time.Now()); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("a fetch that hangs: %v", err)
		}
		v.Close()
		v.Close()
		v.Start(t.Context())
		expect(t, "closed", judged(t, v, text), "")
		time.Sleep(2 * time.Minute)
		expect(t, "closed, unknown key", judged(t, v, signer{"y", s.key}.sign(t, claims(t, time.Now()))), "no keys")
	})
}
