package graphsim_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// kindsOf returns what happened to the only subscription, with the times since
// begin.
func kindsOf(tb testing.TB, s *graphsim.Sim, begin time.Time) map[graphsim.LifeKind][]time.Duration {
	tb.Helper()
	out := map[graphsim.LifeKind][]time.Duration{}
	for _, l := range s.Lives() {
		for _, e := range l.Events {
			out[e.Kind] = append(out[e.Kind], e.At.Sub(begin))
		}
	}
	return out
}

// noticesOf returns the lifecycle events that a receiver acknowledged, by name.
func noticesOf(tb testing.TB, r *receiver) map[string]int {
	tb.Helper()
	out := map[string]int{}
	for _, d := range r.acknowledged() {
		for _, raw := range items(tb, []delivery{d}) {
			if raw.LifecycleEvent != "" {
				out[raw.LifecycleEvent]++
				if d.url != lifecycleURL || raw.TenantID != tenantID || raw.ClientState != "state-1" || raw.Resource != "" {
					tb.Errorf("notice %+v to %s", raw, d.url)
				}
			}
		}
	}
	return out
}

// A subscription that nobody renews is asked after, pauses when its access
// token is stale, and expires in time.
func TestAPIPauseAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := start(t, apiConfig(r))
		defer stop(t, s)
		c := newCaller(t, s)
		begin := time.Now()
		c.create(wanted("/chats", "created").with(object{"expirationDateTime": inTime(5 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}))
		time.Sleep(46 * time.Minute)
		if n := noticesOf(t, r)["reauthorizationRequired"]; n != 1 {
			t.Errorf("%d notices in 46 min", n)
		}
		time.Sleep(15 * time.Minute)
		if sub := s.Subscriptions()[0]; !sub.Paused {
			t.Errorf("not paused after 61 min: %+v", sub)
		}
		time.Sleep(5 * time.Hour)
		got := kindsOf(t, s, begin)
		if len(got[graphsim.LifePaused]) != 1 || got[graphsim.LifePaused][0] != time.Hour || len(got[graphsim.LifeExpired]) != 1 ||
			got[graphsim.LifeExpired][0].Round(time.Second) != 5*time.Hour || got[graphsim.LifeNoticed][0] != 45*time.Minute || len(got[graphsim.LifeNoticed]) > 8 {
			t.Errorf("life %v", got)
		}
		if s.Subscriptions() != nil && len(s.Subscriptions()) != 0 {
			t.Error("it lives")
		}
		if spans := s.Lives()[0].Delivered(); len(spans) != 1 || spans[0].To.Sub(spans[0].From) != time.Hour {
			t.Errorf("delivered %v", spans)
		}
	})
}

// A call vouches only as long as its own token lives; a PATCH or a
// reauthorization with a fresh one ends the pause.
func TestAPIVouching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		begin := time.Now()
		id := c.create(wanted("/chats", "created").with(object{"expirationDateTime": inTime(20 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}))
		time.Sleep(50 * time.Minute)
		if status, _ := c.call(http.MethodPost, "/v1.0/subscriptions/"+id+"/reauthorize", nil); status != http.StatusNoContent {
			t.Fatal(status)
		}
		time.Sleep(20 * time.Minute) // the token of both calls is stale by now
		if status, _ := c.call(http.MethodPost, "/v1.0/subscriptions/"+id+"/reauthorize", nil); status != http.StatusUnauthorized {
			t.Errorf("with a stale token: %d", status)
		}
		c.signIn(appID, tenantID, graphsim.DefaultSecret)
		c.call(http.MethodPost, "/v1.0/subscriptions/"+id+"/reauthorize", nil)
		time.Sleep(90 * time.Minute)
		c.signIn(appID, tenantID, graphsim.DefaultSecret)
		c.call(http.MethodPatch, "/v1.0/subscriptions/"+id, object{"expirationDateTime": inTime(20 * time.Hour)})
		got := kindsOf(t, s, begin)
		paused, resumed := got[graphsim.LifePaused], got[graphsim.LifeResumed]
		if len(paused) != 2 || paused[0] != time.Hour || paused[1] != 130*time.Minute || len(resumed) != 2 || resumed[0] != 70*time.Minute || resumed[1] != 160*time.Minute {
			t.Errorf("paused %v resumed %v", paused, resumed)
		}
		if got[graphsim.LifeRenewed] == nil || len(got[graphsim.LifeReauthorized]) != 2 {
			t.Errorf("life %v", got)
		}
	})
}

// Graph removes silently, or for chat messages with a notice; by hand too.
func TestAPIRemovals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		cfg.Faults.Every[graphsim.SilentRemoval], cfg.Faults.Every[graphsim.SubscriptionRemoved] = 1, 1
		cfg.Faults.AtMost = map[graphsim.Fault]int{graphsim.SilentRemoval: 1, graphsim.SubscriptionRemoved: 1}
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		long := object{"expirationDateTime": inTime(20 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}
		c.create(wanted("/chats", "created").with(long))
		c.create(wanted("/chats/getAllMessages", "created").with(long))
		killed := c.create(wanted("/teams", "created").with(long))
		removed := c.create(wanted("/teams/getAllMessages", "created").with(long))
		if f := s.Summary().Faults; f[graphsim.SilentRemoval]+f[graphsim.SubscriptionRemoved] != 0 {
			t.Errorf("counted before it happened: %v", f)
		}
		if !s.Kill(killed) || s.Kill(killed) || !s.Remove(removed) || s.Remove("x") {
			t.Error("killing by hand")
		}
		time.Sleep(20*time.Hour - time.Second)
		f, lives := s.Summary().Faults, s.Summary().API.Lives
		if f[graphsim.SilentRemoval] != 1 || f[graphsim.SubscriptionRemoved] != 1 || lives[graphsim.LifeLost] != 2 || lives[graphsim.LifeRemoved] != 2 {
			t.Errorf("faults %v, lives %v", f, lives)
		}
		time.Sleep(time.Second)
		if n := noticesOf(t, r)["subscriptionRemoved"]; n != 2 {
			t.Errorf("%d notices of removal", n)
		}
	})
}

// Notices come twice, late, not at all and under the wrong name, where the
// faults say so.
func TestAPINoticeFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		for _, f := range []graphsim.Fault{graphsim.NoticeRepeated, graphsim.NoticeLost, graphsim.NoticeMissed} {
			cfg.Faults.Every[f] = 3
		}
		cfg.Faults.Every[graphsim.NoticeLate] = 1
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		for _, resource := range []string{"/chats", "/teams", "/chats/getAllMessages", "/teams/getAllMessages"} {
			c.create(wanted(resource, "created").with(object{"expirationDateTime": inTime(3 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}))
		}
		time.Sleep(12 * time.Hour)
		sum := s.Summary()
		for _, f := range []graphsim.Fault{graphsim.NoticeRepeated, graphsim.NoticeLost, graphsim.NoticeMissed, graphsim.NoticeLate} {
			if sum.Faults[f] == 0 {
				t.Errorf("%s never fired: %v", f, sum.Faults)
			}
		}
		got := noticesOf(t, r)
		if got["missed"] < sum.Faults[graphsim.NoticeMissed] || got["missed"] != sum.API.Notices["missed"] || got["reauthorizationRequired"] != sum.API.Notices["reauthorizationRequired"] {
			t.Errorf("received %v, sent %v", got, sum.API.Notices)
		}
		last := items(t, r.acknowledged()[len(r.acknowledged())-1:])
		if sum.API.Living != 0 || len(last) == 0 || last[0].LifecycleEvent != "reauthorizationRequired" {
			t.Errorf("the last notice is %+v", last)
		}
	})
}

// With short lifetimes a minute shows all of it: what is granted is less than
// what was asked for, notices come in time, and a pause ends.
func TestAPIScaled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		cfg.API.MinLifetime, cfg.API.MaxLifetime = 20*time.Second, 40*time.Second
		cfg.API.TokenLifetime, cfg.API.NoticeLead = 30*time.Second, 9*time.Second
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		begin := time.Now()
		id := c.create(wanted("/chats", "created").with(object{"expirationDateTime": inTime(72 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}))
		time.Sleep(35 * time.Second)
		c.signIn(appID, tenantID, graphsim.DefaultSecret)
		_, answer := c.call(http.MethodPatch, "/v1.0/subscriptions/"+id, object{"expirationDateTime": inTime(72 * time.Hour)})
		if left := time.Until(instant(t, answer["expirationDateTime"])).Round(time.Second); left != 40*time.Second {
			t.Errorf("granted %s", left)
		}
		time.Sleep(time.Minute)
		got := kindsOf(t, s, begin)
		if got[graphsim.LifeNoticed][0] != 21*time.Second || got[graphsim.LifePaused][0] != 30*time.Second || got[graphsim.LifeResumed][0] != 35*time.Second || got[graphsim.LifeExpired][0] > 75*time.Second {
			t.Errorf("life %v", got)
		}
	})
}
