package graphsim_test

import (
	"context"
	"encoding/base64"
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

// fed are the topics that Graph feeds (DESIGN §5).
func fed() []string {
	return []string{
		"meeting-call-events", "call-recordings", "call-transcripts", "chat-messages", "chats", "channels", "teams",
		"conversation-members", "app-installations", "webinars", "webinar-sessions", "webinar-registrations",
		"webinar-attendance-reports", "lifecycle", "other",
	}
}

// Within the first forty items every topic that Graph feeds has got one,
// whatever the seed and the size of the world.
func TestEveryTopicIsFedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(3) {
			for _, change := range []func(*graphsim.Config){
				func(*graphsim.Config) {},
				func(c *graphsim.Config) { c.Basic = true },
				func(c *graphsim.Config) { c.Tenants, c.MeetingsPerTenant, c.WebinarsPerTenant = 1, 1, 1 },
			} {
				cfg := config(&receiver{})
				cfg.Seed = seed
				change(&cfg)
				s := play(t, cfg, graphsim.Limit{Items: 40})
				for _, topic := range fed() {
					if s.Summary().ByTopic[topic].Acked == 0 {
						t.Errorf("seed %d: %s got nothing", seed, topic)
					}
				}
			}
		}
	})
}

// One seed and configuration give one history, to the byte and to the tenth of
// a microsecond, whatever the endpoint does, with forgeries or without.
func TestDeterminism(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Date(2026, 3, 1, 9, 0, 0, 123456700, time.UTC)
		history := func(change func(*graphsim.Config)) []string {
			cfg := config(&receiver{})
			cfg.Epoch = epoch
			change(&cfg)
			s := play(t, cfg, graphsim.Limit{Items: 800})
			var out []string
			for _, e := range s.Ledger() {
				if e.Genuine {
					out = append(out, fmt.Sprint(e.Topic, e.TenantID, e.SubscriptionID, e.ChangeType, e.Resource, e.ODataID, e.ODataType, e.ResourceID, e.NotificationID, e.MeetingOrEventKey, hexOf(e.PayloadSHA256)))
				}
			}
			return out
		}
		want := history(func(*graphsim.Config) {})
		if len(want) != 800 {
			t.Fatalf("%d genuine items", len(want))
		}
		flaky := func(n int, _ *http.Request) response {
			return response{status: []int{202, 503, 500}[n%3], after: time.Duration(n%5) * time.Second}
		}
		for name, change := range map[string]func(*graphsim.Config){
			"again":          func(*graphsim.Config) {},
			"slow endpoint":  func(c *graphsim.Config) { c.Client = (&receiver{answer: flaky}).client(); c.Drain = time.Hour },
			"with forgeries": func(c *graphsim.Config) { c.Faults = c.AllForgeries(30) },
		} {
			if got := history(change); !slices.Equal(got, want) {
				t.Errorf("%s: another history", name)
			}
		}
		if slices.Equal(history(func(c *graphsim.Config) { c.Seed++ }), want) {
			t.Error("another seed gave the same history")
		}
	})
}

// No two genuine items have the same identity by the rules of DESIGN §5, so
// that a bridge which recognises redeliveries loses nothing.
func TestNothingIsToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, basic := range []bool{false, true} {
			cfg := config(&receiver{})
			cfg.Basic = basic
			s := play(t, cfg, graphsim.Limit{Items: 5000})
			seen := map[string]int{}
			for _, e := range s.Ledger() {
				discriminator := "id" + e.NotificationID
				switch {
				case e.Fresh:
					continue
				case e.LifecycleEvent != "":
					continue // its identity is its expiry; see TestLifecycle
				case e.NotificationID == "" && e.Payload != nil:
					discriminator = "hash" + hexOf(e.PayloadSHA256)
				case e.NotificationID == "":
					discriminator = "resource" + e.ResourceID
				}
				id := strings.Join([]string{e.TenantID, e.SubscriptionID, strings.ToLower(e.ChangeType), e.Resource, discriminator}, "\n")
				if seen[id] != 0 {
					t.Fatalf("basic %v: entries %d and %d are one: %s", basic, seen[id], e.Seq, id)
				}
				seen[id] = e.Seq
			}
		}
	})
}

// The keys of the ledger follow from what is sent: the meeting's thread stands
// in the join URL of its call events, in the online meeting id of its
// recordings, in the paths of its chat.
func TestMeetingKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&receiver{})
		cfg.MeetingsPerTenant, cfg.Basic = 8, true
		s := play(t, cfg, graphsim.Limit{Items: 4000})
		topics := map[string]map[string]bool{} // key → topics
		shapes := map[string]int{}
		for _, e := range s.Ledger() {
			var key string
			switch e.Topic {
			case "meeting-call-events":
				key = keyOfCallEvent(t, e.Resource)
				shapes[strings.SplitN(strings.TrimPrefix(key, "19:"), "_", 2)[0]]++
			case "call-recordings", "call-transcripts":
				key = keyOfArtifact(t, e.Resource)
			default:
				continue
			}
			if key != e.MeetingOrEventKey {
				t.Fatalf("entry %d: resource %s says key %s, ledger %s", e.Seq, e.Resource, key, e.MeetingOrEventKey)
			}
		}
		for _, e := range s.Ledger() {
			if topics[e.MeetingOrEventKey] == nil {
				topics[e.MeetingOrEventKey] = map[string]bool{}
			}
			topics[e.MeetingOrEventKey][e.Topic] = true
		}
		joined := 0
		for key, set := range topics {
			if strings.HasPrefix(key, "19:meeting_") && set["meeting-call-events"] && set["call-recordings"] && set["call-transcripts"] && set["chat-messages"] && set["conversation-members"] {
				joined++
			}
		}
		if joined == 0 || shapes["meeting"] == 0 {
			t.Errorf("no meeting shares its key over all its topics: %v", shapes)
		}
		for _, prefix := range []string{"meet:", "19:meeting_"} {
			if !slices.ContainsFunc(s.Ledger(), func(e graphsim.Entry) bool {
				return e.Topic == "meeting-call-events" && strings.HasPrefix(e.MeetingOrEventKey, prefix)
			}) {
				t.Errorf("no call event with a key like %s", prefix)
			}
		}
		if !slices.ContainsFunc(s.Ledger(), func(e graphsim.Entry) bool {
			return e.Topic == "meeting-call-events" && strings.Contains(e.MeetingOrEventKey, "@thread.tacv2/1")
		}) {
			t.Error("no call event of a channel meeting")
		}
		if !slices.ContainsFunc(s.Ledger(), func(e graphsim.Entry) bool { return strings.Contains(e.Resource, "$filter=joinWebUrl+eq+'") }) {
			t.Error("no call event in the shape of 2022")
		}
	})
}

// keyOfCallEvent computes the meeting key of DESIGN §5 from a call events path.
func keyOfCallEvent(t *testing.T, resource string) string {
	t.Helper()
	_, rest, _ := strings.Cut(resource, "'")
	argument, _, _ := strings.Cut(rest, "'")
	joinURL, err := url.QueryUnescape(argument)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(joinURL)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if parts[0] == "meet" {
		return "meet:" + parts[1]
	}
	thread, err := url.PathUnescape(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if parts[3] != "0" {
		return thread + "/" + parts[3]
	}
	return thread
}

// keyOfArtifact computes the key of a recording or transcript from its path.
func keyOfArtifact(t *testing.T, resource string) string {
	t.Helper()
	if _, rest, ok := strings.Cut(resource, "/onlineMeetings('"); ok {
		id, _, _ := strings.Cut(rest, "'")
		text, err := base64.StdEncoding.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		_, thread, ok := strings.Cut(string(text), "*0**")
		if !ok || !strings.HasPrefix(string(text), "1*") {
			t.Fatalf("online meeting id %s", text)
		}
		return thread
	}
	_, rest, _ := strings.Cut(resource, "('MyMj") // the thread stands in the artifact's own id
	id, _, _ := strings.Cut(rest, "'")
	text, err := base64.StdEncoding.DecodeString("MyMj" + id)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "##")[1]
}

// A lifecycle notice never repeats subscription, event and expiry.
func TestLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := config(r)
		cfg.LifecycleURL, cfg.Basic = "https://bridge.example/graph/lifecycle", true
		cfg.Faults.Every = map[graphsim.Fault]int{graphsim.DuplicateItem: -1}
		s := play(t, cfg, graphsim.Limit{Items: 4000})
		seen := map[string]bool{}
		kinds := map[string]int{}
		for _, d := range r.acknowledged() {
			for _, n := range items(t, []delivery{d}) {
				if (n.LifecycleEvent != "") != (d.url == cfg.LifecycleURL) {
					t.Fatalf("%q was sent to %s", n.LifecycleEvent, d.url)
				}
				if n.LifecycleEvent == "" {
					continue
				}
				if n.ChangeType != "" || n.Resource != "" || n.ClientState == "" || n.TenantID == "" {
					t.Errorf("notice %+v", n)
				}
				kinds[n.LifecycleEvent]++
				id := n.SubscriptionID + n.LifecycleEvent + n.SubscriptionExpirationDateTime
				if seen[id] {
					t.Errorf("told twice: %s", id)
				}
				seen[id] = true
			}
		}
		if len(seen) != s.Summary().ByTopic["lifecycle"].Items || kinds["reauthorizationRequired"] < 10 || kinds["subscriptionRemoved"] == 0 {
			t.Errorf("notices %v, summary %+v", kinds, s.Summary().ByTopic["lifecycle"])
		}
	})
}

// The marker stands in what is sealed and nowhere outside.
func TestMarker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := config(r)
		cfg.Marker = "PLAINTEXT-MARKER"
		s := play(t, cfg, graphsim.Limit{Items: 300})
		marked := 0
		for _, e := range s.Ledger() {
			if strings.Contains(string(e.Payload), cfg.Marker) {
				marked++
			}
		}
		for _, d := range r.received() {
			if strings.Contains(string(d.body), cfg.Marker) {
				t.Fatal("the marker was sent in clear")
			}
		}
		if marked < 100 {
			t.Errorf("%d of 300 payloads marked", marked)
		}
	})
}

// A world with nothing in it but what the opening needs still lives.
func TestSmallestWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := graphsim.Config{NotificationURL: notificationURL, Client: (&receiver{}).client(), Tenants: 1, MeetingsPerTenant: 1, WebinarsPerTenant: 1}
		s := start(t, cfg)
		if err := s.Run(context.Background(), graphsim.Limit{Items: 2000}); err != nil {
			t.Error(err)
		}
		stop(t, s)
	})
}
