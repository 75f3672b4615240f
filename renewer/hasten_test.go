//go:build synctests

package renewer_test

import (
	"net/http"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// Ensure that a hastened renewer finds at once what died in silence, and tries
// again what was refused.
func TestHasten(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		w.lifetime = "30m"
		w.graph.fail = func(method, tenant string) int {
			if method == http.MethodPost && tenant == tenantTwo {
				return http.StatusForbidden
			}
			return 0
		}
		keys := w.desire(30, tenantOne, tenantTwo)
		p := w.start()
		within(t, time.Minute, "those are made that can be", func() bool { return w.graph.ofTenant(tenantOne) == 30 })
		time.Sleep(3 * time.Second)
		p.stop()
		for _, key := range keys[:5] {
			w.graph.remove(w.graph.idOf(key))
		}
		w.graph.fail = nil
		w.rules.Hasten, w.rules.ReadBefore = true, time.Now()
		w.start()
		if took := within(t, 20*time.Second, "all are alive", func() bool { return w.allAlive(keys) }); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		before := w.graph.count(http.MethodPost)
		time.Sleep(20 * time.Second)
		if more := w.graph.count(http.MethodPost) - before; more > 5 {
			t.Errorf("%d requests after all was read back", more)
		}
	})
}

// Ensure that a hastened change of the certificate waits for ingest to announce
// its key, without renewing on and on, and is made then.
func TestHastenUnannounced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		w.lifetime, w.rich = "30m", "old"
		w.certificate("old")
		w.certificate("new")
		keys := w.desire(5, tenantOne)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		time.Sleep(time.Second)
		p.stop()
		w.rich = "new"
		w.desire(5, tenantOne)
		w.rules.Hasten = true
		w.start()
		time.Sleep(time.Minute)
		if n := w.graph.count(http.MethodPatch); n != 0 || w.graph.certificates()["old"] != 5 {
			t.Errorf("before the key was announced: %d renewals, certificates %v", n, w.graph.certificates())
		}
		ingest, err := kafka.JoinRoster(w.config(), bridge.KeyRoster("teams."), "teams.lifecycle",
			bridge.AnnounceKeys([]bridge.DecryptionKey{{ID: "new", Thumbprint: w.thumbprints["new"]}}), discard())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := ingest.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		within(t, time.Minute, "all have the new certificate", func() bool { return w.graph.certificates()["new"] == 5 })
		time.Sleep(time.Minute)
		if n := w.graph.count(http.MethodPatch); n != 5 {
			t.Errorf("%d renewals, want 5", n)
		}
	})
}
