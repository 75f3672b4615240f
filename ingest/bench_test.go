package ingest_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/graph/graphsim/load"
)

// BenchmarkBasic is the closed loop of basic notifications of every type: ours
// and the bare loop's by turns in one run, so that the machine's moods hit both.
// Each iteration is a round of both. Every acknowledged item is counted in Kafka
// at the end.
//
// of_bare is our POSTs a second as a share of the bare loop's; cpu_of_bare the
// same by processor time, which other processes on the machine do not disturb.
func BenchmarkBasic(b *testing.B) {
	for _, c := range []struct{ connections, items, posts int }{{64, 1, 4000}, {256, 1, 4000}, {64, 20, 1000}, {16, 1000, 40}} {
		b.Run(fmt.Sprintf("conns=%d/items=%d", c.connections, c.items), func(b *testing.B) {
			n := newBench(b, setting{})
			posts := n.posts(max(4000/c.items, 1), c.items)
			turn := func(addr string, count int) (load.Result, time.Duration) {
				spent := cpuTime()
				r := n.all(load.Closed(b.Context(), addr, posts, c.connections, int64(count)))
				return r, cpuTime() - spent
			}
			var ours, bare total
			r, _ := turn(n.bare, c.posts/4)
			bare.stored(r.Posts())
			r, _ = turn(n.ingest, c.posts/4)
			ours.stored(r.Acked)
			b.ResetTimer()
			for range b.N {
				r, spent := turn(n.bare, c.posts)
				bare.add(r, spent, r.Posts())
				r, spent = turn(n.ingest, c.posts)
				ours.add(r, spent, r.Acked)
			}
			b.StopTimer()
			n.check(ours.inKafka, bare.inKafka)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(bare.rate(), "bare_posts/s")
			b.ReportMetric(ours.rate(), "posts/s")
			b.ReportMetric(ours.rate()*float64(c.items), "items/s")
			b.ReportMetric(ours.rate()/bare.rate(), "of_bare")
			b.ReportMetric(float64(bare.cpu)/float64(ours.cpu), "cpu_of_bare")
			b.ReportMetric(float64(ours.cpu.Microseconds())/float64(ours.posts)/float64(c.items), "cpu_µs/item")
		})
	}
}

// BenchmarkRich is the closed loop of sealed notifications beside the limit that
// nobody can beat: opening one block for each, which is the private-key operation
// and next to nothing else, on as many goroutines as there are processors. Each
// iteration is a round of both; of_rsa and cpu_of_rsa are the limit's time and
// processor time as shares of ours. With the tag openssl both are OpenSSL's.
func BenchmarkRich(b *testing.B) {
	for _, c := range []struct{ connections, items, posts int }{{64, 1, 1000}, {8, 20, 100}} {
		b.Run(fmt.Sprintf("conns=%d/items=%d", c.connections, c.items), func(b *testing.B) {
			n := newBench(b, setting{bits: 2048})
			posts := n.posts(max(2000/c.items, 1), c.items)
			var ours, limit total
			ours.stored(n.all(load.Closed(b.Context(), n.ingest, posts, c.connections, int64(c.posts/4))).Acked)
			block := n.block()
			b.ResetTimer()
			for range b.N {
				spent := cpuTime()
				r := n.all(load.Closed(b.Context(), n.ingest, posts, c.connections, int64(c.posts)))
				ours.add(r, cpuTime()-spent, r.Acked)
				spent = cpuTime()
				limit.elapsed += n.openAll(block, int64(float64(r.Acked)*posts.Sealed()))
				limit.cpu += cpuTime() - spent
			}
			b.StopTimer()
			n.check(ours.inKafka, 0)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.rate()*float64(c.items), "items/s")
			b.ReportMetric(float64(limit.elapsed)/float64(ours.elapsed), "of_rsa")
			b.ReportMetric(float64(limit.cpu)/float64(ours.cpu), "cpu_of_rsa")
		})
	}
}

// total sums up rounds.
type total struct {
	posts, inKafka int64
	elapsed, cpu   time.Duration
}

func (t *total) stored(n int64) { t.inKafka += n }

func (t *total) add(r load.Result, cpu time.Duration, stored int64) {
	t.posts += r.Posts()
	t.elapsed += r.Elapsed
	t.cpu += cpu
	t.stored(stored)
}

// rate returns the POSTs a second.
func (t *total) rate() float64 { return float64(t.posts) / t.elapsed.Seconds() }

// block is one block of plaintext, sealed for ingest's key.
func (n *bench) block() bridge.EncryptedContent {
	n.tb.Helper()
	cfg := n.world
	cfg.Listener, cfg.NotificationURL = nil, "http://127.0.0.1:1/"
	sim, err := graphsim.New(cfg)
	if err != nil {
		n.tb.Fatal(err)
	}
	content, err := sim.Seal([]byte("{}"))
	if err != nil {
		n.tb.Fatal(err)
	}
	item, err := bridge.DecodeItem(fmt.Appendf(nil, `{"subscriptionId":"s","encryptedContent":%s}`, content))
	if err != nil {
		n.tb.Fatal(err)
	}
	return *item.EncryptedContent
}

// openAll returns how long it takes to open the content count times, on all
// processors.
func (n *bench) openAll(content bridge.EncryptedContent, count int64) time.Duration {
	n.tb.Helper()
	workers := int64(runtime.NumCPU())
	var wg sync.WaitGroup
	start := time.Now()
	for w := range workers {
		wg.Go(func() {
			for i := w; i < count; i += workers {
				if _, err := n.ring.Open(content); err != nil {
					n.tb.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
