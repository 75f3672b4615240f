package graphsim_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// everything returns one subscription for each kind of thing that happens in a
// tenant, as resource and change types, by the topic that it feeds.
func everything(tenant graphsim.Tenant) map[string][2]string {
	out := map[string][2]string{
		"chat-messages": {"/chats/getAllMessages?model=B", "created,updated,deleted"}, "channel messages": {"/teams/getAllMessages", "created,updated,deleted"},
		"call-recordings": {"communications/onlineMeetings/getAllRecordings", "created"}, "call-transcripts": {"communications/onlineMeetings/getAllTranscripts", "created"},
		"adhoc": {"communications/adhocCalls/getAllRecordings", "created"}, "adhoc transcripts": {"communications/adhocCalls/getAllTranscripts", "created"},
		"chats": {"/chats", "created,updated"}, "channels": {"/teams/getAllChannels", "created,updated,deleted"}, "teams": {"/teams", "created,updated,deleted"},
		"conversation-members": {"/chats/getAllMembers", "created,deleted"}, "team members": {"/teams/getAllMembers", "created,updated,deleted"},
		"channel members":   {"teams/getAllChannels/getAllMembers", "created,updated,deleted"},
		"app-installations": {"/appCatalogs/teamsApps/" + tenant.CatalogApp + "/installations", "created,updated,deleted"},
		"webinars":          {"solutions/virtualEvents/events", "created"},
	}
	for i, u := range tenant.JoinURLs {
		out[fmt.Sprint("meeting-call-events ", i)] = [2]string{"communications/onlineMeetings(joinWebUrl='" + url.QueryEscape(u) + "')/meetingCallEvents", "updated"}
	}
	for i, id := range tenant.Webinars {
		at := "solutions/virtualEvents/webinars/" + id
		out[fmt.Sprint("webinar-registrations ", i)] = [2]string{at + "/registrations", "created,updated"}
		out[fmt.Sprint("webinar-sessions ", i)] = [2]string{at + "/sessions", "created,updated"}
		out[fmt.Sprint("webinar-attendance-reports ", i)] = [2]string{at + "/getAttendanceReports", "created"}
	}
	return out
}

// With the API the world tells exactly those who subscribe: each event goes to
// every living subscription that covers it, sealed for that, and to no other.
func TestAPIWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		cfg.Rate = 20
		cfg.API.Vouched = -1
		s := start(t, cfg)
		defer stop(t, s)
		if err := s.Run(context.Background(), graphsim.Limit{Items: 100}); err != nil {
			t.Fatal(err)
		}
		sum := s.Summary()
		if sum.Items != 0 || sum.API.Unheard < 50 || sum.API.Unheard != sum.API.Events || len(r.received()) != 0 {
			t.Errorf("without subscriptions: %+v", sum.API)
		}
		c := newCaller(t, s)
		for _, w := range everything(s.Tenants()[0]) {
			body := wanted(w[0], w[1])
			if !strings.HasPrefix(w[0], "solutions") {
				body = body.with(rich())
			}
			c.create(body)
		}
		subs := s.Subscriptions()
		if err := s.Run(context.Background(), graphsim.Limit{Items: 800}); err != nil {
			t.Fatal(err)
		}
		topics := map[string]int{}
		for i, e := range s.Events() {
			if e.Seq != i+1 {
				t.Fatalf("event %d has number %d", i, e.Seq)
			}
			if e.TenantID != tenantID && len(e.Told) > 0 {
				t.Errorf("told across tenants: %+v", e)
			}
			if i < sum.API.Events {
				continue
			}
			var want []string
			for _, sub := range subs {
				key, err := graphsim.ResourceKey(sub.Resource)
				if err != nil {
					t.Fatal(err)
				}
				if sub.TenantID == e.TenantID && slices.Contains(e.Covers, key) && strings.Contains(sub.ChangeType, e.ChangeType) {
					want = append(want, sub.ID)
				}
			}
			if !slices.Equal(want, e.Told) {
				t.Errorf("event %+v was to be told to %v", e, want)
			}
			topics[e.Topic] += len(e.Told)
		}
		for name := range everything(s.Tenants()[0]) {
			if topic, _, _ := strings.Cut(name, " "); strings.Contains(topic, "-") && topics[topic] == 0 {
				t.Errorf("nothing told of %s: %v", topic, topics)
			}
		}
		for _, e := range s.Ledger() {
			if e.Event == 0 || !e.Acked {
				t.Errorf("entry %+v", e)
			}
		}
		k := &checker{key: newKey(), apps: cfg.AppIDs, authority: s.AuthorityURL(), sts: s.STSURL(), clientStates: func(string) string { return "state-1" }}
		opened := 0
		for _, n := range items(t, r.acknowledged()) {
			if n.EncryptedContent != nil && opened < 50 {
				if reason, payload := k.open(*n.EncryptedContent); reason != "" || payload == nil {
					t.Errorf("item of %s: %s", n.Resource, reason)
				}
				opened++
			}
		}
		if opened < 50 {
			t.Errorf("%d sealed items, too few to prove anything", opened)
		}
	})
}

// Items carry the certificate and the clientState that their subscription had
// at that moment, and go where it then pointed.
func TestAPICertificateRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		cfg.Rate = 20
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		id := c.create(wanted("/chats/getAllMessages", "created,updated,deleted").with(rich()))
		run := func() (ids []string, urls []string) {
			t.Helper()
			before := len(r.acknowledged())
			if err := s.Run(context.Background(), graphsim.Limit{Items: 200}); err != nil {
				t.Fatal(err)
			}
			for _, d := range r.acknowledged()[before:] {
				urls = append(urls, d.url)
				for _, n := range items(t, []delivery{d}) {
					ids = append(ids, n.EncryptedContent.EncryptionCertificateID)
				}
			}
			slices.Sort(ids)
			slices.Sort(urls)
			return slices.Compact(ids), slices.Compact(urls)
		}
		if ids, urls := run(); !slices.Equal(ids, []string{newKey().id}) || !slices.Equal(urls, []string{notificationURL}) {
			t.Errorf("before: %v to %v", ids, urls)
		}
		c.call(http.MethodPatch, "/v1.0/subscriptions/"+id, rich().with(object{
			"includeResourceData": nil, "encryptionCertificateId": "second", "expirationDateTime": inTime(time.Hour), "notificationUrl": notificationURL + "?v=2",
		}))
		if ids, urls := run(); !slices.Equal(ids, []string{"second"}) || !slices.Equal(urls, []string{notificationURL + "?v=2"}) {
			t.Errorf("after: %v to %v", ids, urls)
		}
	})
}

// What a paused subscription is told is held, and delivered when somebody
// vouches for it again; what waited for more than four hours is lost.
func TestAPIHeldItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := apiConfig(r)
		cfg.Rate = 0.05
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		id := c.create(wanted("/chats/getAllMessages", "created,updated,deleted").with(object{"expirationDateTime": inTime(30 * time.Hour), "lifecycleNotificationUrl": lifecycleURL}))
		done := make(chan error)
		go func() { done <- s.Run(context.Background(), graphsim.Limit{For: 10 * time.Hour}) }()
		time.Sleep(9 * time.Hour)
		held := s.Subscriptions()[0].Held
		messages := func() (n int) {
			for _, it := range items(t, r.acknowledged()) {
				n += map[bool]int{true: 1}[it.LifecycleEvent == ""]
			}
			return n
		}
		before := messages()
		c.signIn(appID, tenantID, graphsim.DefaultSecret)
		c.call(http.MethodPost, "/v1.0/subscriptions/"+id+"/reauthorize", nil)
		time.Sleep(time.Second)
		sum := s.Summary().API
		if came := messages() - before; held < 20 || sum.HeldTooLong < 10 || sum.HeldTooLong > held*6/10 || came != held-sum.HeldTooLong {
			t.Errorf("held %d, came %d, lost %d", held, came, sum.HeldTooLong)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, e := range s.Events() {
			pause := e.At.Sub(s.Lives()[0].Alive().From)
			if held := len(e.Held) > 0; len(e.Told) > 0 && held != (pause >= time.Hour && pause < 9*time.Hour) {
				t.Errorf("event after %s: %+v", pause, e)
			}
		}
	})
}

// The ledger tells a test where the gaps were.
func TestAPIGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := apiConfig(&receiver{})
		cfg.API.Vouched = -1
		s := start(t, cfg)
		defer stop(t, s)
		c := newCaller(t, s)
		begin := time.Now()
		first := c.create(wanted("/chats", "created"))
		time.Sleep(30 * time.Minute)
		second := c.create(wanted("chats", "created,updated")) // before the first ends
		time.Sleep(10 * time.Minute)
		s.Kill(first)
		time.Sleep(10 * time.Minute)
		s.Kill(second)
		time.Sleep(20 * time.Minute)
		c.signIn(appID, tenantID, graphsim.DefaultSecret)
		c.create(wanted("/chats", "created"))
		got := graphsim.Covered(s.Lives(), tenantID, "chats", "created")
		if len(got) != 2 || got[0].From.Sub(begin) != 0 || got[0].To.Sub(begin) != 50*time.Minute || got[1].From.Sub(begin) != 70*time.Minute || !got[1].To.IsZero() {
			t.Errorf("covered %v", got)
		}
		if got := graphsim.Covered(s.Lives(), tenantID, "chats", "updated"); len(got) != 1 || got[0].From.Sub(begin) != 30*time.Minute {
			t.Errorf("updated covered %v", got)
		}
	})
}
