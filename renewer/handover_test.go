//go:build synctests

package renewer_test

import (
	"fmt"
	"testing"
	"time"
)

// Ensure that a graceful end hands over within a second: until the successor has
// read the states and its token, and may call Graph.
func TestHandOver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(20, tenantOne, tenantTwo)
		first := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		second := w.start()
		for range 6 {
			time.Sleep(33 * time.Second)
			if second.host.asked.Load() > 0 || second.Leads() > 0 {
				t.Fatal("the standby calls Graph")
			}
			begun := time.Now()
			first.stop()
			within(t, time.Second, "the successor leads", func() bool { return second.Leads() == 1 })
			took := time.Since(begun)
			if took > time.Second {
				t.Errorf("handed over after %v", took)
			}
			within(t, 40*time.Second, "the successor calls Graph", func() bool { return second.host.asked.Load() > 0 })
			t.Logf("successor leads %v after the end was asked for", took)
			first, second = second, w.start()
			first.host.asked.Store(0)
		}
		within(t, time.Minute, "all alive", func() bool { return w.allAlive(keys) })
		if len(w.graph.duplicates) > 0 {
			t.Errorf("Graph had duplicates: %q", w.graph.duplicates)
		}
		first.stop()
		w.checkGaps(t)
	})
}

// I10: a leader that was stopped for a minute (kill -STOP) calls nothing when it
// wakes up, and its writes do not take effect; somebody else has taken over.
func TestPaused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(10, tenantOne)
		first := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		second := w.start()
		for range 4 {
			time.Sleep(17 * time.Second)
			first.host.Freeze()
			took := within(t, 12*time.Second, "the successor leads", func() bool { return second.Leads() == 1 })
			t.Logf("a stopped leader was replaced after %v", took)
			time.Sleep(time.Minute)
			before := first.host.asked.Load()
			first.host.Thaw()
			for range 500 {
				if first.Leads() > 0 && second.Leads() > 0 {
					t.Fatal("two lead at once")
				}
				time.Sleep(10 * time.Millisecond)
			}
			if asked := first.host.asked.Load() - before; asked > 0 {
				t.Errorf("woken up, it called Graph %d times", asked)
			}
			within(t, time.Minute, "all alive", func() bool { return w.allAlive(keys) })
			first, second = second, first
		}
		if len(w.graph.duplicates) > 0 {
			t.Errorf("Graph had duplicates: %q", w.graph.duplicates)
		}
		first.stop()
		second.stop()
		w.checkGaps(t)
	})
}

// Ensure that nothing is lost when Kafka goes away for a while: the leader
// pauses, and goes on by itself.
func TestKafkaAway(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(10, tenantOne)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		for _, away := range []time.Duration{2 * time.Second, 9 * time.Second, 30 * time.Second} {
			w.net.Cut("127.0.0.1:9092")
			time.Sleep(away)
			asked := p.host.asked.Load()
			if away > 10*time.Second {
				time.Sleep(20 * time.Second)
				if now := p.host.asked.Load(); now > asked {
					t.Errorf("without a lease it called Graph %d times", now-asked)
				}
			}
			w.net.Heal("127.0.0.1:9092")
			within(t, 2*time.Minute, fmt.Sprintf("all alive after Kafka was away for %v", away), func() bool { return p.Leads() == 1 && w.allAlive(keys) })
			time.Sleep(30 * time.Second)
		}
		p.stop()
		w.checkGaps(t)
	})
}

// Several shards are led by several processes; each subscription has one
// leader, also while they come and go.
func TestShards(t *testing.T) {
	t.Parallel()
	bubbleOf(t, 4, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(12, tenantOne, tenantTwo)
		running := []*proc{w.start(), w.start(), w.start()}
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		for i := range 4 {
			time.Sleep(20 * time.Second)
			if i%2 == 0 {
				running[i%3].kill()
			}
			running[i%3].restart(&running)
			within(t, 2*time.Minute, "four shards are led, all alive", func() bool {
				n := 0
				for _, p := range running {
					n += p.Leads()
				}
				return n == 4 && w.allAlive(keys)
			})
		}
		if len(w.graph.duplicates) > 0 {
			t.Errorf("Graph had duplicates: %q", w.graph.duplicates)
		}
	})
}
