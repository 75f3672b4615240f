package graphsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"meetbridge/bridge/graph/graphsim"
)

// A resource has one key however it is spelled (FACTS §5.1).
func TestResourceKey(t *testing.T) {
	t.Parallel()
	for spelling, want := range map[string]string{
		"/teams/getAllMessages?model=B":                        "teams/getallmessages",
		"teams('1')/channels('19:A@thread.tacv2')/messages":    "teams/1/channels/19:a@thread.tacv2/messages",
		"/teams/1/channels/19:a@thread.tacv2/messages/":        "teams/1/channels/19:a@thread.tacv2/messages",
		"users/1/onlineMeetings(MSo1)/transcripts":             "users/1/onlinemeetings/mso1/transcripts",
		"chats('it''s')/messages":                              "chats/it's/messages",
		"chats('a/b?c')/messages":                              "chats/a/b?c/messages",
		"solutions/virtualevents/webinars/A@B/":                "solutions/virtualevents/webinars/a@b",
		"communications/presences?$filter=id in ('a','b')":     "communications/presences",
		"x/events/getEventsFromOrganizers(organizerIds=['a'])": "x/events/geteventsfromorganizers",
		"communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_x%2540thread.v2%2F0%3Fcontext%3D%257b%257d')/meetingCallEvents": "communications/onlinemeetings/https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d/meetingcallevents",
	} {
		if got, err := graphsim.ResourceKey(spelling); err != nil || got != want {
			t.Errorf("%s: %q %v", spelling, got, err)
		}
	}
	for _, bad := range []string{"", "/", "a//b", "chats('x", "chats()", "x(joinWebUrl='%zz')/y", strings.Repeat("a/", 20)} {
		if got, err := graphsim.ResourceKey(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

// No request makes the API panic, or answer 5xx or other than JSON.
func FuzzAPIRequest(f *testing.F) {
	cfg := apiConfig(&receiver{})
	cfg.API.Unthrottled = true
	s := start(f, cfg)
	f.Cleanup(func() { stop(f, s) })
	c := newCaller(f, s)
	handler := s.APIHandler()
	for _, seed := range []struct{ method, target, body string }{
		{"POST", "/v1.0/subscriptions", `{"resource":"/chats","changeType":"created","notificationUrl":"https://b.example/","expirationDateTime":"2999-01-01T00:00:00Z"}`},
		{"POST", "/beta/subscriptions", `{"resource":"communications/presences?$filter=id in ('a','b')","changeType":"updated","notificationUrl":"https://b.example/","expirationDateTime":"2026-01-01T00:00:00Z"}`},
		{"POST", "/beta/subscriptions", `{"resource":"a(((b')'","changeType":"created,,","notificationUrl":"x","expirationDateTime":"x"}`},
		{"POST", "/v1.0/subscriptions", `{"resource":"/chats","resource":"/chats"}`},
		{"POST", "/v1.0/subscriptions", `[1`},
		{"PATCH", "/v1.0/subscriptions/5a5a5a5a-0000-4000-8000-000000000001", `{"expirationDateTime":"2026-01-01T00:00:00+99:00"}`},
		{"PATCH", "/v1.0/subscriptions/%2e%2e%2f", `{"encryptionCertificate":"MIIB"}`},
		{"GET", "/v1.0/subscriptions?$skiptoken=zzzzzzzzzzz", ""},
		{"GET", "/v1.0/subscriptions?%zz=%zz", ""},
		{"POST", "/v1.0/subscriptions/x/reauthorize", "x"},
		{"POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/subscriptions","dependsOn":["1"]}]}`},
		{"POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"patch","url":"subscriptions('x')","body":{"a":1}},{"id":"2","method":"","url":"","dependsOn":["1"]}]}`},
		{"DELETE", "/v1.0/subscriptions('", ""},
		{"POST", "/common/oauth2/v2.0/token", "grant_type=client_credentials&client_assertion=a.b.c"},
	} {
		f.Add(seed.method, seed.target, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		req, err := http.NewRequest(method, "https://graph.example/", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		path, query, _ := strings.Cut(target, "?")
		if _, err := url.ParseRequestURI("/?" + query); err != nil {
			t.Skip() // no server takes it
		}
		if req.URL, err = req.URL.Parse("/"); err != nil {
			t.Fatal(err)
		}
		req.URL.Path, req.URL.RawQuery = path, query
		req.Header.Set("Authorization", "Bearer "+c.token)
		if strings.HasSuffix(path, "token") {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		a, err := (&caller{client: &http.Client{Transport: handlerTransport{handler}}}).do(req)
		if err != nil {
			t.Fatal(err)
		}
		if a.status >= 500 {
			t.Errorf("%s %q: %d", method, target, a.status)
		}
		if strings.HasPrefix(path, "/v1.0/") {
			a.json(t)
		}
	})
}

// No assertion makes the token endpoint panic, and none gets a token.
func FuzzAssertion(f *testing.F) {
	s := start(f, apiConfig(&receiver{}))
	f.Cleanup(func() { stop(f, s) })
	c := &caller{tb: f, base: s.APIURL(), client: &http.Client{Transport: handlerTransport{s.APIHandler()}}}
	for _, seed := range []string{"", "a.b.c", "e30.e30.e30", "eyJhbGciOiJub25lIn0.eyJhdWQiOlsxXX0.", "eyJ4NXQiOiIifQ.eyJleHAiOjFlOTl9.AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, assertion string) {
		c := &caller{tb: t, base: c.base, client: c.client}
		status, answer := c.form("/"+tenantID+"/oauth2/v2.0/token", map[string][]string{
			"grant_type": {"client_credentials"}, "client_id": {appID}, "scope": {c.base + "/.default"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		})
		if status < 400 || status >= 500 || answer["error"] == nil {
			t.Errorf("%q: %d %v", assertion, status, answer)
		}
	})
}
