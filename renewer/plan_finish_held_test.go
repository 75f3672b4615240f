package renewer_test

import (
	"net/http"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// I9: a subscription that lives, but that nobody has vouched for when Graph asked,
// has lost what Graph could not keep for longer than 4 h.
func TestFinishHeld(t *testing.T) {
	t.Parallel()
	w, s := living()
	d := &w.Subscriptions[0]
	asked := s.RenewedAt.Add(time.Hour)
	s.AskedAt = asked
	for _, tc := range []struct {
		after time.Duration
		lost  time.Duration // 0: nothing
	}{{time.Hour, 0}, {4 * time.Hour, 0}, {5 * time.Hour, time.Hour}, {20 * time.Hour, 16 * time.Hour}} {
		now := asked.Add(tc.after)
		a := renewer.Action{Kind: renewer.Renew, Key: d.Key, Want: d, SubscriptionID: s.SubscriptionID, Expires: now.Add(day)}
		after, gaps := renewer.Finish(renewer.Begin(s, a, now), a, renewer.Outcome{Subscription: graph.Subscription{ExpirationDateTime: now.Add(day)}}, now, renewer.DefaultRules())
		if !after.AskedAt.IsZero() || after.Gap.ID != "" {
			t.Errorf("after %v: %+v", tc.after, after)
		}
		if tc.lost == 0 {
			if len(gaps) != 0 {
				t.Errorf("after %v: %+v", tc.after, gaps)
			}
			continue
		}
		if len(gaps) != 2 || gaps[0].GapID != gaps[1].GapID || gaps[1].Cause != renewer.CauseHeld || !gaps[1].From.Equal(asked) || gaps[1].To.Sub(asked) != tc.lost ||
			!gaps[1].RecordedAt.Equal(now) {
			t.Errorf("after %v: %+v, want %v lost from %v on", tc.after, gaps, tc.lost, asked)
		}
	}
}

// I9: what a paused subscription held back dies with it, so its gap begins when
// Graph asked in vain, though it was seen to live since.
func TestFinishDeadWhileHeld(t *testing.T) {
	t.Parallel()
	w, s := living()
	d := &w.Subscriptions[0]
	asked := s.ProofAt.Add(time.Hour)
	now := asked.Add(3 * time.Hour)
	s.AskedAt, s.ProofAt = asked, now.Add(-time.Minute)
	a := renewer.Action{Kind: renewer.Renew, Key: d.Key, Want: d, SubscriptionID: s.SubscriptionID, Expires: now.Add(day)}
	_, gaps := renewer.Finish(renewer.Begin(s, a, now), a, renewer.Outcome{Err: notFound()}, now, renewer.DefaultRules())
	if len(gaps) != 1 || gaps[0].Cause != renewer.CauseNotFound || !gaps[0].From.Equal(asked) {
		t.Errorf("%+v, want one from %v on", gaps, asked)
	}
}

// I9: what is recorded as lost once is not recorded again, under the same ids or
// others, by the renewal that follows.
func TestFinishHeldOnce(t *testing.T) {
	t.Parallel()
	r := renewer.DefaultRules()
	w, s := living()
	s.RenewedAt, s.ExpiresAt, s.ProofAt = modelStart.Add(-40*time.Hour), modelStart.Add(10*time.Hour), modelStart
	asked := modelStart.Add(-time.Minute)
	s, _, _ = renewer.Heed(s, renewer.Notice{TenantID: s.TenantID, SubscriptionID: s.SubscriptionID, Event: "reauthorizationRequired", ReceivedAt: asked}, asked.Add(time.Second), r)
	var all []renewer.Gap
	step := func(now time.Time, kind renewer.ActionKind, o renewer.Outcome) {
		t.Helper()
		a := plan1(t, now, w, s)
		if a.Kind != kind {
			t.Fatalf("%s: %s (%s), want %s", now, a.Kind, a.Why, kind)
		}
		var gaps []renewer.Gap
		s, gaps = renewer.Finish(renewer.Begin(s, a, now), a, o, now.Add(time.Second), r)
		all = append(all, gaps...)
	}
	// PATCHes reach Graph, and their answers are lost, until it has expired as far as
	// known: the 409 then names the very same.
	now := asked.Add(2 * time.Second)
	for ; now.Before(s.ExpiresAt.Add(r.Slack)); now = now.Add(time.Hour) {
		step(now, renewer.Renew, renewer.Outcome{Err: graphError(http.StatusServiceUnavailable, "", "busy")})
	}
	now = now.Add(time.Hour)
	existing := graph.Subscription{ID: s.SubscriptionID, ApplicationID: "app", NotificationURL: s.NotificationURL, ExpirationDateTime: now.Add(30 * time.Hour)}
	step(now, renewer.Create, renewer.Outcome{Err: graphError(http.StatusConflict, "", ""), Existing: &existing})
	now = now.Add(2 * time.Second)
	step(now, renewer.Renew, answer(s.SubscriptionID, now.Add(60*time.Hour)))
	if len(all) != 2 || all[0].GapID != all[1].GapID || !all[0].From.Equal(asked) {
		t.Errorf("%+v, want one gap from %v on", all, asked)
	}
}

// I9: so does what one holds back that is deleted because nobody desires it any
// more: to the last.
func TestFinishDeletedWhileHeld(t *testing.T) {
	t.Parallel()
	w, s := living()
	s.AskedAt = modelStart
	w.Subscriptions = nil
	now := modelStart.Add(6 * time.Hour)
	a := plan1(t, now, w, s)
	_, gaps := renewer.Finish(renewer.Begin(s, a, now), a, renewer.Outcome{}, now, renewer.DefaultRules())
	if a.Kind != renewer.Delete || len(gaps) != 2 || !gaps[1].From.Equal(modelStart) || !gaps[1].To.Equal(now) || gaps[1].NewSubscriptionID != "" {
		t.Errorf("%s: %+v", a.Kind, gaps)
	}
}
