//go:build synctests

package renewer_test

import (
	"net/http"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// Ensure that a tenant whose calls hang holds no other back.
func TestSickTenant(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		w.graph.hang = func(tenant string) bool { return tenant == tenantOne && time.Now().Minute() < 5 }
		keys := w.desire(50, tenantOne, tenantTwo)
		p := w.start()
		within(t, 30*time.Second, "the other tenant's are made", func() bool { return w.graph.ofTenant(tenantTwo) == 50 })
		for range 24 {
			time.Sleep(10 * time.Second)
			if n := w.graph.ofTenant(tenantTwo); n != 50 {
				t.Fatalf("%d of the other tenant are alive", n)
			}
		}
		within(t, 5*time.Minute, "all are alive once it is well", func() bool { return w.allAlive(keys) })
		time.Sleep(5 * time.Second) // for the last answer to be on record
		p.stop()
		w.checkGaps(t)
	})
}

// Ensure that a throttled tenant is left alone for as long as Graph
// says, and that nothing is lost by it.
func TestRetryAfter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		w.rules, w.lifetime = slowRules(), "60h"
		w.graph.fail = func(method, tenant string) int {
			if tenant == tenantOne && method == http.MethodPost {
				return http.StatusTooManyRequests
			}
			return 0
		}
		keys := w.desire(40, tenantOne)
		p := w.start()
		time.Sleep(2 * time.Minute)
		// Those that left before the first answer, and then a trickle: 17 s is what
		// the fake asks for.
		if n := w.graph.count(http.MethodPost); n > 32+8*32 {
			t.Errorf("%d creations tried in 2 min", n)
		}
		if p.value("paused_total") == 0 {
			t.Error("no pause was counted")
		}
		w.graph.mu.Lock()
		w.graph.fail = nil
		w.graph.mu.Unlock()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
	})
}

// Ensure that a living subscription gets another certificate only once every
// ingest process has announced its key (FACTS §2.4).
func TestCertificateWaits(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		w.certificate("spring")
		w.certificate("autumn")
		w.rich = "spring"
		keys := w.desire(3, tenantOne)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		w.rich = "autumn"
		w.desire(3, tenantOne)
		time.Sleep(3 * time.Minute)
		if got := w.graph.certificates(); got["spring"] != 3 {
			t.Fatalf("with no ingest process, certificates in use: %v", got)
		}
		join := func(ids ...string) *kafka.Roster {
			var announced []bridge.DecryptionKey
			for _, id := range ids {
				announced = append(announced, bridge.DecryptionKey{ID: id, Thumbprint: w.thumbprints[id]})
			}
			r, err := kafka.JoinRoster(w.config(), bridge.KeyRoster("teams."), "teams.lifecycle", bridge.AnnounceKeys(announced), discard())
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		one, two := join("spring", "autumn"), join("spring")
		time.Sleep(3 * time.Minute)
		if got := w.graph.certificates(); got["spring"] != 3 {
			t.Fatalf("with one of two ingest processes that has the key, certificates in use: %v", got)
		}
		two.Say(bridge.AnnounceKeys([]bridge.DecryptionKey{{ID: "autumn", Thumbprint: w.thumbprints["autumn"]}, {ID: "spring", Thumbprint: w.thumbprints["spring"]}}))
		within(t, 3*time.Minute, "all have the new certificate", func() bool { return w.graph.certificates()["autumn"] == 3 })
		if !w.allAlive(keys) {
			t.Error("not all alive")
		}
		for _, r := range []*kafka.Roster{one, two} {
			if err := r.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		}
		p.stop()
		w.checkGaps(t)
	})
}
