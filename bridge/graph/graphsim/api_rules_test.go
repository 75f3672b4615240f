package graphsim_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// A subscription is made, read, renewed, vouched for and deleted as FACTS §4.2
// says.
func TestAPILife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		status, made := c.call(http.MethodPost, "/v1.0/subscriptions", wanted("/teams/getAllMessages", "Created,updated").with(rich()).with(object{
			"lifecycleNotificationUrl": lifecycleURL, "expirationDateTime": inTime(72 * time.Hour),
		}))
		if status != http.StatusCreated || made["clientState"] != "state-1" || made["encryptionCertificate"] != nil || made["changeType"] != "created,updated" ||
			made["encryptionCertificateId"] != newKey().id || made["applicationId"] != appID || made["lifecycleNotificationUrl"] != lifecycleURL {
			t.Fatalf("create: %d %v", status, made)
		}
		id := made["id"].(string)
		time.Sleep(30 * time.Minute)
		for _, step := range []struct {
			method, path string
			body         object
			status       int
		}{
			{http.MethodGet, "/v1.0/subscriptions/" + id, nil, 200},
			{http.MethodGet, "/beta/subscriptions('" + id + "')", nil, 200},
			{http.MethodPatch, "/v1.0/subscriptions/" + id, object{"expirationDateTime": inTime(72 * time.Hour)}, 200},
			{http.MethodPost, "/v1.0/subscriptions/" + id + "/reauthorize", nil, 204},
			{http.MethodPost, "/v1.0/subscriptions", wanted("teams/getAllMessages?model=B", "updated,created"), 409},
			{http.MethodDelete, "/v1.0/subscriptions/" + id, nil, 204},
			{http.MethodGet, "/v1.0/subscriptions/" + id, nil, 404},
			{http.MethodPatch, "/v1.0/subscriptions/" + id, object{"expirationDateTime": inTime(time.Hour)}, 404},
			{http.MethodPost, "/v1.0/subscriptions/" + id + "/reauthorize", nil, 404},
			{http.MethodDelete, "/v1.0/subscriptions/" + id, nil, 404},
		} {
			status, answer := c.call(step.method, step.path, step.body)
			if status != step.status {
				t.Fatalf("%s %s: %d %v", step.method, step.path, status, answer)
			}
			switch {
			case status == 409 && problem(answer) != "Conflict: Subscription Id "+id+" already exists for the requested combination":
				t.Errorf("conflict: %v", answer)
			case status == 200 && step.method == http.MethodPatch:
				if left := time.Until(instant(t, answer["expirationDateTime"])); left < 72*time.Hour-time.Second || left > 72*time.Hour {
					t.Errorf("renewed for %s", left)
				}
			}
		}
		lives := s.Lives()
		var kinds []string
		for _, e := range lives[0].Events {
			kinds = append(kinds, string(e.Kind))
		}
		if got := strings.Join(kinds, " "); len(lives) != 1 || got != "created renewed reauthorized deleted" {
			t.Errorf("lives %+v", lives)
		}
		sum := s.Summary().API
		if sum.Handshakes["ok"] != 6 || sum.Calls["create 409"] != 1 || sum.Living != 0 || sum.TooSoonTwice != 1 {
			t.Errorf("summary %+v", sum)
		}
	})
}

// Each rule that a creation breaks has its own words.
func TestAPICreateRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		days := object{"expirationDateTime": inTime(70 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}
		for _, test := range []struct {
			name, resource, changes string
			with                    object
			status                  int
			want                    string
		}{
			{"NoResource", "", "created", nil, 400, "'resource' is a required property"},
			{"UnknownResource", "/users/1/messages", "created", nil, 400, "not supported"},
			{"BaseURL", "https://graph.microsoft.com/v1.0/chats", "created", nil, 400, "not supported"},
			{"Select", "/chats/getAllMessages?$select=id", "created", nil, 400, "its query is not"},
			{"ChangeType", "/chats", "created,deleted", nil, 400, "this resource supports 'created,updated'"},
			{"ForeignChangeType", "/chats", "moved", nil, 400, "Invalid changeType"},
			{"BetaOnly", "communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fx')/meetingCallEvents", "updated", nil, 400, "beta version only"},
			{"ClientState", "/chats", "created", object{"clientState": strings.Repeat("x", 129)}, 400, "128"},
			{"HTTP", "/chats", "created", object{"notificationUrl": "http://bridge.example/"}, 400, "https"},
			{"NoURL", "/chats", "created", object{"notificationUrl": "/graph"}, 400, "not a valid absolute URL"},
			{"Past", "/chats", "created", object{"expirationDateTime": inTime(-time.Minute)}, 400, "in the future"},
			{"NoZone", "/chats", "created", object{"expirationDateTime": "2000-01-02T00:00:00"}, 400, "expirationDateTime is not a valid"},
			{"TooLong", "/chats", "created", days.with(object{"expirationDateTime": inTime(73 * time.Hour)}), 400, "Subscription expiration can only be 4320 minutes in the future."},
			{"EventsTooLong", "solutions/virtualEvents/events", "created", days, 400, "can only be 1440 minutes"},
			{"NoLifecycleURL", "/chats", "created", days.with(object{"lifecycleNotificationUrl": nil}), 400, "lifecycleNotificationUrl is a required property for subscription creation on this resource when the expirationDateTime value is set to greater than 1 hour"},
			{"RichEvents", "solutions/virtualEvents/events", "created", rich(), 400, "workload is not enabled for rich notifications"},
			{"NoCertificate", "/chats", "created", rich().with(object{"encryptionCertificate": ""}), 400, "encryptionCertificate is a required"},
			{"NoCertificateID", "/chats", "created", rich().with(object{"encryptionCertificateId": nil}), 400, "encryptionCertificateId is required"},
			{"BadCertificate", "/chats", "created", rich().with(object{"encryptionCertificate": "MIIB"}), 400, "Certificate validation error: Cannot find the requested object."},
			{"UnknownMember", "/chats", "created", object{"sauce": "x"}, 400, "Unable to read JSON"},
			{"Permission", "/chats", "created", nil, 403, "Missing role permissions on the request. API requires one of 'Chat.ReadBasic.All"},
		} {
			if test.status == 403 {
				s.SetRoles(appID, "TeamMember.Read.All")
				c.signIn(appID, tenantID, graphsim.DefaultSecret)
			}
			status, answer := c.call(http.MethodPost, "/v1.0/subscriptions", wanted(test.resource, test.changes).with(test.with))
			if status != test.status || !strings.Contains(problem(answer), test.want) {
				t.Errorf("%s: %d %s", test.name, status, problem(answer))
			}
		}
		if n := len(s.Subscriptions()); n != 0 {
			t.Errorf("%d subscriptions were made", n)
		}
	})
}
