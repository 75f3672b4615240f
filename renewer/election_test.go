//go:build synctests

package renewer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
)

// candidate is one process of an election, and the terms that it had.
type candidate struct {
	host     *host
	election *renewer.Election

	mu    sync.Mutex // guards terms
	terms []*held
}

type held struct {
	lease      *renewer.Lease
	won, ended time.Time
	why        error
}

func (c *candidate) lead(ctx context.Context, l *renewer.Lease) {
	h := &held{lease: l, won: time.Now()}
	c.mu.Lock()
	c.terms = append(c.terms, h)
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	h.ended, h.why = time.Now(), context.Cause(ctx)
}

func (c *candidate) last() *held {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.terms) == 0 {
		return nil
	}
	copied := *c.terms[len(c.terms)-1]
	return &copied
}

// leads returns how many shards it leads now.
func (c *candidate) leads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, t := range c.terms {
		if t.ended.IsZero() {
			n++
		}
	}
	return n
}

func stand(t *testing.T, n *bridgetest.Network) *candidate {
	t.Helper()
	c := &candidate{host: newHost(n)}
	var err error
	c.election, err = renewer.Elect(kafka.Config{Brokers: []string{"127.0.0.1:9092"}, Dialer: c.host.Dial},
		"teams.renewer", "teams.subscriptions", 10*time.Second, 500*time.Millisecond, discard(), c.lead)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.election.Stop(ctx) // a dead host cannot leave
	})
	return c
}

// within waits until ok, and returns how long that took.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func election(t *testing.T, shards int32, test func(t *testing.T, n *bridgetest.Network)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		n := bridgetest.NewNetwork()
		k := startKafka(t, n)
		makeTopics(t, kafka.Config{Brokers: k.KafkaAddrs(), Dialer: n.Dial}, shards)
		test(t, n)
	})
}

// I10: one leads; it goes on leading when others come and go; its graceful end
// hands over within a second, and before that its own term has ended.
func TestElectionGraceful(t *testing.T) {
	election(t, 1, func(t *testing.T, n *bridgetest.Network) {
		t.Helper()
		first := stand(t, n)
		within(t, 10*time.Second, "the first leads", func() bool { return first.leads() == 1 && first.last().lease.Fresh(time.Now()) })
		second, third := stand(t, n), stand(t, n)
		time.Sleep(20 * time.Second)
		if err := third.election.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if got := first.last(); first.leads() != 1 || len(first.terms) != 1 || !got.lease.Fresh(time.Now()) {
			t.Fatalf("the leader has %d terms, fresh %v: others came and went", len(first.terms), got.lease.Fresh(time.Now()))
		}
		if second.leads()+third.leads() != 0 {
			t.Fatal("there are two leaders")
		}
		begun := time.Now()
		if err := first.election.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		old := first.last()
		if old.ended.IsZero() || old.lease.Fresh(time.Now()) {
			t.Fatal("stopped, and its term has not ended")
		}
		within(t, time.Second, "the second leads", func() bool { return second.leads() == 1 && second.last().lease.Fresh(time.Now()) })
		t.Logf("successor leads with a fresh lease after %v", time.Since(begun))
	})
}

// A standby that is stopped while the group waits for a member that is dead does
// not wait with it.
func TestElectionStopWhileJoining(t *testing.T) {
	election(t, 1, func(t *testing.T, n *bridgetest.Network) {
		t.Helper()
		first := stand(t, n)
		within(t, 10*time.Second, "the first leads", func() bool { return first.leads() == 1 && first.last().lease.Fresh(time.Now()) })
		second := stand(t, n)
		time.Sleep(20 * time.Second)
		first.host.Kill()
		third := stand(t, n)
		time.Sleep(2 * time.Second) // the second joins anew, too
		began := time.Now()
		if err := second.election.Stop(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it was not joining: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("stopped after %v", took)
		}
		within(t, 30*time.Second, "the third leads", func() bool { return third.leads() == 1 && third.last().lease.Fresh(time.Now()) })
	})
}

// I10: the successor of a leader that dies is elected within the session
// timeout, and at no time both hold a fresh lease.
func TestElectionKilled(t *testing.T) {
	election(t, 1, func(t *testing.T, n *bridgetest.Network) {
		t.Helper()
		first := stand(t, n)
		within(t, 10*time.Second, "the first leads", func() bool { return first.leads() == 1 })
		second := stand(t, n)
		time.Sleep(5 * time.Second)
		first.host.Kill()
		took := within(t, 11*time.Second, "the second leads", func() bool {
			return second.leads() == 1 && second.last().lease.Fresh(time.Now())
		})
		if first.last().lease.Fresh(second.last().won) {
			t.Fatal("two fresh leases at once")
		}
		t.Logf("successor leads after %v", took)
	})
}

// I10: a leader that was paused for a minute wakes up without a fresh lease,
// learns that it has lost, and stands by; it never had one beside its successor.
func TestElectionPaused(t *testing.T) {
	election(t, 1, func(t *testing.T, n *bridgetest.Network) {
		t.Helper()
		first := stand(t, n)
		within(t, 10*time.Second, "the first leads", func() bool { return first.leads() == 1 })
		second := stand(t, n)
		time.Sleep(5 * time.Second)
		lease := first.last().lease
		if !lease.Fresh(time.Now()) {
			t.Fatal("the leader's lease is not fresh")
		}
		first.host.Freeze()
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if second.leads() == 1 && lease.Fresh(time.Now()) {
				t.Fatal("two fresh leases at once")
			}
		}
		if second.leads() != 1 {
			t.Fatal("nobody took over")
		}
		first.host.Thaw()
		for range 100 { // what lay in its buffers confirms nothing
			if lease.Fresh(time.Now()) {
				t.Fatal("woken up, it takes its old lease for fresh")
			}
			time.Sleep(10 * time.Millisecond)
		}
		within(t, 10*time.Second, "the first learns of its loss", func() bool { return first.leads() == 0 })
		time.Sleep(20 * time.Second)
		if first.leads() != 0 || second.leads() != 1 || !second.last().lease.Fresh(time.Now()) {
			t.Errorf("in the end they lead %d and %d shards", first.leads(), second.leads())
		}
	})
}

// Several shards are led by several processes, each shard by one.
func TestElectionShards(t *testing.T) {
	election(t, 4, func(t *testing.T, n *bridgetest.Network) {
		t.Helper()
		all := []*candidate{stand(t, n), stand(t, n)}
		within(t, 30*time.Second, "two shards each", func() bool { return all[0].leads() == 2 && all[1].leads() == 2 })
		if err := all[0].election.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		within(t, 2*time.Second, "one has all", func() bool { return all[1].leads() == 4 })
	})
}
