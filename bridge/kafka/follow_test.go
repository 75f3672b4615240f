package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// followed is a Follow under way.
type followed struct {
	mu     sync.Mutex
	values []string
	caught int // how many values there were when it had caught up; -1: it has not
	stop   func()
	result chan error
}

func follow(t *testing.T, c kafka.Config, topic string, since time.Time) *followed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	f := &followed{caught: -1, stop: cancel, result: make(chan error, 1)}
	go func() {
		f.result <- kafka.Follow(ctx, c, topic, since, discard(), func(r *kgo.Record) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.values = append(f.values, string(r.Value))
		}, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.caught = len(f.values)
		})
	}()
	return f
}

// await waits until n records were read, and returns them in order and how many
// there were when it had caught up.
func (f *followed) await(t *testing.T, n int) ([]string, int) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.values) < n || f.caught < 0 {
			return fmt.Errorf("%d of %d records, caught up with %d", len(f.values), n, f.caught)
		}
		return nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	values := slices.Clone(f.values)
	slices.Sort(values)
	return values, f.caught
}

// Ensure that a topic is read from the time that was asked for on, in all its
// partitions, that the moment when all was read is told once, and that what comes
// later is read too.
func TestFollow(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(3, "ids"))
	c := kafka.Config{Brokers: cluster.ListenAddrs()}
	empty := follow(t, c, "ids", time.Now().Add(-time.Hour))
	if _, caught := empty.await(t, 0); caught != 0 {
		t.Errorf("caught up with an empty topic after %d records", caught)
	}
	p := newProducer(t, c, kafka.ProducerConfig{})
	put := func(value string, at time.Time) {
		t.Helper()
		if err := produceRecord(p, &kgo.Record{Topic: "ids", Key: []byte(value), Value: []byte(value), Timestamp: at}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for n := range 6 {
		put(fmt.Sprint("old ", n), now.Add(-5*time.Hour))
	}
	for n := range 9 {
		put(fmt.Sprint("young ", n), now.Add(-time.Hour))
	}
	f := follow(t, c, "ids", now.Add(-4*time.Hour))
	got, caught := f.await(t, 9)
	if len(got) != 9 || caught != 9 || got[0] != "young 0" {
		t.Errorf("read %q, caught up with %d", got, caught)
	}
	put("new", now)
	for name, f := range map[string]*followed{"the second": f, "that of the empty topic": empty} {
		if got, _ := f.await(t, map[bool]int{true: 16, false: 10}[f == empty]); got[0] != "new" {
			t.Errorf("%s read %q", name, got)
		}
		f.stop()
		if err := <-f.result; !errors.Is(err, context.Canceled) {
			t.Errorf("%s ended with %v", name, err)
		}
	}
}

// Ensure that a topic that is not there is an answer of Kafka's, and so is one
// that is deleted meanwhile: the caller decides what that means.
func TestFollowNothing(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(1, "ids"))
	c := kafka.Config{Brokers: cluster.ListenAddrs()}
	f := follow(t, c, "none", time.Now())
	if err := <-f.result; !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a missing topic: %v", err)
	}
	f = follow(t, c, "ids", time.Now())
	f.await(t, 0)
	adm, err := kafka.NewAdmin(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adm.Close)
	if _, err := adm.DeleteTopics(t.Context(), "ids"); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "ids"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-f.result:
		if _, answered := errors.AsType[*kerr.Error](err); !answered {
			t.Errorf("a topic made anew: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a topic made anew goes unnoticed")
	}
}
