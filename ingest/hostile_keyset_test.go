//go:build synctests

package ingest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/ingest"
)

// sealedPost returns a POST of one sealed item with that token.
func (e *edge) sealedPost(n int, token string) string {
	it := item("s", n).with(object{"encryptedContent": e.sealed(sealing{}, message(n))})
	return `{"value":[` + it.String() + `],"validationTokens":["` + token + `"]}`
}

// A key set that cannot be had is our trouble: 503 in time, and what Graph sends
// again is taken once it is there. Nothing is set aside meanwhile.
func TestHostileKeySetAtStart(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(a *authority){
		"down":       func(a *authority) { a.fault = func(*http.Request) (int, string, bool) { return 0, "", true } },
		"500":        func(a *authority) { a.fault = func(*http.Request) (int, string, bool) { return 500, "", true } },
		"wrong JSON": func(a *authority) { a.fault = func(*http.Request) (int, string, bool) { return 200, "{", true } },
		"HTML": func(a *authority) {
			a.fault = func(*http.Request) (int, string, bool) { return 200, "<html>Sign in", true }
		},
		"redirected": func(a *authority) { a.fault = func(*http.Request) (int, string, bool) { return 302, "", true } },
		"empty set": func(a *authority) {
			a.fault = func(r *http.Request) (int, string, bool) {
				return 200, `{"keys":[]}`, strings.HasSuffix(r.URL.Path, "/keys")
			}
		},
		"20,000 keys": func(a *authority) {
			a.fault = func(r *http.Request) (int, string, bool) {
				return 200, `{"keys":[` + strings.Repeat(`{"kty":"RSA"},`, 19_999) + `{}]}`, strings.HasSuffix(r.URL.Path, "/keys")
			}
		},
		"slow": func(a *authority) { a.slow = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t, slog.New(slog.DiscardHandler), nil)
				e.StopIngest()
				e.authority.set(func() { fault(e.authority) })
				e.StartIngest()
				time.Sleep(20 * time.Second)
				body := e.sealedPost(1, e.token(nil))
				for range 3 {
					got := e.post(body)
					if got.code != 503 || got.header.Get("Retry-After") == "" || got.took > 2900*time.Millisecond {
						t.Errorf("answered %d after %s, Retry-After %q", got.code, got.took, got.header.Get("Retry-After"))
					}
				}
				if got := e.post(post(item("basic", 9).String())); got.code != 202 {
					t.Errorf("a basic notification, which needs no key set: %d", got.code)
				}
				e.authority.set(func() { e.authority.fault, e.authority.slow = nil, 0 })
				time.Sleep(2 * time.Minute)
				if got := e.post(body); got.code != 202 {
					t.Errorf("with the key set back: %d", got.code)
				}
				if n := len(e.Records()); n != 2 {
					t.Errorf("%d records, want 2", n)
				}
			})
		})
	}
}

// A key set that goes away later, for less than a day, is not missed; a key that
// comes meanwhile waits (503) and is not set aside; and a storm of keys that
// nobody knows is no storm of fetches.
func TestHostileKeySetLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), func(c *ingest.Config) { c.MaxInFlight = 5000 })
		if got := e.post(e.sealedPost(0, e.token(nil))); got.code != 202 {
			t.Fatalf("at first: %d", got.code)
		}
		before := e.authority.count()
		storm := make([]string, 300)
		for n := range storm {
			storm[n] = e.sealedPost(1000+n, e.sign(e.stranger, object{"alg": "RS256", "kid": fmt.Sprintf("evil-%d", n)}, e.claims()))
		}
		var wg sync.WaitGroup
		for n := range storm {
			wg.Go(func() {
				if got := e.post(storm[n]); got.code != 202 || got.took > 2900*time.Millisecond {
					t.Errorf("unknown key %d: answered %d after %s", n, got.code, got.took)
				}
			})
		}
		wg.Wait()
		if fetched := e.authority.count() - before; fetched > 8 {
			t.Errorf("a storm of 300 unknown keys made %d fetches", fetched)
		}

		time.Sleep(2 * time.Minute)
		e.authority.set(func() { e.authority.fault = func(*http.Request) (int, string, bool) { return 0, "", true } })
		time.Sleep(10 * time.Hour)
		if got := e.post(e.sealedPost(1, e.token(nil))); got.code != 202 {
			t.Errorf("10 h after the key set went away: %d", got.code)
		}
		fresh := e.sign(e.authority.signer, object{"alg": "RS256", "kid": "kid-new"}, e.claims())
		if got := e.post(e.sealedPost(2, fresh)); got.code != 503 {
			t.Errorf("a new key while the key set is away: %d, want 503", got.code)
		}
		e.authority.set(func() { e.authority.fault, e.authority.kid = nil, "kid-new" })
		time.Sleep(2 * time.Minute)
		if got := e.post(e.sealedPost(2, fresh)); got.code != 202 {
			t.Errorf("the new key, the key set being back: %d", got.code)
		}
		counts := map[string]int{}
		for _, s := range e.Records() {
			counts[s.Topic+s.Text("reason")]++
		}
		if counts["chat-messages"] != 3 || counts["quarantinetoken_unknown_key"] != 300 || len(counts) != 2 {
			t.Errorf("in Kafka: %v", counts)
		}
	})
}
