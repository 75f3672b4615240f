//go:build synctests

package bridgetest_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
)

// storedAs returns how many records and how many different event ids are stored.
func (s *replicas) storedAs() (records, events int) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, rec := range s.Records() {
		records++
		seen[rec.Text("event_id")] = true
	}
	return records, len(seen)
}

// I1, I2: what Kafka did not take from one replica is never taken for known by
// another: an id is announced once Kafka holds the record, not before.
func TestOnlyStoredIsAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, bridgetest.KeyFiles{}, slog.New(slog.DiscardHandler), basicOnly)
		s := newReplicas(t, r, 2)
		d := &driver{replicas: s}
		adm, err := kafka.NewAdmin(r.Config.Kafka, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer adm.Close()
		if !d.post(0, 0) { // announcements work
			t.Fatal("not acknowledged")
		}
		if _, err := adm.DeleteTopics(t.Context(), "teams.chat-messages"); err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			if d.post(1+n, n%2) {
				t.Error("acknowledged without the topic")
			}
		}
		time.Sleep(15 * time.Second) // given up by now
		if got := s.counted("meetbridge_ingest_recent_ids_announced_total"); got != itemsAPost {
			t.Errorf("%v ids were announced, want the %d that were stored", got, itemsAPost)
		}
		if _, err := kafka.ApplyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("teams.", 6, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		for n := range 10 {
			for !d.post(1+n, 1-n%2) {
				time.Sleep(time.Second)
			}
		}
		if records, events := s.storedAs(); records != 10*itemsAPost || events != records {
			t.Errorf("%d records of %d items are stored, %d were acknowledged", records, events, 10*itemsAPost)
		}
	})
}

// I8: replicas go on telling each other when Kafka has been away, and are no worse
// for a topic of announcements that is made anew.
func TestAnnouncementsGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, bridgetest.KeyFiles{}, slog.New(slog.DiscardHandler), basicOnly)
		s := newReplicas(t, r, 2)
		d := &driver{replicas: s}
		next := 0
		twice := func(n int) {
			t.Helper()
			for range n {
				for !d.post(next, next%2) {
					time.Sleep(time.Second)
				}
				next++
			}
			time.Sleep(10 * time.Second)
			for back := range n {
				if !d.post(next-1-back, (next-back)%2) {
					t.Error("a redelivery is not acknowledged")
				}
			}
		}
		twice(10)
		for range 3 {
			for _, addr := range r.Kafka.KafkaAddrs() {
				r.Net.Cut(addr)
			}
			time.Sleep(90 * time.Second)
			for _, addr := range r.Kafka.KafkaAddrs() {
				r.Net.Heal(addr)
			}
			twice(10)
		}
		adm, err := kafka.NewAdmin(r.Config.Kafka, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer adm.Close()
		if _, err := adm.DeleteTopics(t.Context(), "teams.recent-ids"); err != nil {
			t.Fatal(err)
		}
		if _, err := kafka.ApplyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("teams.", 6, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		twice(10)
		time.Sleep(time.Minute)
		twice(10)
		records, events := s.storedAs()
		if events != next*itemsAPost || records != events {
			t.Errorf("%d records of %d items are stored, want %d of each", records, events, next*itemsAPost)
		}
		if r.Net.Refused() == 0 {
			t.Error("nobody noticed that Kafka was away")
		}
	})
}
