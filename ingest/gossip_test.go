//go:build synctests

package ingest_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// admin returns a client of the rig's Kafka.
func (e *edge) admin() *kadm.Client {
	e.t.Helper()
	adm, err := kafka.NewAdmin(e.Config.Kafka, slog.New(slog.DiscardHandler))
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(adm.Close)
	return adm
}

// gauge returns what a series of one label at most says on the admin port.
func (e *edge) gauge(series string) (v float64) {
	e.t.Helper()
	for line := range strings.Lines(e.Admin("/metrics")) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			if _, err := fmt.Sscan(rest, &v); err != nil {
				e.t.Fatal(err)
			}
		}
	}
	return v
}

// restart stops ingest and starts it, and waits until it is ready.
func (e *edge) restart() {
	e.t.Helper()
	e.StopIngest()
	e.StartIngest()
	e.Ready()
}

// events returns how often each event id is stored.
func (e *edge) events() map[string]int {
	e.t.Helper()
	events := map[string]int{}
	for _, s := range e.Records() {
		events[s.Text("event_id")]++
	}
	return events
}

// I1, I8: what a process took is recognised by the next one, as soon as that is
// ready; quarantine included, but for what anybody can provoke.
func TestRestartRecognises(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), basicOnly)
		genuine := post(item("s", 1).String(), item("s", 2).String())
		proven := post(item("s", 3).with(object{"encryptedContent": object{"data": "*"}}).String())
		forged := post(item("s", 4).with(object{"clientState": "guess"}).String())
		for range 3 {
			for _, body := range []string{genuine, proven, forged} {
				if got := e.post(body); got.code != 202 {
					t.Fatalf("answered %d", got.code)
				}
			}
			e.restart()
		}
		counts := map[string]int{}
		for _, s := range e.Records() {
			counts[s.Topic+" "+s.Text("reason")]++
		}
		if want := map[string]int{"chat-messages ": 2, "quarantine token_missing": 1, "quarantine client_state_mismatch": 3}; fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("in Kafka: %v, want %v", counts, want)
		}
	})
}

// I1, I5: without the topic of announcements everything else works as ever, and a
// process is ready at once; once it is there it is used.
func TestGossipWithoutTopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), basicOnly)
		adm := e.admin()
		if _, err := adm.DeleteTopics(t.Context(), "teams.recent-ids"); err != nil {
			t.Fatal(err)
		}
		e.StopIngest()
		e.Config.CreateTopics = false
		e.StartIngest()
		started := time.Now()
		e.Ready()
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("ready after %s", took)
		}
		for n := range 100 {
			if got := e.post(post(item("s", n).String())); got.code != 202 || got.took > 100*time.Millisecond {
				t.Errorf("answered %d after %s", got.code, got.took)
			}
			time.Sleep(time.Second)
		}
		if e.gauge("meetbridge_ingest_recent_ids_hearing") != 0 || e.gauge("meetbridge_ingest_recent_ids_announced_total") != 0 {
			t.Error("announcements are said to work without their topic")
		}
		if _, err := kafka.ApplyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("teams.", 6, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if e.gauge("meetbridge_ingest_recent_ids_hearing") != 1 || e.gauge("meetbridge_ingest_recent_ids_announced_total") != 100 || e.gauge("meetbridge_ingest_recent_ids_unannounced_total") != 0 {
			t.Error("announcements do not work once their topic is there")
		}
		e.restart()
		for n := range 100 {
			if got := e.post(post(item("s", n).String())); got.code != 202 {
				t.Errorf("answered %d", got.code)
			}
		}
		if events := e.events(); len(events) != 100 {
			t.Errorf("%d items are stored", len(events))
		} else {
			for id, n := range events {
				if n != 1 {
					t.Errorf("%s is stored %d times", id, n)
				}
			}
		}
	})
}

// I2, I11: what another version or a stranger writes to the topic of announcements
// is passed over, as a whole; what can be read is believed.
func TestGossipOfStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), basicOnly)
		if got := e.post(post(item("s", 1).String())); got.code != 202 {
			t.Fatalf("answered %d", got.code)
		}
		time.Sleep(time.Second)
		client, err := kgo.NewClient(kgo.SeedBrokers(e.Kafka.KafkaAddrs()...), kgo.Dialer(e.Net.Dial), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		var known [16]byte // which is no news
		for event := range e.events() {
			known = uuid.MustParse(event)
		}
		whole := bridge.AppendRecentIDs(nil, [][16]byte{known, {1}, {2}})
		for _, value := range [][]byte{nil, {}, whole[:20], append([]byte{9}, whole[1:]...), []byte(strings.Repeat("x", 900_000))} {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "teams.recent-ids", Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		heard := e.gauge("meetbridge_ingest_recent_ids_heard_total")
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "teams.recent-ids", Value: whole}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := e.gauge("meetbridge_ingest_recent_ids_unread_total"); got != 5 {
			t.Errorf("%v announcements were passed over, want 5", got)
		}
		if got := e.gauge("meetbridge_ingest_recent_ids_heard_total") - heard; got != 2 {
			t.Errorf("%v ids were learned, want 2", got)
		}
		for n := range 50 {
			if got := e.post(post(item("s", n).String())); got.code != 202 {
				t.Errorf("answered %d", got.code)
			}
		}
		if events := e.events(); len(events) != 50 {
			t.Errorf("%d of 50 items are stored", len(events))
		}
	})
}
