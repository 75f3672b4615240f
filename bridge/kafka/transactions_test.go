package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

func newTransactions(t *testing.T, c kafka.Config) *kafka.Transactions {
	t.Helper()
	w, err := kafka.NewTransactions(c, "teams.test", discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func textRecords(texts ...string) []*kgo.Record {
	var records []*kgo.Record
	for _, s := range texts {
		records = append(records, &kgo.Record{Topic: "a", Key: []byte(s), Value: []byte(s), Timestamp: time.Now()})
	}
	return records
}

func scanned(t *testing.T, c kafka.Config, topics ...kafka.ScanTopic) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var values []string
	if err := kafka.Scan(ctx, c, topics, discard(), func(r *kgo.Record) error {
		values = append(values, string(r.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(values)
	return values
}

// Ensure that only the last one to take the id over can write, that its
// predecessor's committed records can be read, and its open ones never.
func TestTransactionsFence(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(3, "a"))
	c := kafka.Config{Brokers: cluster.ListenAddrs()}
	all := kafka.ScanTopic{Topic: "a"}

	first, second := newTransactions(t, c), newTransactions(t, c)
	if err := first.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(t.Context(), textRecords("1", "2", "3")); err != nil {
		t.Fatal(err)
	}

	// One that dies in mid-transaction, by the same id.
	opts, err := c.Options(discard())
	if err != nil {
		t.Fatal(err)
	}
	dying, err := kgo.NewClient(append(opts, kgo.TransactionalID("teams.test"))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := dying.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dying.ProduceSync(t.Context(), textRecords("open")...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	dying.Close()

	if err := second.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := scanned(t, c, all); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Fatalf("after the take-over the topic holds %q", got)
	}
	for range 2 { // it does not win its id back
		if err := first.Commit(t.Context(), textRecords("late")); !errors.Is(err, kafka.ErrFenced) {
			t.Fatalf("the predecessor's write: %v, want ErrFenced", err)
		}
	}
	if err := second.Commit(t.Context(), textRecords("4")); err != nil {
		t.Fatal(err)
	}
	if got := scanned(t, c, all); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("in the end the topic holds %q", got)
	}
}

// Ensure that a transaction which was begun is finished also when the caller's
// context has ended, and that a record which is too large costs only itself.
func TestTransactionsCommit(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(1, "a"))
	c := kafka.Config{Brokers: cluster.ListenAddrs()}
	w := newTransactions(t, c)
	if err := w.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Commit(ended, textRecords("1")); err != nil {
		t.Fatal(err)
	}
	huge := &kgo.Record{Topic: "a", Value: make([]byte, kafka.MaxRecordBytes+1)}
	if err := w.Commit(t.Context(), []*kgo.Record{huge}); !errors.Is(err, kafka.ErrTooLarge) {
		t.Fatalf("a record of 32 MiB and a byte: %v, want ErrTooLarge", err)
	}
	refused := &kgo.Record{Topic: "a", Value: incompressible(2 << 20)} // more than the topic's default
	if err := w.Commit(t.Context(), []*kgo.Record{refused}); !errors.Is(err, kafka.ErrTooLarge) {
		t.Fatalf("a record of 2 MiB: %v, want ErrTooLarge", err)
	}
	if err := w.Commit(t.Context(), textRecords("2")); err != nil {
		t.Fatal(err)
	}
	if got := scanned(t, c, kafka.ScanTopic{Topic: "a"}); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("the topic holds %q", got)
	}
}

// Ensure that a scan reads the partitions and times that it was asked for, and
// ends where the topic ended.
func TestScan(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(4, "a", "b", "empty"))
	c := kafka.Config{Brokers: cluster.ListenAddrs()}
	p := newProducer(t, c, kafka.ProducerConfig{})
	begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	partitions := map[string]int32{}
	for i := range 20 {
		r := &kgo.Record{Topic: "a", Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%02d", i), Timestamp: begin.Add(time.Duration(i) * time.Minute)}
		if err := produceRecord(p, r); err != nil {
			t.Fatal(err)
		}
		partitions[string(r.Value)] = r.Partition
	}
	if err := produce(p, "b", "k", "other"); err != nil {
		t.Fatal(err)
	}
	if got := scanned(t, c, kafka.ScanTopic{Topic: "a"}, kafka.ScanTopic{Topic: "b"}, kafka.ScanTopic{Topic: "empty"}); len(got) != 21 {
		t.Errorf("all of two topics: %q", got)
	}
	got := scanned(t, c, kafka.ScanTopic{Topic: "a", Since: begin.Add(15 * time.Minute), Partitions: map[int32]struct{}{partitions["15"]: {}}})
	if len(got) == 0 || got[0] != "15" {
		t.Errorf("from 15 on in its partition: %q", got)
	}
	for _, v := range got {
		if partitions[v] != partitions["15"] {
			t.Errorf("%s is of another partition", v)
		}
	}
	err := kafka.Scan(t.Context(), c, []kafka.ScanTopic{{Topic: "missing"}}, discard(), func(*kgo.Record) error { return nil })
	if err == nil {
		t.Error("a topic that does not exist gave no error")
	}
}

// incompressible returns n random bytes.
func incompressible(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
