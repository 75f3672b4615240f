package renewer_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// anyState returns a state of d in which a subscription can be around now.
func anyState(rng *rand.Rand, d renewer.Desired, now time.Time) renewer.State {
	around := func(span time.Duration) time.Time { // to the microsecond, as records have it
		return now.Add(time.Duration(rng.Int64N(int64(2*span))) - span).Truncate(time.Microsecond)
	}
	sometimes := func() bool { return rng.IntN(8) == 0 }
	s := renewer.State{
		Key: d.Key, Status: renewer.Active, UpdatedAt: now,
		SubscriptionID: "sub", ApplicationID: "app", Version: d.Version, Rich: d.Rich,
		NotificationURL: d.NotificationURL, LifecycleURL: d.LifecycleURL,
		CertificateID: d.Certificate.ID, Thumbprint: d.Certificate.Thumbprint, ClientStateKeyID: d.ClientStateKeyID,
	}
	s.RenewedAt = around(3 * day)
	s.CreatedAt, s.ProofAt = s.RenewedAt, s.RenewedAt
	s.ExpiresAt = s.RenewedAt.Add(4315 * time.Minute)
	for _, change := range []func(){
		func() { s.Intent, s.IntentAt = renewer.Renew, now },
		func() { s.Intent, s.IntentAt, s.Orphan = renewer.Create, now, true },
		func() { s.SubscriptionID, s.Status = "", renewer.Dead },
		func() { s.SubscriptionID, s.Status = "", renewer.Deleted },
		func() { s.Status = renewer.Aside },
		func() { s.Attempts, s.NextAttemptAt, s.ErrorStatus = 1+rng.IntN(9), around(day), 400+100*rng.IntN(2) },
		func() { s.ReauthorizedAt = around(time.Hour) },
		func() { s.AskedAt = around(time.Hour) },
		func() { s.ProofAt = around(day) },
		func() { s.NotificationURL = "https://old.example.com" },
		func() { s.LifecycleURL = "https://old.example.com" },
		func() { s.CertificateID = "cert-0" },
		func() { s.ClientStateKeyID = "k0" },
		func() { s.ClientStateKeyID = "" },
		func() { s.ApplicationID = "other" },
		func() { s.Version = graph.Beta },
	} {
		if sometimes() {
			change()
		}
	}
	return s
}

// A Planner hands out what Plan says, in its order, whatever has happened and
// however much time has passed.
func TestPlannerAgreesWithPlan(t *testing.T) {
	t.Parallel()
	held := 0
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		all := modelWishes(120)
		for i := range all.Subscriptions[:60] { // others in the same places
			d := all.Subscriptions[i]
			d.ChangeType = "created"
			all.Subscriptions = append(all.Subscriptions, d)
		}
		slices.SortFunc(all.Subscriptions, func(a, b renewer.Desired) int { // Plan goes by the file's order where a Planner goes by keys
			return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.ChangeType, b.ChangeType))
		})
		rules := renewer.DefaultRules()
		now := modelStart
		actual := map[renewer.Key]renewer.State{}
		p := renewer.NewPlanner()
		var w *renewer.Wanted
		handed := 0
		for step := range 200 {
			if step%40 == 0 {
				w = &renewer.Wanted{Tenants: all.Tenants}
				if rng.IntN(6) == 0 {
					w.Tenants = nil
				}
				keep := []int{75, 10}[step/40%2] // the last makes it hold removals back
				for _, d := range all.Subscriptions {
					if rng.IntN(100) < keep {
						w.Subscriptions = append(w.Subscriptions, d)
					}
				}
				rules.Hasten = rng.IntN(2) == 0
				p.Want(w, rules, now)
			}
			for range rng.IntN(4) {
				d := all.Subscriptions[rng.IntN(len(all.Subscriptions))]
				s := anyState(rng, d, now)
				p.Set(s, now)
				if actual[s.Key] = s; s.Status == renewer.Deleted {
					if _, kept := p.State(s.Key); !kept {
						delete(actual, s.Key)
					}
				}
			}
			now = now.Add(time.Duration(rng.Int64N(int64(30 * time.Minute)))).Truncate(time.Microsecond)
			want := renewer.Plan(now, w, actual, rules)
			var got []renewer.Action
			tenants, next := p.Wake(now)
			for _, tenant := range tenants {
				for a, ok := p.Pop(tenant, now); ok; a, ok = p.Pop(tenant, now) {
					got = append(got, a)
				}
			}
			if !reflect.DeepEqual(got, want) {
				for i := range min(len(got), len(want)) {
					if !reflect.DeepEqual(got[i], want[i]) {
						t.Errorf("%d: got %s %s %q %s, want %s %s %q %s", i, got[i].Kind, got[i].Key, got[i].Why, got[i].Due, want[i].Kind, want[i].Key, want[i].Why, want[i].Due)
						break
					}
				}
				t.Fatalf("seed %d, step %d: %d actions, want %d", seed, step, len(got), len(want))
			}
			handed += len(got)
			held += len(p.Held())
			for _, a := range got {
				p.Return(a, now)
			}
			if !next.IsZero() && next.After(now) && next.Sub(now) > time.Second {
				if before := renewer.Plan(next.Add(-time.Millisecond), w, actual, rules); !sameActions(before, want) {
					t.Fatalf("seed %d, step %d: the plan changes before %s, %s from now", seed, step, next, next.Sub(now))
				}
			}
		}
		if handed < 500 {
			t.Errorf("seed %d: only %d actions", seed, handed)
		}
	}
	if held < 20 {
		t.Errorf("removals were held back in %d steps", held)
	}
}

// sameActions compares all but what depends on the moment.
func sameActions(a, b []renewer.Action) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Kind != b[i].Kind || a[i].Key != b[i].Key || a[i].Urgent() != b[i].Urgent() {
			return false
		}
	}
	return true
}

// What is handed out does not come again until something is said of it.
func TestPlannerHandsOutOnce(t *testing.T) {
	t.Parallel()
	p := renewer.NewPlanner()
	w := modelWishes(1)
	p.Want(w, renewer.DefaultRules(), modelStart)
	pop := func() (renewer.Action, bool) {
		p.Wake(modelStart)
		return p.Pop(modelTenant, modelStart)
	}
	a, ok := pop()
	if !ok || a.Kind != renewer.Create {
		t.Fatalf("Pop = %+v, %v", a, ok)
	}
	p.Want(w, renewer.DefaultRules(), modelStart)
	if again, ok := pop(); ok {
		t.Errorf("Pop = %+v again", again)
	}
	p.Return(a, modelStart)
	if _, ok := pop(); !ok {
		t.Error("nothing to Pop after Return")
	}
	p.Set(renewer.Begin(renewer.State{}, a, modelStart), modelStart)
	if again, ok := pop(); ok {
		t.Errorf("Pop = %+v while under way", again)
	}
	if _, next := p.Wake(modelStart); !next.IsZero() {
		t.Errorf("next is %s", next)
	}
}

// manyStates returns n states and wishes, living in all phases, in 20 tenants.
func manyStates(n int) (*renewer.Wanted, map[renewer.Key]renewer.State, time.Time) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := modelWishes(n)
	w.Tenants = nil
	for i := range 20 {
		w.Tenants = append(w.Tenants, renewer.Tenant{ID: fmt.Sprintf("7a4c9d0e-0000-4000-8000-%012d", i)})
	}
	actual := make(map[renewer.Key]renewer.State, n)
	now := modelStart
	for i := range w.Subscriptions {
		d := &w.Subscriptions[i]
		d.TenantID = w.Tenants[i%20].ID
		s := renewer.State{
			Key: d.Key, Status: renewer.Active, SubscriptionID: fmt.Sprint("sub-", i), ApplicationID: "app", Version: d.Version, Rich: true,
			NotificationURL: d.NotificationURL, LifecycleURL: d.LifecycleURL, CertificateID: "cert-1", Thumbprint: "AA", ClientStateKeyID: "k1",
			RenewedAt: now.Add(-time.Duration(rng.Int64N(int64(44 * time.Hour)))),
		}
		s.ExpiresAt, s.ProofAt = s.RenewedAt.Add(4315*time.Minute), now.Add(-time.Duration(rng.Int64N(int64(5*time.Hour))))
		actual[d.Key] = s
	}
	return w, actual, now
}

func BenchmarkPlan100000(b *testing.B) {
	w, actual, now := manyStates(100_000)
	b.ReportAllocs()
	for b.Loop() {
		renewer.Plan(now, w, actual, renewer.DefaultRules())
	}
}

func BenchmarkPlan100000AllDue(b *testing.B) {
	w, _, now := manyStates(100_000)
	b.ReportAllocs()
	for b.Loop() {
		renewer.Plan(now, w, nil, renewer.DefaultRules())
	}
}

func BenchmarkPlannerTakeOver100000(b *testing.B) {
	w, actual, now := manyStates(100_000)
	b.ReportAllocs()
	for b.Loop() {
		p := renewer.NewPlanner()
		for _, s := range actual {
			p.Set(s, now)
		}
		p.Want(w, renewer.DefaultRules(), now)
		p.Wake(now)
	}
}

func BenchmarkPlannerStep100000(b *testing.B) {
	w, actual, now := manyStates(100_000)
	p := renewer.NewPlanner()
	p.Want(w, renewer.DefaultRules(), now)
	for _, s := range actual {
		p.Set(s, now)
	}
	b.ReportAllocs()
	for b.Loop() {
		tenants, next := p.Wake(now)
		for _, tenant := range tenants {
			for a, ok := p.Pop(tenant, now); ok; a, ok = p.Pop(tenant, now) {
				s, _ := p.State(a.Key)
				s.RenewedAt, s.ProofAt, s.ExpiresAt = now, now, now.Add(4315*time.Minute)
				p.Set(s, now)
			}
		}
		now = next
	}
}

// Another subscription in the same place is created only once the undesired one
// is deleted: Graph's quotas allow one (FACTS §4.4).
func TestPlannerWaitsForPlace(t *testing.T) {
	t.Parallel()
	w, s := living()
	w.Subscriptions[0].ChangeType = "created"
	if a := plan1(t, modelStart, w, s); a.Kind != renewer.Delete {
		t.Errorf("Plan = %s", a.Kind)
	}
	p := renewer.NewPlanner()
	p.Set(s, modelStart)
	p.Want(w, renewer.DefaultRules(), modelStart)
	pop := func() renewer.ActionKind {
		p.Wake(modelStart)
		a, _ := p.Pop(modelTenant, modelStart)
		return a.Kind
	}
	if kind := pop(); kind != renewer.Delete {
		t.Errorf("first %q", kind)
	}
	if kind := pop(); kind != "" {
		t.Errorf("then %q", kind)
	}
	s.Status = renewer.Deleted
	p.Set(s, modelStart)
	if kind := pop(); kind != renewer.Create {
		t.Errorf("at last %q", kind)
	}
}
