package renewer_test

import (
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// Notices do what they say; stale ones do nothing.
func TestHeed(t *testing.T) {
	t.Parallel()
	now := modelStart
	for _, tc := range []struct {
		name   string
		notice renewer.Notice
		change func(*renewer.State)
		news   bool
		gaps   int
		next   renewer.ActionKind
	}{
		{"Reauthorize", renewer.Notice{SubscriptionID: "OLD", Event: "reauthorizationRequired", ReceivedAt: now}, nil, true, 0, renewer.Renew},
		{"ReauthorizeAgain", renewer.Notice{SubscriptionID: "old", Event: "reauthorizationRequired", ReceivedAt: now}, func(s *renewer.State) { s.AskedAt = now }, false, 0, renewer.Renew},
		{"ReauthorizeOutdated", renewer.Notice{SubscriptionID: "old", Event: "reauthorizationRequired", ReceivedAt: now.Add(-2 * time.Hour)}, nil, false, 0, ""},
		{
			"ReauthorizeHoursAgo", // and nobody has vouched for it since
			renewer.Notice{SubscriptionID: "old", Event: "reauthorizationRequired", ReceivedAt: now.Add(-9 * time.Hour)},
			func(s *renewer.State) { s.RenewedAt = now.Add(-10 * time.Hour) }, true, 0, renewer.Renew,
		},
		{"ReauthorizeCrossed", renewer.Notice{SubscriptionID: "old", Event: "reauthorizationRequired", ReceivedAt: now.Add(-55 * time.Minute)}, nil, false, 0, ""},
		{"ReauthorizeDone", renewer.Notice{SubscriptionID: "old", Event: "reauthorizationRequired", ReceivedAt: now}, func(s *renewer.State) { s.ReauthorizedAt = now.Add(-time.Minute) }, false, 0, ""},
		{"Removed", renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: now}, nil, true, 1, renewer.Create},
		{"RemovedOfAnother", renewer.Notice{SubscriptionID: "older", Event: "subscriptionRemoved", ReceivedAt: now}, nil, false, 0, ""},
		{"RemovedOfNone", renewer.Notice{Event: "subscriptionRemoved", ReceivedAt: now}, func(s *renewer.State) { s.SubscriptionID = "" }, false, 0, renewer.Create},
		{"RemovedBeforeProof", renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: now.Add(-90 * time.Minute)}, nil, false, 0, ""},
		{
			"RemovedHoursAgo",
			renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: now.Add(-5 * time.Hour)},
			func(s *renewer.State) { s.ProofAt = now.Add(-5*time.Hour - time.Minute) }, false, 0, "",
		},
		{"RemovedInTheFuture", renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: now.Add(time.Hour)}, nil, true, 1, renewer.Create},
		{"RemovedWhileRenewing", renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: now}, func(s *renewer.State) { s.Intent = renewer.Renew }, true, 1, ""},
		{"Missed", renewer.Notice{SubscriptionID: "old", Event: "missed", ReceivedAt: now}, nil, true, 2, ""},
		{"MissedBeforeProof", renewer.Notice{SubscriptionID: "old", Event: "missed", ReceivedAt: now.Add(-61 * time.Minute)}, nil, false, 0, ""},
		{"Unknown", renewer.Notice{SubscriptionID: "old", Event: "somethingNew", ReceivedAt: now}, nil, false, 0, ""},
		{"Aside", renewer.Notice{SubscriptionID: "old", Event: "missed", ReceivedAt: now}, func(s *renewer.State) { s.Status = renewer.Aside }, false, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, s := living()
			if tc.change != nil {
				tc.change(&s)
			}
			proof := s.ProofAt
			after, gaps, news := renewer.Heed(s, tc.notice, now, renewer.DefaultRules())
			if news != tc.news || len(gaps) != tc.gaps || !news && after != s {
				t.Fatalf("news %v, %d gaps, %+v", news, len(gaps), after)
			}
			if len(gaps) > 0 && !gaps[0].From.Equal(proof) || len(gaps) == 2 && !gaps[1].To.Equal(now) {
				t.Errorf("%+v", gaps)
			}
			// Repeated, it does nothing.
			if again, gaps, news := renewer.Heed(after, tc.notice, now, renewer.DefaultRules()); news || len(gaps) > 0 || again != after {
				t.Errorf("repeated: %v %+v", gaps, again)
			}
			kind := renewer.ActionKind("")
			if actions := renewer.Plan(now, w, map[renewer.Key]renewer.State{s.Key: after}, renewer.DefaultRules()); len(actions) > 0 {
				kind = actions[0].Kind
			}
			if kind != tc.next {
				t.Errorf("then %q", kind)
			}
		})
	}
}

// A renewal that was under way when Graph said that the subscription is removed
// changes nothing of that.
func TestHeedDuringRenewal(t *testing.T) {
	t.Parallel()
	w, s := living()
	now := modelStart.Add(dueAge)
	a := plan1(t, now, w, s)
	s = renewer.Begin(s, a, now)
	s, _, _ = renewer.Heed(s, renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: now}, now, renewer.DefaultRules())
	nothing(t, now, w, s)
	s, gaps := renewer.Finish(s, a, answer("old", now.Add(70*time.Hour)), now.Add(time.Second), renewer.DefaultRules())
	if s.Status != renewer.Dead || s.Intent != "" || len(gaps) > 0 || s.Gap.ID == "" {
		t.Errorf("%+v %v", s, gaps)
	}
}

// What a leader died over is settled by Graph's list, once, without a duplicate.
func TestRepair(t *testing.T) {
	t.Parallel()
	now := modelStart
	w, s := living()
	d := &w.Subscriptions[0]
	made := graph.Subscription{
		ID: "new", ApplicationID: "APP", Resource: "/" + d.Resource, ChangeType: "updated,created,deleted", NotificationURL: d.NotificationURL,
		ExpirationDateTime: now.Add(70 * time.Hour), IncludeResourceData: true, EncryptionCertificateID: "cert-1",
	}
	with := func(change func(*graph.Subscription)) []graph.Subscription {
		c := made
		change(&c)
		return []graph.Subscription{{ID: "x", Resource: "chats"}, c}
	}
	old := made
	old.ID = "old"
	nobody := renewer.State{}
	for _, tc := range []struct {
		name   string
		intent renewer.ActionKind
		before renewer.State
		listed []graph.Subscription
		id     string
		gaps   int
		then   renewer.ActionKind
	}{
		{"Created", renewer.Create, nobody, with(func(*graph.Subscription) {}), "new", 0, ""},
		{"NotCreated", renewer.Create, nobody, nil, "", 1, renewer.Create},
		{"AnotherURL", renewer.Create, nobody, with(func(s *graph.Subscription) { s.NotificationURL = "https://x.example.com" }), "", 1, renewer.Create},
		{"AnotherResource", renewer.Create, nobody, with(func(s *graph.Subscription) { s.Resource += "x" }), "", 1, renewer.Create},
		{"AnotherChange", renewer.Create, nobody, with(func(s *graph.Subscription) { s.ChangeType = "created" }), "", 1, renewer.Create},
		{"AnotherApplication", renewer.Create, nobody, with(func(s *graph.Subscription) { s.ApplicationID = "b" }), "", 1, renewer.Create},
		{"Expired", renewer.Create, nobody, with(func(s *graph.Subscription) { s.ExpirationDateTime = now }), "", 1, renewer.Create},
		{"ReplaceNotBegun", renewer.Replace, s, []graph.Subscription{old}, "old", 0, ""},
		{"Replaced", renewer.Replace, s, []graph.Subscription{made}, "new", 2, ""},
		{"ReplaceHalf", renewer.Replace, s, nil, "old", 0, renewer.Renew},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := renewer.Action{Kind: tc.intent, Key: d.Key, Want: d}
			crashed := renewer.TakeOver(renewer.Begin(tc.before, a, now), now)
			if !crashed.Orphan {
				t.Fatalf("%+v", crashed)
			}
			nothing(t, now.Add(19*time.Second), w, crashed) // Graph may be at it still
			now := now.Add(20 * time.Second)
			if a := plan1(t, now, w, crashed); a.Kind != renewer.List || a.TenantID != modelTenant {
				t.Errorf("%s", a.Kind)
			}
			got, gaps := renewer.Repair(crashed, d, tc.listed, now, now.Add(time.Second), renewer.DefaultRules())
			if got.SubscriptionID != tc.id || got.Orphan || got.Intent != "" || len(gaps) != tc.gaps {
				t.Errorf("%+v %v", got, gaps)
			}
			if tc.id == "" && (got.Gap.ID == "" || !got.Gap.From.Equal(modelStart)) {
				t.Errorf("no gap is open from the first try on: %+v", got.Gap)
			}
			if tc.id == "new" && (got.ClientStateKeyID != "k1" || got.LifecycleURL != d.LifecycleURL || !got.Rich) {
				t.Errorf("%+v", got)
			}
			kind := renewer.ActionKind("")
			if actions := renewer.Plan(now.Add(time.Second), w, map[renewer.Key]renewer.State{d.Key: got}, renewer.DefaultRules()); len(actions) > 0 {
				kind = actions[0].Kind
			}
			if kind != tc.then {
				t.Errorf("then %q", kind)
			}
			if again, gaps := renewer.Repair(got, d, tc.listed, now, now, renewer.DefaultRules()); again != got || gaps != nil {
				t.Errorf("again: %+v", again)
			}
		})
	}
	for _, intent := range []renewer.ActionKind{renewer.Renew, renewer.Delete, renewer.Read} {
		begun := renewer.Begin(s, renewer.Action{Kind: intent, Key: d.Key, Want: d}, now)
		if got := renewer.TakeOver(begun, now); got.Orphan || got.Intent != "" || !got.ExpiresAt.Equal(s.ExpiresAt) {
			t.Errorf("%s: %+v", intent, got)
		}
	}
}

// A subscription that a lost PATCH may have kept alive is renewed, however long
// nobody led; one that surely expired is created.
func TestTakeOverExpired(t *testing.T) {
	t.Parallel()
	w, s := living()
	for _, tc := range []struct {
		intent, then renewer.ActionKind
	}{{renewer.Renew, renewer.Renew}, {renewer.Read, renewer.Create}, {"", renewer.Create}} {
		s.Intent, s.IntentAt = tc.intent, s.RenewedAt.Add(dueAge)
		now := s.ExpiresAt.Add(day)
		if a := plan1(t, now, w, renewer.TakeOver(s, now)); a.Kind != tc.then {
			t.Errorf("after the intent %q: %s", tc.intent, a.Kind)
		}
	}
}

// A list that fails is tried again, then the creation is: Graph's 409 tells what
// the list would have.
func TestRepairWithoutList(t *testing.T) {
	t.Parallel()
	w := modelWishes(1)
	d := &w.Subscriptions[0]
	s := renewer.TakeOver(renewer.Begin(renewer.State{}, renewer.Action{Kind: renewer.Create, Key: d.Key, Want: d}, modelStart), modelStart)
	now := s.NextAttemptAt
	for range 3 {
		a := plan1(t, now, w, s)
		if a.Kind != renewer.List {
			t.Fatalf("%s", a.Kind)
		}
		a.Want = d
		s, _ = renewer.Finish(s, a, failed(503, "away"), now, renewer.DefaultRules())
		nothing(t, now, w, s)
		now = s.NextAttemptAt
	}
	if !s.Gap.From.Equal(modelStart) {
		t.Errorf("no gap is open from the first try on: %+v", s.Gap)
	}
	if a := plan1(t, now, w, s); a.Kind != renewer.Create {
		t.Errorf("%s", a.Kind)
	}
}
