package graphsim_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// The quotas of FACTS §4.4 answer 403 and name the limit; they count per
// tenant, over all apps.
func TestAPIQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := apiConfig(&receiver{})
		cfg.API.Quota, cfg.API.Unthrottled = 30, true
		s := start(t, cfg)
		defer stop(t, s)
		first, second := newCaller(t, s), newCaller(t, s)
		second.signIn(otherAppID, tenantID, graphsim.DefaultSecret)
		refused := func(c *caller, body object, want string) {
			t.Helper()
			status, answer := c.call(http.MethodPost, "/beta/subscriptions", body)
			if status != http.StatusForbidden || !strings.Contains(problem(answer), want) {
				t.Errorf("%v: %d %s, want %q", body["resource"], status, problem(answer), want)
			}
		}
		chat := "/chats/19:a@thread.v2/messages"
		first.create(wanted(chat, "created"))
		refused(first, wanted("chats('19:A@thread.v2')/messages", "updated"), "the app on this resource has reached its limit of 1.")
		second.create(wanted(chat, "created"))
		user := "/users/" + otherAppID + "/chats/getAllMessages"
		first.create(wanted(user, "created"))
		refused(first, wanted(user, "deleted"), "limit of 1.")
		first.create(wanted("solutions/virtualEvents/events", "created"))
		refused(first, wanted("solutions/virtualEvents/events/getEventsFromOrganizers(organizerIds=['a'])", "created"), "virtual events of the tenant has reached its limit of 1.")
		first.create(wanted("solutions/approval/approvalItems", "created"))
		refused(first, wanted("solutions/approval/approvalItems", "updated"), "approvals has reached its limit of 1.")
		first.create(wanted("communications/presences?$filter=id in ('a','b')", "updated"))
		first.create(wanted("communications/presences?$filter=id in ('c')", "updated"))
		// Three of the thirty are taken by now: presences, approvals and events are no Teams resources.
		first.create(wanted("/teams/getAllChannels", "created"))
		first.create(wanted("/teams/getAllChannels", "updated"))
		for i := range 25 {
			second.create(wanted(fmt.Sprintf("/chats/19:%d@thread.v2", i), "updated"))
		}
		refused(second, wanted("/chats/19:next@thread.v2", "updated"), "Teams resources of the organization has reached its limit of 30.")
		elsewhere := newCaller(t, s)
		elsewhere.signIn(appID, otherTenantID, graphsim.DefaultSecret)
		elsewhere.create(wanted(chat, "created"))
		time.Sleep(time.Hour)
		second.signIn(otherAppID, tenantID, graphsim.DefaultSecret)
		second.create(wanted("/chats/19:next@thread.v2", "updated")) // the others have expired
	})
}

// The limits of FACTS §4.3 hold per app and tenant and per app; a Retry-After
// that is obeyed leads to success.
func TestAPIThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c, other := newCaller(t, s), newCaller(t, s)
		other.signIn(appID, otherTenantID, graphsim.DefaultSecret)
		lists := func(c *caller, n int) (ok int, last answered) {
			for range n {
				a, err := c.send(http.MethodGet, "/v1.0/subscriptions", nil)
				if err != nil {
					t.Fatal(err)
				}
				if a.status == http.StatusOK {
					ok++
				}
				last = a
			}
			return ok, last
		}
		if ok, last := lists(c, 30); ok != 25 || last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") != "20" {
			t.Errorf("%d lists in a tenant, then %d after %q", ok, last.status, last.header.Get("Retry-After"))
		}
		time.Sleep(5 * time.Second)
		ok, last := lists(other, 20)
		wait, err := strconv.Atoi(last.header.Get("Retry-After"))
		if ok != 15 || err != nil || wait != 15 {
			t.Errorf("%d lists in another tenant, then Retry-After %d %v", ok, wait, err)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if ok, _ := lists(other, 1); ok != 1 {
			t.Error("refused after Retry-After")
		}
		if n := s.Summary().API.Throttled; n != 10 {
			t.Errorf("throttled %d times", n)
		}
	})
}

// Handshakes that fail are told in Graph's words, and nothing is made; the
// question goes to both URLs, at a renewal as well.
func TestAPIHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		answer := func(*http.Request) (*http.Response, error) { return nil, errors.New("unset") }
		cfg := apiConfig(&receiver{})
		cfg.Client = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			asked = append(asked, req.URL.Path)
			return answer(req)
		})}
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		good := echo(&receiver{}).Transport
		body := wanted("/chats", "created").with(object{"lifecycleNotificationUrl": lifecycleURL + "?x=1"})
		for _, test := range []struct {
			name   string
			answer roundTrip
			want   string
			took   time.Duration
		}{
			{"Timeout", func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}, "Subscription validation request timed out.", 10 * time.Second},
			{"Forbidden", func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: req}, nil
			}, "HTTP status code is 'Forbidden'.", 0},
			{"Other", func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Body: http.NoBody, Request: req}, nil
			}, "must exactly match", 0},
			{"Unreachable", func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }, "Must respond with 200 OK", 0},
		} {
			answer = test.answer
			begin := time.Now()
			status, got := c.call(http.MethodPost, "/v1.0/subscriptions", body)
			if status != http.StatusBadRequest || !strings.Contains(problem(got), test.want) || time.Since(begin) != test.took {
				t.Errorf("%s: %d %s after %s", test.name, status, problem(got), time.Since(begin))
			}
		}
		if n := len(s.Subscriptions()); n != 0 {
			t.Errorf("%d subscriptions were made", n)
		}
		answer, asked = good.RoundTrip, nil
		id := c.create(body)
		c.call(http.MethodPatch, "/v1.0/subscriptions/"+id, object{"expirationDateTime": inTime(time.Hour)})
		c.call(http.MethodPatch, "/v1.0/subscriptions/"+id, object{"notificationUrl": "https://bridge.example/other"})
		c.call(http.MethodPost, "/v1.0/subscriptions/"+id+"/reauthorize", nil)
		want := "/graph/notifications /graph/lifecycle /graph/notifications /graph/lifecycle /other /graph/lifecycle /other /graph/lifecycle"
		if got := strings.Join(asked, " "); got != want {
			t.Errorf("asked %s\n want %s", got, want)
		}
		answer = func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }
		before := s.Subscriptions()[0]
		if status, _ := c.call(http.MethodPatch, "/v1.0/subscriptions/"+id, object{"expirationDateTime": inTime(55 * time.Minute)}); status != http.StatusBadRequest {
			t.Errorf("renewed without a handshake: %d", status)
		}
		if after := s.Subscriptions()[0]; after != before {
			t.Errorf("changed without a handshake: %+v", after)
		}
	})
}

// A PATCH changes what FACTS §2.4 lets it change and nothing else, and short
// lifetimes are raised.
func TestAPIUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		basic := c.create(wanted("/chats", "created"))
		sealed := c.create(wanted("/chats/getAllMessages", "created").with(rich()))
		certificate := rich().with(object{"includeResourceData": nil, "encryptionCertificateId": "next"})
		for _, test := range []struct {
			name, id string
			body     object
			status   int
			want     string
		}{
			{"Nothing", basic, object{}, 400, "must contain expirationDateTime or notificationUrl"},
			{"LifecycleURL", basic, object{"expirationDateTime": inTime(time.Hour), "lifecycleNotificationUrl": lifecycleURL}, 400, "'lifecycleNotificationUrl' cannot be updated"},
			{"LongWithoutLifecycleURL", basic, object{"expirationDateTime": inTime(2 * time.Hour)}, 400, "lifecycleNotificationUrl is a required"},
			{"TooLong", basic, object{"expirationDateTime": inTime(73 * time.Hour)}, 400, "ErrorInvalidParameter: Subscription expiration can only be 4320"},
			{"CertificateAlone", sealed, certificate, 400, "must contain"},
			{"CertificateOfBasic", basic, certificate.with(object{"expirationDateTime": inTime(time.Hour)}), 400, "without includeResourceData"},
			{"BadCertificate", sealed, object{"expirationDateTime": inTime(time.Hour), "encryptionCertificate": "x", "encryptionCertificateId": "y"}, 400, "Cannot find the requested object"},
			{"Certificate", sealed, certificate.with(object{"expirationDateTime": inTime(time.Hour)}), 200, ""},
			{"Short", basic, object{"expirationDateTime": inTime(time.Minute)}, 200, ""},
			{"NoSuch", tenantID, object{"expirationDateTime": inTime(time.Minute)}, 404, "ResourceNotFound"},
			{"NoGUID", "x%2F..", object{"expirationDateTime": inTime(time.Minute)}, 404, "ResourceNotFound"},
		} {
			status, answer := c.call(http.MethodPatch, "/v1.0/subscriptions/"+test.id, test.body)
			if status != test.status || !strings.Contains(problem(answer), test.want) {
				t.Errorf("%s: %d %s", test.name, status, problem(answer))
			}
		}
		subs := s.Subscriptions()
		if left := time.Until(subs[0].Expires); left != 45*time.Minute {
			t.Errorf("a minute became %s", left)
		}
		if subs[1].CertificateID != "next" {
			t.Errorf("certificate is %q", subs[1].CertificateID)
		}
		other := newCaller(t, s)
		other.signIn(otherAppID, tenantID, graphsim.DefaultSecret)
		if status, _ := other.call(http.MethodGet, "/v1.0/subscriptions/"+basic, nil); status != http.StatusNotFound {
			t.Errorf("another app's subscription: %d", status)
		}
	})
}
