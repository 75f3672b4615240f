package renewer_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"meetbridge/renewer"
)

// A file that drops more of a tenant than it asks for, and more than a few, is
// not believed: nothing is deleted until somebody says that so many may go.
func TestHeld(t *testing.T) {
	t.Parallel()
	const all = 100
	first := func(n int) func(*renewer.Wanted) {
		return func(w *renewer.Wanted) { w.Subscriptions = w.Subscriptions[:n] }
	}
	for _, c := range []struct {
		name    string
		living  int
		wish    func(*renewer.Wanted)
		state   func(i int, s *renewer.State)
		deletes int
		held    int
	}{
		{name: "Most", living: all, wish: first(10), held: 90},
		{name: "AllButHalf", living: all, wish: first(50), deletes: 50},
		{name: "MoreThanHalf", living: all, wish: first(49), held: 51},
		{name: "AFew", living: 20, wish: first(0), deletes: 20},
		{name: "OneMoreThanAFew", living: 21, wish: first(0), held: 21},
		{name: "None", living: all, wish: first(0), held: all},
		{name: "Allowed", living: all, wish: func(w *renewer.Wanted) { first(0)(w); w.Tenants[0].Removals = all }, deletes: all},
		{name: "FewerAllowed", living: all, wish: func(w *renewer.Wanted) { first(0)(w); w.Tenants[0].Removals = all - 1 }, held: all},
		{name: "OthersInstead", living: all, wish: func(w *renewer.Wanted) {
			for i := range w.Subscriptions { // as next week's meetings follow this week's
				w.Subscriptions[i].Resource += "/next"
			}
		}, deletes: all},
		{name: "OtherChangeTypes", living: all, wish: func(w *renewer.Wanted) {
			for i := range w.Subscriptions {
				w.Subscriptions[i].ChangeType = "created"
			}
		}, deletes: all},
		{name: "NoTenant", living: all, wish: func(w *renewer.Wanted) { first(0)(w); w.Tenants = nil }},
		{name: "Dead", living: all, wish: first(0), held: all, state: func(i int, s *renewer.State) {
			if i%2 == 0 {
				s.Status, s.SubscriptionID = renewer.Dead, ""
			}
		}},
		{name: "NeverLived", living: all, wish: first(0), deletes: 20, state: func(i int, s *renewer.State) {
			if i >= 20 {
				s.Status, s.SubscriptionID = renewer.Blocked, ""
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := modelWishes(all)
			_, like := living()
			actual := map[renewer.Key]renewer.State{}
			for i := range c.living {
				s := like
				s.Key, s.SubscriptionID = w.Subscriptions[i].Key, fmt.Sprint("id-", i)
				if c.state != nil {
					c.state(i, &s)
				}
				actual[s.Key] = s
			}
			c.wish(w)
			p := renewer.NewPlanner()
			for _, s := range actual {
				p.Set(s, modelStart)
			}
			p.Want(w, renewer.DefaultRules(), modelStart)
			held := p.Held()[modelTenant].Removals
			deletes := 0
			for _, a := range renewer.Plan(modelStart, w, actual, renewer.DefaultRules()) {
				if a.Kind == renewer.Delete {
					deletes++
				}
			}
			if deletes != c.deletes || held != c.held {
				t.Errorf("%d deletions, %d held back, want %d and %d", deletes, held, c.deletes, c.held)
			}
			told := 0
			for _, d := range renewer.Differences(modelStart, w, actual, nil, renewer.DefaultRules()) {
				if d.Kind == renewer.LeftAlone && strings.Contains(d.Why, fmt.Sprintf("max_removals: %d", c.held)) {
					told++
				}
			}
			if told != c.held {
				t.Errorf("the plan for people says %d times how to let go, want %d", told, c.held)
			}
		})
	}
}

// What is held back is kept alive through days and leaders, as if it were
// desired; if the file asks for it again nothing has happened, and once it may go
// it goes.
func TestHeldLives(t *testing.T) {
	t.Parallel()
	for _, confirmed := range []bool{false, true} {
		t.Run(fmt.Sprint("confirmed=", confirmed), func(t *testing.T) {
			t.Parallel()
			const n = 60
			h := newHistory(t, 8, n)
			h.run(modelStart.Add(day))
			whole := h.wanted
			few := *whole
			few.Subscriptions = whole.Subscriptions[:5]
			h.want(&few)
			for i := range 10 {
				if i%2 == 0 {
					h.lead()
				}
				h.run(h.now.Add(day))
			}
			h.graph.expire(h.now)
			if len(h.graph.living) != n || h.graph.calls["create"] != n || h.graph.calls["delete"] != 0 || len(h.gaps) > 0 {
				t.Fatalf("%d live, %d creations, %d deletions, %d gaps", len(h.graph.living), h.graph.calls["create"], h.graph.calls["delete"], len(h.gaps))
			}
			if held := h.planner.Held(); held[modelTenant] != (renewer.Held{Removals: n - 5, Desired: 5}) {
				t.Errorf("held back are %+v", held)
			}
			// One of them dies: it is on record as dead, and not made anew.
			lost := whole.Subscriptions[n-1]
			h.graph.die(h.graph.byKey[modelKey(lost.Resource, lost.ChangeType)], h.now)
			h.run(h.now.Add(day))
			if len(h.gaps) != 1 || h.graph.calls["create"] != n || h.written[lost.Key].Status != renewer.Dead {
				t.Errorf("gaps %+v, %d creations", h.gaps, h.graph.calls["create"])
			}
			if confirmed {
				few.Tenants = slices.Clone(few.Tenants)
				few.Tenants[0].Removals = n - 5
				h.want(&few)
				h.run(h.now.Add(time.Minute))
				h.graph.expire(h.now)
				if len(h.graph.living) != 5 || len(h.written) != 5 {
					t.Errorf("%d live, %d states: %v", len(h.graph.living), len(h.written), slices.Collect(maps.Keys(h.graph.byKey)))
				}
			} else {
				h.want(whole)
				h.run(h.now.Add(time.Minute))
				if creations := h.graph.calls["create"]; creations != n+1 || h.graph.calls["delete"] != 0 {
					t.Errorf("%d creations, %d deletions", creations, h.graph.calls["delete"])
				}
			}
			h.settled()
			if len(h.gaps) != 2 {
				t.Errorf("gaps %+v", h.gaps)
			}
		})
	}
}
