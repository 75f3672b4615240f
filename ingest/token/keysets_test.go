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
