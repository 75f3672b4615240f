package renewer_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// living returns a wish and the state of its subscription, an hour old.
func living() (*renewer.Wanted, renewer.State) {
	w := modelWishes(1)
	d := w.Subscriptions[0]
	made := modelStart.Add(-time.Hour)
	return w, renewer.State{
		Key: d.Key, Status: renewer.Active, UpdatedAt: made, SubscriptionID: "old", ApplicationID: "app", Version: d.Version, Rich: true,
		NotificationURL: d.NotificationURL, LifecycleURL: d.LifecycleURL, CertificateID: "cert-1", Thumbprint: "AA", ClientStateKeyID: "k1",
		CreatedAt: made, RenewedAt: made, ExpiresAt: made.Add(4315 * time.Minute), ProofAt: made, Proof: renewer.ByCreation,
	}
}

// act plans at now and carries the only action out with the outcome.
func act(t *testing.T, now time.Time, w *renewer.Wanted, s renewer.State, o renewer.Outcome) (renewer.Action, renewer.State, []renewer.Gap) {
	t.Helper()
	a := plan1(t, now, w, s)
	s, gaps := renewer.Finish(renewer.Begin(s, a, now), a, o, now.Add(time.Second), renewer.DefaultRules())
	return a, s, gaps
}

func plan1(t *testing.T, now time.Time, w *renewer.Wanted, s renewer.State) renewer.Action {
	t.Helper()
	actual := map[renewer.Key]renewer.State{}
	if s.Status != "" {
		actual[s.Key] = s
	}
	actions := renewer.Plan(now, w, actual, renewer.DefaultRules())
	if len(actions) != 1 {
		t.Fatalf("%d actions at %s", len(actions), now)
	}
	return actions[0]
}

func nothing(t *testing.T, now time.Time, w *renewer.Wanted, s renewer.State) {
	t.Helper()
	if actions := renewer.Plan(now, w, map[renewer.Key]renewer.State{s.Key: s}, renewer.DefaultRules()); len(actions) > 0 {
		t.Errorf("%s is due at %s: %s", actions[0].Kind, now, actions[0].Why)
	}
}

const dueAge = 53 * time.Hour // of a renewal, with whatever jitter

func answer(id string, expires time.Time) renewer.Outcome {
	return renewer.Outcome{Subscription: graph.Subscription{ID: id, ApplicationID: "app", ExpirationDateTime: expires, NotificationURL: "https://bridge.example.com/graph/notifications"}}
}

func failed(status int, message string) renewer.Outcome {
	return renewer.Outcome{Err: &graph.Error{Status: status, Message: message}}
}

// Each class of failure has its own answer.
func TestFinishFailures(t *testing.T) {
	t.Parallel()
	now := modelStart.Add(dueAge)
	left := modelStart.Add(-time.Hour).Add(4315 * time.Minute).Sub(now)
	for _, tc := range []struct {
		name        string
		err         error
		status      renewer.Status
		least, most time.Duration // until the next attempt
	}{
		{"Handshake", graphError(400, "ValidationError", "Subscription validation request timed out."), renewer.Active, 2 * time.Second, 6 * time.Second},
		{"Token", graphError(401, "InvalidAuthenticationToken", ""), renewer.Active, 2 * time.Second, 6 * time.Second},
		{"NoAnswer", errors.New("reset"), renewer.Active, 2 * time.Second, 6 * time.Second},
		{"Busy", graphError(503, "", ""), renewer.Active, 2 * time.Second, 6 * time.Second},
		{"Unreadable", graphError(200, graph.CodeUnreadable, ""), renewer.Active, 2 * time.Second, 6 * time.Second},
		{"Throttled", &graph.Error{Status: 429, RetryAfter: 2 * time.Minute}, renewer.Active, 2 * time.Minute, 3 * time.Minute},
		{"Quota", graphError(403, "Forbidden", "quota of 10000"), renewer.Blocked, time.Hour, 73 * time.Minute},
		{"Refused", graphError(400, "InvalidRequest", "Certificate validation error: Cannot find the requested object."), renewer.Blocked, 6 * time.Hour, 8 * time.Hour},
		{"Method", graphError(405, "", ""), renewer.Blocked, 6 * time.Hour, 8 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, s := living()
			a, s, gaps := act(t, now, w, s, renewer.Outcome{Err: tc.err})
			wait := s.NextAttemptAt.Sub(now)
			if a.Kind != renewer.Renew || s.Status != tc.status || s.Attempts != 1 || s.SubscriptionID != "old" || s.Intent != "" || len(gaps) > 0 {
				t.Errorf("%s: %+v, %v", a.Kind, s, gaps)
			}
			if wait < tc.least || wait > tc.most {
				t.Errorf("tried again after %s of %s", wait, left)
			}
			nothing(t, s.NextAttemptAt.Add(-time.Second), w, s)
			again := plan1(t, s.NextAttemptAt, w, s)
			if half := 4315 * time.Minute / 2; tc.name == "Refused" && again.Expires.Sub(s.NextAttemptAt) > half {
				t.Errorf("what was refused is asked for again, %s", again.Expires.Sub(s.NextAttemptAt))
			}
			if tc.name != "Refused" && tc.name != "Method" && again.Expires.Sub(s.NextAttemptAt) < 4314*time.Minute {
				t.Errorf("asked for %s", again.Expires.Sub(s.NextAttemptAt))
			}
		})
	}
}

// A PATCH that Graph answers by 404 makes the subscription dead at once, with a
// gap from the last proof of life; the next creation closes it (I9).
func TestFinishNotFound(t *testing.T) {
	t.Parallel()
	now := modelStart.Add(dueAge)
	w, s := living()
	proof := s.ProofAt
	_, s, gaps := act(t, now, w, s, failed(404, "gone"))
	if s.Status != renewer.Dead || s.SubscriptionID != "" || len(gaps) != 1 || gaps[0].Cause != renewer.CauseNotFound || !gaps[0].From.Equal(proof) || gaps[0].OldSubscriptionID != "old" || !gaps[0].To.IsZero() {
		t.Fatalf("%+v, %+v", s, gaps)
	}
	now = now.Add(time.Second)
	a, s, closed := act(t, now, w, s, answer("new", now.Add(4315*time.Minute)))
	if a.Kind != renewer.Create || !a.Urgent() || s.Status != renewer.Active || s.SubscriptionID != "new" || s.Gap.ID != "" {
		t.Fatalf("%s: %+v", a.Kind, s)
	}
	if len(closed) != 1 || closed[0].GapID != gaps[0].GapID || closed[0].EventID == gaps[0].EventID || !closed[0].To.Equal(now.Add(time.Second)) ||
		closed[0].NewSubscriptionID != "new" || closed[0].OldSubscriptionID != "old" {
		t.Errorf("%+v", closed)
	}
	nothing(t, now.Add(time.Second), w, s)
}

// What Graph says of expirations is believed as far as it can be.
func TestFinishExpirations(t *testing.T) {
	t.Parallel()
	now := modelStart.Add(dueAge)
	finished := now.Add(time.Second)
	asked := now.Add(4315 * time.Minute)
	for _, tc := range []struct{ name, said, want string }{
		{"AsAsked", asked.Format(time.RFC3339), asked.Format(time.RFC3339)},
		{"Shorter", now.Add(time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)},
		{"Past", "2020-01-01T00:00:00Z", finished.Add(45 * time.Minute).Format(time.RFC3339)},
		{"FarFuture", "9999-12-31T23:59:59Z", asked.Format(time.RFC3339)},
		{"None", "0001-01-01T00:00:00Z", asked.Format(time.RFC3339)},
	} {
		said, _ := time.Parse(time.RFC3339, tc.said)
		w, s := living()
		_, s, _ = act(t, now, w, s, answer("old", said))
		if got := s.ExpiresAt.Format(time.RFC3339); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		nothing(t, finished, w, s)
	}
}

// Nor does a subscription that is read back, or taken over, live for ever because
// Graph says so: it is renewed in time all the same.
func TestFinishReadExpirations(t *testing.T) {
	t.Parallel()
	farFuture := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, tc := range []struct {
		name  string
		said  time.Duration // after the last renewal; 0: year 9999
		wants time.Duration
	}{{"AsKnown", 4315 * time.Minute, 4315 * time.Minute}, {"Shorter", day, day}, {"FarFuture", 0, 4315 * time.Minute}} {
		w, s := living()
		d := &w.Subscriptions[0]
		said := farFuture
		if tc.said > 0 {
			said = s.RenewedAt.Add(tc.said)
		}
		read := renewer.Action{Kind: renewer.Read, Key: s.Key, SubscriptionID: "old", Want: d}
		for now := modelStart; now.Before(s.RenewedAt.Add(12 * time.Hour)); now = now.Add(6 * time.Hour) {
			s, _ = renewer.Finish(renewer.Begin(s, read, now), read, answer("old", said), now, renewer.DefaultRules())
		}
		if got := s.ExpiresAt.Sub(s.RenewedAt); got > tc.wants || got < min(tc.wants, 4000*time.Minute) {
			t.Errorf("%s: lives for %s, want %s", tc.name, got, tc.wants)
		}
	}
	w := modelWishes(1)
	existing := answer("theirs", farFuture).Subscription
	conflict := renewer.Outcome{Err: &graph.Error{Status: 409, ExistingID: "theirs"}, Existing: &existing}
	_, s, _ := act(t, modelStart, w, renewer.State{}, conflict)
	if left := s.ExpiresAt.Sub(modelStart); s.SubscriptionID != "theirs" || left > 4316*time.Minute {
		t.Errorf("taken over: %+v lives for %s", s, left)
	}
}

// A conflict is solved by taking over what is ours, and told where it is not.
func TestFinishConflict(t *testing.T) {
	t.Parallel()
	w := modelWishes(1)
	existing := answer("theirs", modelStart.Add(time.Hour)).Subscription
	existing.IncludeResourceData, existing.EncryptionCertificateID, existing.LifecycleNotificationURL = true, "cert-1", w.Subscriptions[0].LifecycleURL
	conflict := renewer.Outcome{Err: &graph.Error{Status: 409, ExistingID: "theirs"}, Existing: &existing}
	_, s, gaps := act(t, modelStart, w, renewer.State{}, conflict)
	if s.Status != renewer.Active || s.SubscriptionID != "theirs" || s.ClientStateKeyID != "k1" || len(gaps) > 0 {
		t.Errorf("ours: %+v %v", s, gaps)
	}
	foreign := existing
	foreign.NotificationURL = "https://elsewhere.example.org/x?secret=1"
	conflict.Existing = &foreign
	_, s, gaps = act(t, modelStart, w, renewer.State{}, conflict)
	if s.Status != renewer.Blocked || !strings.Contains(s.Error, "elsewhere.example.org") || !strings.Contains(s.Error, "theirs") || strings.Contains(s.Error, "secret") || len(gaps) != 1 {
		t.Errorf("theirs: %+v %v", s, gaps)
	}
	if wait := s.NextAttemptAt.Sub(modelStart); wait < time.Hour {
		t.Errorf("tried again after %s", wait)
	}
}

// What a PATCH cannot change is deleted and created, with a gap of just that
// time, and only once Graph has confirmed the first half.
func TestFinishReplace(t *testing.T) {
	t.Parallel()
	now := modelStart
	w, s := living()
	w.Subscriptions[0].LifecycleURL = "https://new.example.com/lc"
	ok := answer("new", now.Add(4315*time.Minute))
	ok.Deleted = true
	a, replaced, gaps := act(t, now, w, s, ok)
	if a.Kind != renewer.Replace || replaced.SubscriptionID != "new" || replaced.LifecycleURL != "https://new.example.com/lc" || len(gaps) != 2 {
		t.Fatalf("%s: %+v %v", a.Kind, replaced, gaps)
	}
	if gaps[0].Cause != renewer.CauseReplaced || !gaps[0].From.Equal(now) || !gaps[1].To.Equal(now.Add(time.Second)) {
		t.Errorf("%+v", gaps)
	}
	half := failed(503, "")
	half.Deleted = true
	_, dead, gaps := act(t, now, w, s, half)
	if dead.Status != renewer.Dead || dead.SubscriptionID != "" || len(gaps) != 1 || !gaps[0].From.Equal(now) {
		t.Errorf("%+v %v", dead, gaps)
	}
	gone := answer("new", now.Add(4315*time.Minute))
	gone.Gone = true
	_, _, gaps = act(t, now, w, s, gone)
	if len(gaps) != 2 || gaps[0].Cause != renewer.CauseNotFound || !gaps[0].From.Equal(s.ProofAt) {
		t.Errorf("%+v", gaps)
	}
	_, alive, gaps := act(t, now, w, s, failed(503, ""))
	if alive.Status != renewer.Active || alive.SubscriptionID != "old" || len(gaps) > 0 || alive.ClientStateKeyID != "k1" {
		t.Errorf("%+v %v", alive, gaps)
	}
}

// Changes: the URL at once, the certificate with the next renewal, a rotated
// client-state key in place of the next renewal, unless ingest has forgotten the
// old one.
func TestPlanChanges(t *testing.T) {
	t.Parallel()
	rules := renewer.DefaultRules()
	for _, tc := range []struct {
		name   string
		change func(*renewer.Desired, *renewer.State, *renewer.Rules)
		now    renewer.ActionKind // an hour after creation
		due    renewer.ActionKind // when the renewal is due
		fields []renewer.Change
	}{
		{"Nothing", func(*renewer.Desired, *renewer.State, *renewer.Rules) {}, "", renewer.Renew, nil},
		{"URL", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) {
			d.NotificationURL = "https://x.example.com"
		}, renewer.Renew, renewer.Renew, []renewer.Change{renewer.ChangeURL}},
		{"URLSpelling", func(_ *renewer.Desired, s *renewer.State, _ *renewer.Rules) {
			s.NotificationURL = "https://BRIDGE.example.com/graph/notifications/"
		}, "", renewer.Renew, nil},
		{"Certificate", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) { d.Certificate.ID = "cert-2" }, "", renewer.Renew, []renewer.Change{renewer.ChangeCertificate}},
		{"CertificateNow", func(d *renewer.Desired, _ *renewer.State, r *renewer.Rules) {
			d.Certificate.ID, r.Hasten = "cert-2", true
		}, renewer.Renew, renewer.Renew, []renewer.Change{renewer.ChangeCertificate}},
		{"Both", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) {
			d.Certificate.ID, d.NotificationURL = "cert-2", "https://x.example.com"
		}, renewer.Renew, renewer.Renew, []renewer.Change{renewer.ChangeURL, renewer.ChangeCertificate}},
		{"Refused", func(d *renewer.Desired, s *renewer.State, _ *renewer.Rules) {
			d.Certificate.ID, s.Attempts, s.ErrorStatus = "cert-2", 1, 400
		}, "", renewer.Renew, nil},
		{"Lifecycle", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) { d.LifecycleURL = "https://x.example.com" }, renewer.Replace, renewer.Replace, nil},
		{"Basic", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) { d.Rich = false }, renewer.Replace, renewer.Replace, nil},
		{"Query", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) { d.QueryOptions = "x" }, renewer.Replace, renewer.Replace, nil},
		{"Key", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) { d.ClientStateKeyID = "k2" }, "", renewer.Replace, nil},
		{"KeyKnown", func(d *renewer.Desired, _ *renewer.State, r *renewer.Rules) {
			d.ClientStateKeyID, r.ClientStateKeys = "k2", []string{"k2", "k1"}
		}, "", renewer.Replace, nil},
		{"KeyForgotten", func(d *renewer.Desired, _ *renewer.State, r *renewer.Rules) {
			d.ClientStateKeyID, r.ClientStateKeys = "k2", []string{"k2"}
		}, renewer.Replace, renewer.Replace, nil},
		{"KeyInTrouble", func(d *renewer.Desired, s *renewer.State, _ *renewer.Rules) {
			d.ClientStateKeyID, s.Attempts = "k2", 1
		}, "", renewer.Renew, nil},
		{"Application", func(d *renewer.Desired, _ *renewer.State, _ *renewer.Rules) { d.ApplicationID = "app-2" }, renewer.Create, renewer.Create, nil},
		{"Reauthorized", func(_ *renewer.Desired, s *renewer.State, _ *renewer.Rules) {
			s.ReauthorizedAt = modelStart.Add(dueAge - time.Minute)
		}, "", "", nil},
		{"UnderWay", func(d *renewer.Desired, s *renewer.State, _ *renewer.Rules) {
			d.LifecycleURL, s.Intent = "https://x.example.com", renewer.Read
		}, "", "", nil},
		{"Aside", func(d *renewer.Desired, s *renewer.State, _ *renewer.Rules) {
			d.LifecycleURL, s.Status = "https://x.example.com", renewer.Aside
		}, "", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, s := living()
			r := rules
			s.ProofAt = modelStart.Add(dueAge) // nothing is to be read back
			tc.change(&w.Subscriptions[0], &s, &r)
			at := func(now time.Time) (renewer.ActionKind, []renewer.Change) {
				actions := renewer.Plan(now, w, map[renewer.Key]renewer.State{s.Key: s}, r)
				if len(actions) == 0 {
					return "", nil
				}
				return actions[0].Kind, actions[0].Changes
			}
			if kind, _ := at(modelStart); kind != tc.now {
				t.Errorf("at once: %q", kind)
			}
			kind, fields := at(modelStart.Add(dueAge))
			if kind != tc.due || !slices.Equal(fields, tc.fields) {
				t.Errorf("when it is due: %q %v", kind, fields)
			}
		})
	}
}

// Urgent goes before comfortable, and what lapses first before what lapses later.
func TestPlanOrder(t *testing.T) {
	t.Parallel()
	w := modelWishes(6)
	_, s := living()
	now := modelStart.Add(dueAge)
	actual := map[renewer.Key]renewer.State{}
	put := func(i int, change func(*renewer.State)) {
		c := s
		c.Key = w.Subscriptions[i].Key
		change(&c)
		actual[c.Key] = c
	}
	put(0, func(c *renewer.State) {
		c.ProofAt, c.RenewedAt = modelStart, now.Add(-time.Hour)
		c.ExpiresAt = now.Add(70 * time.Hour)
	}) // read
	put(1, func(*renewer.State) {})                                                // renew
	put(2, func(c *renewer.State) { c.ExpiresAt = c.ExpiresAt.Add(-time.Minute) }) // renew, sooner
	put(3, func(c *renewer.State) { c.ExpiresAt = now.Add(time.Minute) })          // lapses
	put(4, func(c *renewer.State) {
		c.AskedAt, c.RenewedAt, c.ExpiresAt = now, now.Add(-time.Hour), now.Add(70*time.Hour)
	}) // asked
	w.Tenants = append(w.Tenants, renewer.Tenant{ID: "other"})
	put(5, func(c *renewer.State) { c.TenantID = "other" }) // delete
	var order []string
	for _, a := range renewer.Plan(now, w, actual, renewer.DefaultRules()) {
		order = append(order, string(a.Kind)+" "+a.Resource[9:15])
	}
	if want := []string{"renew 000003", "create 000005", "renew 000004", "renew 000002", "renew 000001", "delete 000005", "read 000000"}; !slices.Equal(order, want) {
		t.Errorf("%q", order)
	}
}

// The undesired is deleted, if there are credentials for it, and its record goes.
func TestPlanUndesired(t *testing.T) {
	t.Parallel()
	_, s := living()
	none := &renewer.Wanted{Tenants: []renewer.Tenant{{ID: modelTenant}}}
	again, died := s, renewer.TakeOver(renewer.Begin(s, renewer.Action{Kind: renewer.Delete, Key: s.Key}, modelStart), modelStart)
	again.Attempts = 1 // the first may have deleted it
	for name, tc := range map[string]struct {
		state   renewer.State
		outcome renewer.Outcome
		gaps    int
	}{
		"deleted": {s, renewer.Outcome{}, 0}, "died in silence": {s, failed(404, ""), 2},
		"deleted before": {again, failed(404, ""), 0}, "deleted by a predecessor": {died, failed(404, ""), 0},
	} {
		a, gone, gaps := act(t, modelStart, none, tc.state, tc.outcome)
		if a.Kind != renewer.Delete || gone.Status != renewer.Deleted || len(gaps) != tc.gaps {
			t.Errorf("%s: %s: %+v %+v", name, a.Kind, gone, gaps)
		}
		if len(gaps) == 2 && (!gaps[0].From.Equal(s.ProofAt) || gaps[0].Cause != renewer.CauseNotFound || !gaps[1].To.Equal(gone.UpdatedAt)) {
			t.Errorf("%s: %+v", name, gaps)
		}
	}
	_, still, _ := act(t, modelStart, none, s, failed(http.StatusForbidden, ""))
	if still.Status != renewer.Deleting || still.SubscriptionID != "old" || still.NextAttemptAt.Sub(modelStart) < time.Hour {
		t.Errorf("%+v", still)
	}
	stranger := &renewer.Wanted{}
	nothing(t, modelStart, stranger, s)
	if a := plan1(t, s.ExpiresAt.Add(3*time.Hour), stranger, s); a.Kind != renewer.Forget {
		t.Errorf("%s", a.Kind)
	}
	dead, opened, _ := renewer.Heed(s, renewer.Notice{SubscriptionID: "old", Event: "subscriptionRemoved", ReceivedAt: modelStart}, modelStart, renewer.DefaultRules())
	a, gone, closed := act(t, modelStart, none, dead, renewer.Outcome{})
	if a.Kind != renewer.Forget || gone.Status != renewer.Deleted || len(closed) != 1 || closed[0].GapID != opened[0].GapID || closed[0].To.IsZero() || closed[0].NewSubscriptionID != "" {
		t.Errorf("%s: %+v %+v", a.Kind, gone, closed)
	}
}
