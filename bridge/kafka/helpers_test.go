package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// startCluster runs one broker until the test ends.
func startCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// newProducer returns a producer that is closed, unflushed, when the test ends.
func newProducer(t *testing.T, c kafka.Config, pc kafka.ProducerConfig) *kafka.Producer {
	t.Helper()
	p, err := kafka.NewProducer(c, pc, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(p) })
	return p
}

func closeNow(p *kafka.Producer) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Close(ctx) // what is left is of no interest
}

var errNoAnswer = errors.New("no answer in 30 s")

// produce produces one record and waits for what becomes of it.
func produce(p *kafka.Producer, topic, key, value string) error {
	return produceRecord(p, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)})
}

func produceRecord(p *kafka.Producer, r *kgo.Record) error {
	done := make(chan error, 1)
	p.Produce(r, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		return errNoAnswer
	}
}

// consume returns all that stands in the topics, each partition in its order.
func consume(t *testing.T, c kafka.Config, topics ...string) []*kgo.Record {
	t.Helper()
	opts, err := c.Options(discard())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topics...), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0) // nothing is ever deleted from these topics
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	var records []*kgo.Record
	for int64(len(records)) < left {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// eventually waits until f returns nil.
func eventually(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	started := time.Now()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Since(started) > limit {
			t.Fatalf("still after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
