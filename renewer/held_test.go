//go:build synctests

package renewer_test

import (
	"io"
	"strings"
	"testing"
	"time"
)

// Ensure that a file which has lost nearly everything ends nothing, whoever leads
// and also when it is the first one that a leader reads, that everybody who looks
// is told, and that a person can let go what is held back.
func TestFileCutOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(30, tenantOne)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		few := w.desire(2, tenantOne)
		for range 3 {
			time.Sleep(3 * time.Minute) // three lifetimes
			if !w.allAlive(keys) {
				t.Fatalf("of %d there live %d", len(keys), len(w.graph.alive()))
			}
			if held := p.value("removals_held"); held != 28 {
				t.Errorf("%v removals are held back, says the metric", held)
			}
			p.kill()
			go p.stop()
			p = w.start()
		}
		time.Sleep(time.Minute)
		resp, err := p.admin.Get("http://renewer-4:9091/readyz")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if want := "28 removals in tenant " + tenantOne + " held back (max_removals: 28 lets them go)"; !strings.Contains(string(body), want) {
			t.Errorf("readyz says %s", body)
		}
		w.removals = 28
		w.desire(2, tenantOne)
		within(t, time.Minute, "what may go is gone", func() bool { return w.allAlive(few) })
		if held := p.value("removals_held"); held != 0 {
			t.Errorf("%v removals are held back still", held)
		}
		if len(w.graph.duplicates) > 0 {
			t.Errorf("Graph had duplicates: %q", w.graph.duplicates)
		}
		p.stop()
	})
}
