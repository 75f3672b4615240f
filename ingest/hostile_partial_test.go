//go:build synctests

package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// A POST of which one topic takes nothing is answered 503 in time; the others'
// items are in Kafka, and repeating the POST when the topic is back adds the
// rest and nothing twice (I1, I8, DESIGN §3).
func TestPartOfAPost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), basicOnly)
		client, err := kgo.NewClient(kgo.SeedBrokers(e.Kafka.KafkaAddrs()...), kgo.Dialer(e.Net.Dial))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		adm := kadm.NewClient(client)
		ctx := context.Background()
		var items []string
		for n := range 10 {
			it := item("s", n)
			if n%2 == 1 {
				path := fmt.Sprintf("chats('19:chat%d@thread.v2')", n)
				it = it.with(object{"resource": path, "resourceData": object{"@odata.type": "#Microsoft.Graph.chat", "@odata.id": path, "id": fmt.Sprint(n)}})
			}
			items = append(items, it.String())
		}
		if _, err := adm.DeleteTopics(ctx, "teams.chats"); err != nil {
			t.Fatal(err)
		}
		count := func() (messages, chats int) {
			for _, s := range e.Records() {
				switch s.Topic {
				case "chat-messages":
					messages++
				case "chats":
					chats++
				default:
					t.Errorf("a record on %s", s.Topic)
				}
			}
			return messages, chats
		}
		for range 3 {
			got := e.post(post(items...))
			if got.code != 503 || got.header.Get("Retry-After") == "" || got.took > 2900*time.Millisecond {
				t.Errorf("without the topic: answered %d after %s", got.code, got.took)
			}
			if got := e.post(post(item("other", 100).String())); got.code != 202 {
				t.Errorf("a POST of another topic meanwhile: %d", got.code)
			}
			time.Sleep(10 * time.Second)
		}
		if _, err := kafka.ApplyTopics(ctx, adm, kafka.Config{}.WantedTopics("teams.", 6, 1)); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		for e.post(post(items...)).code != 202 {
			if time.Since(back) > 10*time.Second {
				t.Fatal("not taken 10 s after the topic's return")
			}
			time.Sleep(500 * time.Millisecond)
		}
		for range 2 {
			if got := e.post(post(items...)); got.code != 202 {
				t.Errorf("repeated: %d", got.code)
			}
		}
		if messages, chats := count(); messages != 6 || chats != 5 {
			t.Errorf("%d messages and %d chats are stored, want 6 and 5, each once", messages, chats)
		}
	})
}

// Clients that come by the hundred while Kafka is away are never held: after
// the first budget each is sent away at once, handshakes are answered, bad
// bodies are refused as ever, and nothing stays in memory when Kafka is back.
func TestHostileFloodWithoutKafka(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), basicOnly)
		for _, addr := range e.Kafka.KafkaAddrs() {
			e.Net.Cut(addr)
		}
		if got := e.post(post(item("s", 0).String())); got.code != 503 || got.took > 2900*time.Millisecond {
			t.Errorf("the first: %d after %s", got.code, got.took)
		}
		for n := range 300 {
			got := e.post(post(item("s", n).with(object{"clientState": strings.Repeat("g", n)}).String()))
			if got.code != 503 || got.took > 50*time.Millisecond {
				t.Errorf("%d: answered %d after %s", n, got.code, got.took)
			}
		}
		if got := e.post("{"); got.code != 503 {
			t.Errorf("a bad body while Kafka is away: %d", got.code)
		}
		if got := send(t, e.Rig, "POST", e.NotificationURL()+"?validationToken=x", "text/plain", ""); got.code != 200 {
			t.Errorf("a handshake while Kafka is away: %d", got.code)
		}
		for _, addr := range e.Kafka.KafkaAddrs() {
			e.Net.Heal(addr)
		}
		time.Sleep(5 * time.Second)
		if got := e.post(post(item("s", 0).String())); got.code != 202 {
			t.Errorf("with Kafka back: %d", got.code)
		}
		time.Sleep(time.Second)
		for _, name := range []string{"in_flight_bytes", "in_flight_requests", "kafka_away"} {
			if v := value(t, e.Metrics, name); v != 0 {
				t.Errorf("%s is %v", name, v)
			}
		}
		if n := len(e.Records()); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}
