package renewer

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Ensure that no window of 20 s sees more calls than Graph allows (FACTS §4.3),
// of a tenant or of the application in all, and that those allowed are used.
func TestLimits(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for kind, q := range quotas() {
		l := newLimits()
		accounts := []account{{"app", "one"}, {"app", "two"}, {"app", "three"}, {"app", "four"}, {"app", "five"}}
		var calls []time.Time
		of := map[account][]time.Time{}
		for now := start; now.Before(start.Add(3 * window)); now = now.Add(time.Duration(rng.Int64N(int64(4 * time.Millisecond)))) {
			a := accounts[rng.IntN(len(accounts))]
			if now.Sub(start) < window/2 {
				a = accounts[0] // a tenant by itself reaches its own limit
			}
			if l.take(a, callKind(kind), now) == 0 {
				calls = append(calls, now)
				of[a] = append(of[a], now)
			}
		}
		most := busiest(calls)
		if float64(most) > q.app || float64(most) < .85*safety*q.app {
			t.Errorf("%s: %d calls of the application in 20 s, allowed are %v", callKind(kind), most, q.app)
		}
		for a, calls := range of {
			if most := busiest(calls); float64(most) > q.tenant {
				t.Errorf("%s: %d calls of tenant %s in 20 s, allowed are %v", callKind(kind), most, a.tenant, q.tenant)
			}
		}
	}
}

// busiest returns the most calls in any window.
func busiest(calls []time.Time) (most int) {
	first := 0
	for i, c := range calls {
		for c.Sub(calls[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// Ensure that Graph's Retry-After holds back the tenant and the kind of call
// that it was for, and nobody else, and that the wait is told.
func TestLimitsPause(t *testing.T) {
	t.Parallel()
	l, now := newLimits(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	one, two := account{"app", "one"}, account{"app", "two"}
	l.pause(one, writeCall, now.Add(30*time.Second))
	l.pause(one, writeCall, now.Add(10*time.Second)) // does not shorten it
	if wait := l.take(one, writeCall, now); wait != 30*time.Second {
		t.Errorf("told to wait %v, want 30s", wait)
	}
	for _, free := range []struct {
		a account
		k callKind
	}{{one, readCall}, {one, listCall}, {two, writeCall}} {
		if wait := l.take(free.a, free.k, now); wait != 0 {
			t.Errorf("%v %s has to wait %v", free.a, free.k, wait)
		}
	}
	if wait := l.take(one, writeCall, now.Add(30*time.Second)); wait != 0 {
		t.Errorf("after the pause: wait %v", wait)
	}
	// What is told to wait gets its turn then.
	for l.take(two, listCall, now) == 0 {
	}
	wait := l.take(two, listCall, now)
	if wait <= 0 || wait > 2*time.Second || l.take(two, listCall, now.Add(wait)) != 0 {
		t.Errorf("told to wait %v", wait)
	}
}

// Ensure that a lease is fresh for less than the session after the last
// heartbeat that was confirmed was sent, by whichever clock ran further.
func TestLeaseFresh(t *testing.T) {
	t.Parallel()
	m := &membership{session: 10 * time.Second}
	l := &Lease{member: m}
	now := time.Now()
	if l.Fresh(now) {
		t.Error("fresh without any heartbeat")
	}
	m.confirm(now)
	for _, c := range []struct {
		at   time.Time
		want bool
	}{
		{now, true},
		{now.Add(7 * time.Second), true},
		{now.Add(8 * time.Second), false},
		{now.Round(0).Add(time.Hour), false}, // the wall clock jumped, or the machine slept
	} {
		if got := l.Fresh(c.at); got != c.want {
			t.Errorf("%v after the heartbeat: fresh %v", c.at.Sub(now), got)
		}
	}
	m.doubt()
	if l.Fresh(now) {
		t.Error("fresh after the coordinator knew us no more")
	}
	m.confirm(now)
	l.over.Store(true)
	if l.Fresh(now) {
		t.Error("fresh after the shard was given back")
	}
}
