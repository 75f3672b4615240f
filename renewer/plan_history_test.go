package renewer_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"meetbridge/renewer"
)

const day = 24 * time.Hour

// Left alone, everything lives for a month, and costs no more renewals than the
// month needs.
func TestHistoryQuiet(t *testing.T) {
	t.Parallel()
	const n, days = 400, 30
	h := newHistory(t, 1, n)
	h.rules.ReadEvery = 100 * day
	h.lead()
	h.run(modelStart.Add(days * day))
	h.settled()
	h.honest()
	if len(h.gaps) > 0 {
		t.Errorf("%d gaps", len(h.gaps))
	}
	least := float64(n) * days * float64(day) / (float64(4315*time.Minute) * 2 / 3)
	if got := float64(h.graph.calls["update"]); got > 1.05*least || got < .9*least {
		t.Errorf("%.0f renewals, %.0f are needed", got, least)
	}
	if got := h.graph.calls["create"]; got != n {
		t.Errorf("%d creations of %d", got, n)
	}
}

// Whatever goes wrong, once it has stopped everything is as it should be, and
// the gaps are those that were (I9). Leaders die at any time: between intent and
// call, call and result, while they take over.
func TestHistoryRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			const n, days = 100, 10
			h := newHistory(t, seed, n)
			h.graph.faults = .05
			end := modelStart.Add(days * day)
			removed := troubles(h, end)
			h.run(end)
			h.graph.faults, h.graph.outage, h.graph.noShake = 0, false, false
			clear(h.graph.forbid)
			h.run(end.Add(2 * day))
			h.settled()
			h.honest()
			t.Logf("%d gaps, %d removals, %d leaders, begun %v", len(h.gaps)/2, *removed, h.term, h.begun)
			if len(h.gaps) == 0 || *removed == 0 || h.begun[renewer.List] == 0 || h.begun[renewer.Replace] == 0 || h.begun[renewer.Delete] == 0 {
				t.Error("hardly anything happened")
			}
		})
	}
}

// troubles fills the history with all that can go wrong, and returns the count
// of subscriptions that die by themselves.
func troubles(h *history, end time.Time) *int {
	removed := new(int)
	span := end.Sub(modelStart)
	some := func() time.Time { return modelStart.Add(time.Duration(h.rng.Int64N(int64(span)))) }
	during := func(longest time.Duration, on, off func()) {
		at := some()
		h.always(at, on)
		h.always(at.Add(time.Duration(h.rng.Int64N(int64(longest)))), off)
	}
	key := func() renewer.Key { return h.wanted.Subscriptions[h.rng.IntN(len(h.wanted.Subscriptions))].Key }
	for range 3 {
		during(3*time.Hour, func() { h.graph.outage = true }, func() { h.graph.outage = false })
		during(8*time.Hour, func() { h.graph.noShake = true }, func() { h.graph.noShake = false })
	}
	for range 100 { // silent deaths, and some that Graph tells of
		h.always(some(), func() {
			k := key()
			sub := h.graph.byKey[modelKey(k.Resource, k.ChangeType)]
			if sub == nil || h.graph.find(sub, h.now) == nil {
				return
			}
			*removed++
			h.graph.die(sub, h.now)
			if h.rng.IntN(2) == 0 {
				n := renewer.Notice{SubscriptionID: sub.ID, Event: "subscriptionRemoved", ReceivedAt: h.now.Add(time.Second)}
				for range 1 + h.rng.IntN(3) { // some repeated, some late
					h.always(h.now.Add(time.Duration(1+h.rng.IntN(20_000))*time.Second), func() { h.notice(k, n) })
				}
			}
		})
	}
	for range 100 {
		h.always(some(), func() {
			k := key()
			if sub := h.graph.byKey[modelKey(k.Resource, k.ChangeType)]; sub != nil && h.graph.find(sub, h.now) != nil {
				h.notice(k, renewer.Notice{SubscriptionID: sub.ID, Event: "reauthorizationRequired", ReceivedAt: h.now})
			}
		})
	}
	for i := range 20 {
		k := key()
		err := graphError(http.StatusForbidden, "Forbidden", "quota")
		if i%2 == 0 {
			err = graphError(http.StatusBadRequest, "InvalidRequest", "no such thing")
		}
		during(5*day, func() { h.graph.forbid[k.Resource] = err }, func() { delete(h.graph.forbid, k.Resource) })
	}
	for range 40 { // leaders die, most in the middle of something
		h.always(some(), func() {
			delay := time.Duration(h.rng.Int64N(int64(h.latency)))
			h.latency = time.Second
			h.always(h.now.Add(delay), func() { h.latency = 200 * time.Millisecond; h.lead() })
			for range 5 { // let there be something in the middle
				k := key()
				if sub := h.graph.byKey[modelKey(k.Resource, k.ChangeType)]; sub != nil && h.graph.find(sub, h.now) != nil {
					h.graph.die(sub, h.now)
					*removed++
					h.notice(k, renewer.Notice{SubscriptionID: sub.ID, Event: "subscriptionRemoved", ReceivedAt: h.now.Add(time.Millisecond)})
				}
			}
		})
	}
	for i := range 6 { // people change their minds
		h.always(some(), func() { h.want(changed(h.wanted, i)) })
	}
	return removed
}

// changed returns another wish.
func changed(w *renewer.Wanted, i int) *renewer.Wanted {
	next := *w
	next.Subscriptions = slices.Clone(w.Subscriptions)
	for j := range next.Subscriptions {
		d := &next.Subscriptions[j]
		switch {
		case i == 0:
			d.NotificationURL = "https://new.example.com/graph/notifications"
		case i == 1:
			d.ClientStateKeyID = "k2"
		case i == 2:
			d.Certificate = renewer.Certificate{ID: "cert-2", Thumbprint: "BB", DER: "MQ=="}
		case i == 3 && j%7 == 0:
			d.LifecycleURL = "https://new.example.com/graph/lifecycle"
		case i == 4 && j%5 == 0:
			d.Rich, d.Certificate = false, renewer.Certificate{}
		}
	}
	if i == 5 {
		next.Subscriptions = next.Subscriptions[:len(next.Subscriptions)-10]
	}
	return &next
}

// What was made in one moment spreads out, and never bunches again.
func TestHistorySpread(t *testing.T) {
	t.Parallel()
	const n = 2000
	h := newHistory(t, 3, n)
	h.rules.ReadEvery = 100 * day
	h.lead()
	h.run(modelStart.Add(20 * day))
	cycle := time.Duration(float64(4315*time.Minute) * 2 / 3)
	perHour := map[int]int{}
	for _, at := range h.started {
		perHour[int(at.Sub(modelStart)/time.Hour)]++
	}
	even := float64(n) / cycle.Hours()
	for hour, count := range perHour {
		if hour == 0 {
			continue // they are made
		}
		// In the nth cycle the herd is spread over a fifth of n cycles, and later
		// ones lie on top of each other; the rest is chance.
		cycles := max(1, float64(hour)/(1.1*cycle.Hours()))
		limit := even + even*5/math.Floor(cycles)
		if limit += 4 * math.Sqrt(limit); float64(count) > limit {
			t.Errorf("%d renewals in hour %d, evenly spread it were %.0f, and %.0f at most", count, hour, even, limit)
		}
	}
}

// A clock that jumps by an hour either way harms nothing: no creation, no
// deletion, no gap.
func TestHistoryClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			const n = 200
			h := newHistory(t, 4, n)
			h.always(modelStart.Add(3*day), func() { h.skew = jump })
			h.always(modelStart.Add(9*day), func() { h.skew = 0 })
			h.run(modelStart.Add(15 * day))
			h.settled()
			if h.graph.calls["create"] != n || h.graph.calls["delete"] != 0 || len(h.gaps) > 0 {
				t.Errorf("%d creations of %d, %d deletions, %d gaps", h.graph.calls["create"], n, h.graph.calls["delete"], len(h.gaps))
			}
		})
	}
}

// After days without any leader everything is found dead, said so, and made
// anew, at two calls each at most.
func TestHistoryNobodyLed(t *testing.T) {
	t.Parallel()
	const n = 300
	h := newHistory(t, 5, n)
	h.run(modelStart.Add(day))
	before := h.graph.calls["create"] + h.graph.calls["update"]
	h.now = h.now.Add(4 * day)
	h.lead()
	h.run(h.now.Add(time.Hour))
	h.settled()
	h.honest()
	if len(h.gaps) != 2*n {
		t.Errorf("%d records of gaps, %d died", len(h.gaps), n)
	}
	if calls := h.graph.calls["create"] + h.graph.calls["update"] - before; calls > n {
		t.Errorf("%d calls for %d creations", calls, n)
	}
	for _, g := range h.gaps {
		if g.Cause != renewer.CauseExpired {
			t.Fatalf("cause %s", g.Cause)
		}
	}
}

// What Graph refuses is tried rarely, what is throttled soon.
func TestHistoryRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		err    error
		atMost int // in 10 days
		least  int
		cause  renewer.Cause
	}{
		{"Quota", graphError(http.StatusForbidden, "", "quota"), 10 * 24, 100, renewer.CauseBlocked},
		{"Refused", graphError(http.StatusBadRequest, "InvalidRequest", "no"), 10 * 4, 20, renewer.CauseBlocked},
		{"Handshake", graphError(http.StatusBadRequest, "ValidationError", "Subscription validation request failed. HTTP status code is 'Forbidden'."), 10*24*30 + 10, 10 * 24 * 12, renewer.CauseFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, 6, 1)
			k := h.wanted.Subscriptions[0].Key
			h.graph.forbid[k.Resource] = tc.err
			h.run(modelStart.Add(10 * day))
			if got := h.graph.calls["create"]; got > tc.atMost || got < tc.least {
				t.Errorf("%d attempts in 10 days", got)
			}
			if len(h.gaps) != 1 || h.gaps[0].Cause != tc.cause || h.gaps[0].OldSubscriptionID != "" {
				t.Errorf("gaps %+v", h.gaps)
			}
			delete(h.graph.forbid, k.Resource)
			h.run(h.now.Add(8 * time.Hour))
			h.settled()
			if len(h.gaps) != 2 {
				t.Errorf("gaps %+v", h.gaps)
			}
		})
	}
}
