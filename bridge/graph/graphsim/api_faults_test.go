package graphsim_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// outcome is what a caller saw of a call: a status, "cut", or "garbage".
func (c *caller) outcome(method, path string, body any) string {
	c.tb.Helper()
	a, err := c.send(method, path, body)
	switch {
	case err != nil:
		return "cut"
	case len(a.body) > 0 && a.body[len(a.body)-1] != '}':
		return "garbage"
	}
	return fmt.Sprint(a.status)
}

// Each fault of a call fires when it is due, is counted, and has the effect
// that it claims: done or not done.
func TestAPIFaults(t *testing.T) {
	for _, test := range []struct {
		fault  graphsim.Fault
		create string // what a creation looks like
		done   bool   // whether it took effect all the same
		took   time.Duration
	}{
		{graphsim.APIThrottled, "429", false, 0},
		{graphsim.APIError, "500", false, 0},
		{graphsim.APIUnavailable, "503", false, 0},
		{graphsim.APITimedOut, "504", true, 0},
		{graphsim.APICutBefore, "cut", false, 0},
		{graphsim.APICutAfter, "cut", true, 0},
		{graphsim.APISlow, "201", true, 20 * time.Second},
		{graphsim.APIUnauthorized, "401", false, 0},
		{graphsim.APIGarbage, "garbage", true, 0},
		{graphsim.QuotaHit, "403", false, 0},
		{graphsim.HandshakeLost, "400", false, 10 * time.Second},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := apiConfig(&receiver{})
				cfg.Faults.Every[test.fault] = 1
				cfg.Faults.AtMost = map[graphsim.Fault]int{test.fault: 1}
				s := start(t, cfg)
				defer stop(t, s)
				c := newCaller(t, s)
				begin := time.Now()
				if got := c.outcome(http.MethodPost, "/v1.0/subscriptions", wanted("/chats", "created")); got != test.create {
					t.Errorf("create: %s, want %s", got, test.create)
				}
				if took := time.Since(begin); took != test.took {
					t.Errorf("it took %s", took)
				}
				if done := len(s.Subscriptions()) == 1; done != test.done {
					t.Errorf("it took effect: %t", done)
				}
				if n := s.Summary().Faults[test.fault]; n != 1 {
					t.Errorf("fired %d times", n)
				}
				if test.fault == graphsim.APIUnauthorized {
					if got := c.outcome(http.MethodGet, "/v1.0/subscriptions", nil); got != "401" {
						t.Errorf("the token is good again: %s", got)
					}
					c.signIn(appID, tenantID, graphsim.DefaultSecret)
				}
				want := map[bool]string{false: "201", true: "409"}[test.done]
				if got := c.outcome(http.MethodPost, "/v1.0/subscriptions", wanted("/chats", "created")); got != want {
					t.Errorf("again: %s, want %s", got, want)
				}
			})
		})
	}
}

// A renewal may be granted for less, a list may lie.
func TestAPILies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := apiConfig(&receiver{})
		cfg.API.PageSize = 2
		for _, f := range []graphsim.Fault{graphsim.RenewedShort, graphsim.ListExpired, graphsim.ListHidden, graphsim.ListPageLost} {
			cfg.Faults.Every[f] = 1
		}
		cfg.Faults.AtMost = map[graphsim.Fault]int{graphsim.RenewedShort: 1, graphsim.ListExpired: 1, graphsim.ListHidden: 1, graphsim.ListPageLost: 1}
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		listed := func() (ids []string) {
			for path := "/v1.0/subscriptions"; path != ""; {
				_, answer := c.call(http.MethodGet, path, nil)
				for _, v := range answer["value"].([]any) {
					ids = append(ids, v.(map[string]any)["id"].(string))
				}
				next, _ := answer["@odata.nextLink"].(string)
				path = next[min(len(next), len(c.base)):]
			}
			return ids
		}
		var ids []string
		for i := range 5 {
			ids = append(ids, c.create(wanted(fmt.Sprintf("/teams/%d/members", i), "created").with(object{"lifecycleNotificationUrl": lifecycleURL})))
		}
		c.call(http.MethodDelete, "/v1.0/subscriptions/"+ids[0], nil)
		var sizes []int
		for range 4 {
			sizes = append(sizes, len(listed()))
		}
		// First one that is gone is shown and then, in its later pages, one is hidden or a page lost.
		f := s.Summary().Faults
		if f[graphsim.ListExpired] != 1 || f[graphsim.ListHidden] != 1 || f[graphsim.ListPageLost] != 1 || sizes[3] != 4 {
			t.Errorf("lists of %v, faults %v", sizes, f)
		}
		_, answer := c.call(http.MethodPatch, "/v1.0/subscriptions/"+ids[1], object{"expirationDateTime": inTime(50 * time.Hour)})
		if left := time.Until(instant(t, answer["expirationDateTime"])).Round(time.Second); left != 25*time.Hour {
			t.Errorf("granted %s", left)
		}
		_, answer = c.call(http.MethodPatch, "/v1.0/subscriptions/"+ids[1], object{"expirationDateTime": inTime(50 * time.Hour)})
		if left := time.Until(instant(t, answer["expirationDateTime"])).Round(time.Second); left != 50*time.Hour {
			t.Errorf("granted %s", left)
		}
	})
}

// By hand, the API goes down and comes back.
func TestAPIOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		s.Outage(true)
		if got := c.outcome(http.MethodGet, "/v1.0/subscriptions", nil); got != "503" {
			t.Errorf("down: %s", got)
		}
		s.Outage(false)
		if got := c.outcome(http.MethodGet, "/v1.0/subscriptions", nil); got != "200" {
			t.Errorf("up: %s", got)
		}
	})
}

// Forgeries aim at living subscriptions, and the forger has what it needs.
func TestAPIForgeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		cfg.Rate = 20
		for _, i := range graphsim.FaultList() {
			if i.Reason != "" {
				cfg.Faults.Every[i.Fault] = 20
			}
		}
		s := start(t, cfg)
		defer stop(t, s)
		c, other := newCaller(t, s), newCaller(t, s)
		c.create(wanted("/chats/getAllMessages", "created").with(rich()).with(object{"clientState": "state-of-" + tenantID}))
		other.signIn(appID, otherTenantID, graphsim.DefaultSecret)
		other.create(wanted("/chats/getAllMessages", "created").with(rich()).with(object{"clientState": "state-of-" + otherTenantID}))
		if err := s.Run(t.Context(), graphsim.Limit{Items: 60}); err != nil {
			t.Fatal(err)
		}
		sum := s.Summary()
		for _, i := range graphsim.FaultList() {
			if i.Reason != "" && sum.Faults[i.Fault] == 0 {
				t.Errorf("%s never fired", i.Fault)
			}
		}
		foreign := 0
		for _, n := range items(t, r.acknowledged()) {
			if n.ClientState == "state-of-"+tenantID && n.TenantID == otherTenantID || n.ClientState == "state-of-"+otherTenantID && n.TenantID == tenantID {
				foreign++
			}
		}
		if foreign != sum.Faults[graphsim.ForgeClientStateForeign] {
			t.Errorf("%d items with the state of another tenant, faults %v", foreign, sum.Faults)
		}
	})
}
