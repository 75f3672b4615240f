//go:build real

package realtest_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka"
)

// Whoever was deposed writes no more: not what it begins after its successor has
// taken over, and not what it had begun before (I10). The transactions are those
// of Kafka 4 (KIP-890): the first record of a partition adds it to the
// transaction, and each transaction has an epoch of its own.
func (l *lab) transactions(t *testing.T) {
	t.Parallel()
	const topic, id = "transactions", "transactions-shard"
	cfg := l.guarded.open()
	client := l.guarded.client(t)
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	if level := finalized(t, client, "transaction.version"); level != 2 {
		t.Errorf("the broker has transaction.version %d", level)
	}

	sent := &requests{counts: map[int16]int{}}
	watched := cfg
	watched.Hooks = []kgo.Hook{sent}
	open := func(c kafka.Config) *kafka.Transactions {
		tx, err := kafka.NewTransactions(c, id, quiet())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tx.Close)
		return tx
	}
	say := func(word string) []*kgo.Record {
		return []*kgo.Record{{Topic: topic, Key: []byte("k"), Value: []byte(word)}, {Topic: topic, Key: []byte("k"), Value: []byte(word + "!")}}
	}
	leader := open(watched)
	ctx := within(t, time.Minute)
	if err := leader.Fence(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := leader.Commit(ctx, say("leader "+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}

	// One that has begun, and is away when its successor takes over.
	opts, err := cfg.Options(quiet())
	if err != nil {
		t.Fatal(err)
	}
	frozen, err := kgo.NewClient(append(opts, kgo.TransactionalID(id+"-frozen"), kgo.DefaultProduceTopic(topic))...)
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	if err := frozen.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := frozen.ProduceSync(ctx, &kgo.Record{Value: []byte("never")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	thawed, err := kafka.NewTransactions(cfg, id+"-frozen", quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer thawed.Close()
	if err := thawed.Fence(ctx); err != nil {
		t.Fatal(err)
	}
	if err := frozen.EndTransaction(ctx, kgo.TryCommit); !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
		t.Errorf("a transaction whose owner was deposed ended with %v", err)
	}

	successor := open(cfg)
	if err := successor.Fence(ctx); err != nil {
		t.Fatal(err)
	}
	if err := successor.Commit(ctx, say("successor")); err != nil {
		t.Fatal(err)
	}
	if err := leader.Commit(ctx, say("deposed")); !errors.Is(err, kafka.ErrFenced) {
		t.Errorf("the write of a deposed leader: %v", err)
	}
	if err := leader.Commit(ctx, say("deposed")); !errors.Is(err, kafka.ErrFenced) {
		t.Errorf("its next one: %v", err)
	}
	if err := successor.Commit(ctx, say("successor")); err != nil {
		t.Errorf("the successor, after the deposed one had tried: %v", err)
	}

	epochs := map[int16][]string{}
	err = kafka.Scan(ctx, cfg, []kafka.ScanTopic{{Topic: topic}}, quiet(), func(r *kgo.Record) error {
		epochs[r.ProducerEpoch] = append(epochs[r.ProducerEpoch], string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(epochs) != 5 {
		t.Errorf("five transactions were committed; the records have the epochs %v", epochs)
	}
	if n := sent.of(kmsg.AddPartitionsToTxn); n > 0 {
		t.Errorf("%d requests to add a partition to a transaction, which Kafka 4 does without", n)
	}
	if sent.of(kmsg.EndTxn) < 3 || sent.of(kmsg.InitProducerID) == 0 {
		t.Errorf("the leader's requests: %v", sent.counts)
	}
	t.Logf("records by epoch: %v; the leader's requests by their keys: %v", epochs, sent.counts)
}

// finalized returns the level of a feature of the cluster.
func finalized(t *testing.T, client *kgo.Client, feature string) int16 {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "meetbridge", "0"
	resp, err := client.Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range resp.(*kmsg.ApiVersionsResponse).FinalizedFeatures {
		if f.Name == feature {
			return f.MaxVersionLevel
		}
	}
	return 0
}

// requests counts what a client sends, by the key of the request.
type requests struct {
	mu     sync.Mutex
	counts map[int16]int
}

// OnBrokerWrite is called by the client for each request.
func (r *requests) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[key]++
}

func (r *requests) of(key kmsg.Key) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[int16(key)]
}

var _ kgo.HookBrokerWrite = (*requests)(nil)
