package ingest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest/token"
	"meetbridge/schemas"
)

// An item that is our fault takes none of its neighbours with it (I1): what came
// before it in the POST is in Kafka.
func TestFaultLosesNoNeighbour(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "teams.chat-messages"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	log := slog.New(slog.DiscardHandler)
	producer, err := kafka.NewProducer(kafka.Config{Brokers: cluster.ListenAddrs()}, kafka.ProducerConfig{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = producer.Close(context.Background()) })
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	o := &outlet{
		encoder: newEncoder("teams.", codec), producer: producer, kafka: &pulse{buffered: producer.Buffered, log: log},
		recent: newRecent(10, time.Now()), metrics: newMetrics(prometheus.NewRegistry()), log: log,
	}
	o.ids.Store(&map[string]int{bridge.ChatMessage.Topic(): 7})
	item, err := bridge.DecodeItem([]byte(`{"subscriptionId":"s","changeType":"created","resource":"chats('c')/messages('m')"}`))
	if err != nil {
		t.Fatal(err)
	}
	p := newPost((&admission{maxRequests: 1, maxBytes: 1}).newTicket(), time.Now())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the second item is no fault")
			}
		}()
		(&pipeline{out: o, metrics: o.metrics}).recordAll(p, []work{{item: item}, {}}, token.Verdict{}, "")
	}()
	for range 500 {
		if p.open.Load() == 1 { // the second, which nobody will settle
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if p.open.Load() != 1 || p.failed.Load() || o.recent.size() != 1 {
		t.Errorf("%d items open, failed: %v, %d in Kafka; want the first acknowledged", p.open.Load(), p.failed.Load(), o.recent.size())
	}
}
