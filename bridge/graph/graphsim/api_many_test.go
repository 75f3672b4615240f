package graphsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A list comes in pages, the caller's own alone, without clientState, and takes
// no query.
func TestAPIList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := apiConfig(&receiver{})
		cfg.API.PageSize = 7
		s := start(t, cfg)
		defer stop(t, s)
		c, other := newCaller(t, s), newCaller(t, s)
		other.signIn(otherAppID, tenantID, "graphsim-client-secret")
		want := map[string]bool{}
		for i := range 40 {
			id := c.create(wanted(fmt.Sprintf("/chats/%d", i), "updated"))
			other.create(wanted(fmt.Sprintf("/chats/%d", i), "updated"))
			if i%3 == 0 {
				c.call(http.MethodDelete, "/v1.0/subscriptions/"+id, nil)
			} else {
				want[id] = true
			}
		}
		pages := 0
		for path := "/v1.0/subscriptions"; path != ""; pages++ {
			status, answer := c.call(http.MethodGet, path, nil)
			if status != http.StatusOK {
				t.Fatalf("%s: %d %v", path, status, answer)
			}
			for _, v := range answer["value"].([]any) {
				sub := v.(map[string]any)
				if !want[sub["id"].(string)] || sub["clientState"] != nil || sub["applicationId"] != appID {
					t.Errorf("listed twice or not mine: %v", sub)
				}
				delete(want, sub["id"].(string))
			}
			next, _ := answer["@odata.nextLink"].(string)
			path = strings.TrimPrefix(next, c.base)
		}
		if len(want) != 0 || pages != 4 {
			t.Errorf("%d not listed in %d pages", len(want), pages)
		}
		for _, query := range []string{"?$filter=id eq 1", "?$top=1", "?$skiptoken=%zz", "?$skiptoken=-1"} {
			if status, _ := c.call(http.MethodGet, "/v1.0/subscriptions"+strings.ReplaceAll(query, " ", "%20"), nil); status != http.StatusBadRequest && status != 0 {
				t.Errorf("%s: %d", query, status)
			}
		}
	})
}

// A batch answers each request by itself, in another order; what depends on a
// failure is not tried.
func TestAPIBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		id := c.create(wanted("/chats", "created"))
		later := object{"expirationDateTime": inTime(time.Hour)}
		status, answer := c.call(http.MethodPost, "/v1.0/$batch", object{"requests": []object{
			{"id": "1", "method": "PATCH", "url": "/subscriptions/" + id, "headers": object{"Content-Type": "application/json"}, "body": later},
			{"id": "2", "method": "POST", "url": "/subscriptions", "body": wanted("/teams", "created")},
			{"id": "3", "method": "PATCH", "url": "/subscriptions/" + tenantID, "body": later},
			{"id": "4", "method": "DELETE", "url": "/subscriptions/" + id, "dependsOn": []string{"3"}},
			{"id": "5", "method": "POST", "url": "subscriptions/" + id + "/reauthorize", "dependsOn": []string{"1", "2"}},
			{"id": "6", "method": "POST", "url": "/$batch", "body": object{}},
			{"id": "7", "method": "GET", "url": "/me"},
		}})
		if status != http.StatusOK {
			t.Fatalf("batch: %d %v", status, answer)
		}
		var got []string
		for _, r := range answer["responses"].([]any) {
			resp := r.(map[string]any)
			got = append(got, fmt.Sprint(resp["id"], "=", resp["status"]))
			body, _ := resp["body"].(map[string]any)
			if resp["status"].(float64) >= 400 && problem(body) == "<nil>: <nil>" {
				t.Errorf("no error in %v", resp)
			}
		}
		if want := "7=400 6=400 5=204 4=424 3=404 2=201 1=200"; strings.Join(got, " ") != want {
			t.Errorf("answers %v, want %s", got, want)
		}
		if n := len(s.Subscriptions()); n != 2 {
			t.Errorf("%d subscriptions", n)
		}
		var many []object
		for i := range 21 {
			many = append(many, object{"id": fmt.Sprint(i), "method": "GET", "url": "/subscriptions"})
		}
		for name, requests := range map[string][]object{
			"21":            many,
			"none":          {},
			"same id twice": {many[0], many[0]},
			"no such":       {many[0].with(object{"dependsOn": []string{"x"}})},
		} {
			if status, _ := c.call(http.MethodPost, "/v1.0/$batch", object{"requests": requests}); status != http.StatusBadRequest {
				t.Errorf("batch of %s: %d", name, status)
			}
		}
	})
}

// Bodies are bounded, and so are the different notification URLs.
func TestAPIBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := apiConfig(&receiver{})
		cfg.API.Unthrottled = true
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		if status, _ := c.call(http.MethodPost, "/v1.0/subscriptions", object{"resource": strings.Repeat("x", 5<<20)}); status != http.StatusRequestEntityTooLarge {
			t.Errorf("5 MiB: %d", status)
		}
		last := 0
		for i := range 260 {
			last, _ = c.call(http.MethodPost, "/v1.0/subscriptions", wanted(fmt.Sprintf("/chats/%d", i), "updated").with(object{"notificationUrl": fmt.Sprintf("https://bridge.example/%d", i)}))
		}
		if n := len(s.Subscriptions()); last != http.StatusForbidden || n != 256 {
			t.Errorf("%d different URLs, then %d", n, last)
		}
	})
}
