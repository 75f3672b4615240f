package ingest

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// BenchmarkTail is what a process does before it is ready: it reads what the
// replicas announced in 4 h, here of 1,000 items a second taken by one of them for
// so long as the name says. It reports how long that takes, and how much memory
// it takes.
func BenchmarkTail(b *testing.B) {
	for _, d := range []time.Duration{4 * time.Minute, recallFor} {
		b.Run(d.String(), func(b *testing.B) {
			if d == recallFor && testing.Short() {
				b.Skip("makes 144,000 announcements first")
			}
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "teams.recent-ids"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(cluster.Close)
			const announcedIDs = 1000 * int(announceEvery) / int(time.Second)
			items := int(d/time.Second) * 1000
			announceAll(b, cluster.ListenAddrs(), items/announcedIDs, announcedIDs)
			b.ResetTimer()
			for range b.N {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				g := &gossip{
					topic: "teams.recent-ids", config: kafka.Config{Brokers: cluster.ListenAddrs()}, recent: newRecent(items, time.Now()),
					metrics: newMetrics(prometheus.NewRegistry()), log: slog.New(slog.DiscardHandler),
				}
				go g.hear(b.Context()) // which ends with the benchmark
				for !g.caughtUp.Load() {
					time.Sleep(time.Millisecond)
				}
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB")
				if got := g.recent.size(); got < items*999/1000 {
					b.Errorf("%d of %d ids were read", got, items)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(items)*float64(b.N)/b.Elapsed().Seconds(), "ids/s")
		})
	}
}

// announceAll writes so many announcements of so many ids each, one after the
// other, as a replica does.
func announceAll(b *testing.B, brokers []string, announcements, each int) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ids := make([]id, each)
	for n := range announcements {
		for i := range ids {
			_, _ = rand.Read(ids[i][:])
		}
		if err := client.ProduceSync(b.Context(), &kgo.Record{Topic: "teams.recent-ids", Value: bridge.AppendRecentIDs(nil, ids)}).FirstErr(); err != nil {
			b.Fatal(fmt.Errorf("announcement %d: %w", n, err))
		}
	}
}
