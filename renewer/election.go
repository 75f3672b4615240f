package renewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka"
)

// Why a term ended: the cause of its context.
var (
	errLost    = errors.New("renewer: leadership lost")
	errRevoked = errors.New("renewer: leadership given back")
)

// yieldWithin bounds how long giving back a shard waits for its term to end.
// Whoever takes the shard over fences what is left of it.
const yieldWithin = 5 * time.Second

// leaveWithin bounds leaving the group, which takes milliseconds where nobody is
// dead, and the last round of a term.
const leaveWithin = time.Second

// electorate is whom to elect among, and how fast.
type electorate struct {
	kafka     kafka.Config
	group     string        // the consumer group
	topic     string        // whose partitions are the shards
	session   time.Duration // after how long without a heartbeat a leader is replaced
	heartbeat time.Duration
}

// election makes this process lead the shards that the group's coordinator
// gives it: one term for each, begun when the shard is won and ended, by its
// context, the moment it is lost. The group is of the classic protocol, whose
// session timeout is the client's to say, and its rebalances are cooperative: a
// leader stays one when another process comes or goes.
type election struct {
	electorate
	client *kgo.Client
	member *membership
	lead   func(context.Context, *Lease)
	log    *slog.Logger

	wake   chan struct{}      // asks for a heartbeat at once
	cancel context.CancelFunc // of the client and of all that uses it
	beats  sync.WaitGroup

	mu    sync.Mutex // guards terms
	terms map[int32]*term
}

// term is the leading of one shard.
type term struct {
	lease  *Lease
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

// elect joins the group and calls lead in a goroutine of its own for each shard
// won. lead returns soon after its context has ended; until then the shard's
// next term does not begin in this process.
func elect(e electorate, log *slog.Logger, lead func(context.Context, *Lease)) (*election, error) {
	opts, err := e.kafka.Options(log)
	if err != nil {
		return nil, err
	}
	el := &election{
		electorate: e, member: &membership{session: e.session}, lead: lead, log: log,
		wake: make(chan struct{}, 1), terms: map[int32]*term{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	el.cancel = cancel
	el.client, err = kgo.NewClient(append(opts,
		kgo.WithContext(ctx),
		kgo.ConsumerGroup(e.group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(e.session),
		kgo.RebalanceTimeout(e.session),
		kgo.HeartbeatInterval(e.heartbeat),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), // nothing is read here: see below
		kgo.OnPartitionsAssigned(el.won),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { el.yield(p) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { el.member.doubt(); el.drop(p, errLost) }),
	)...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("set up kafka client: %w", err)
	}
	// The group is for its membership only.
	el.client.PauseFetchTopics(e.topic)
	el.client.AddConsumeTopics(e.topic)
	el.beats.Go(func() { el.beat(ctx) })
	return el, nil
}

// stop gives back every shard, so that others take them over at once, and
// leaves the group. Terms that do not end within ctx are left to themselves,
// without a lease.
func (e *election) stop(ctx context.Context) error {
	// A rebalance that waits for a member that is dead has the client wait with it:
	// then its end is for the session timeout to find.
	leaving, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	err := e.client.LeaveGroupContext(leaving)
	e.member.doubt()
	e.cancel()
	e.beats.Wait()
	e.client.CloseAllowingRebalance()
	e.mu.Lock()
	terms := e.terms
	e.terms = map[int32]*term{}
	e.mu.Unlock()
	for _, t := range terms {
		t.end(errRevoked)
		select {
		case <-t.ended:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
	return err
}

// leading returns the leases held, in no order.
func (e *election) leading() []*Lease {
	e.mu.Lock()
	defer e.mu.Unlock()
	var leases []*Lease
	for _, t := range e.terms {
		if !t.lease.over.Load() {
			leases = append(leases, t.lease)
		}
	}
	return leases
}

func (e *election) won(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	_, generation := e.client.GroupMetadata()
	select {
	case e.wake <- struct{}{}: // no call starts before one is confirmed
	default:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range partitions[e.topic] {
		before := e.terms[p]
		ctx, cancel := context.WithCancelCause(context.Background())
		t := &term{lease: &Lease{Partition: p, Generation: generation, member: e.member}, cancel: cancel, ended: make(chan struct{})}
		e.terms[p] = t
		go func() {
			defer close(t.ended)
			if before != nil { // two terms of one shard would fence each other
				<-before.ended
			}
			if ctx.Err() == nil {
				e.lead(ctx, t.lease)
			}
		}()
	}
}

// drop ends the terms of the partitions and returns them.
func (e *election) drop(partitions map[string][]int32, why error) []*term {
	e.mu.Lock()
	defer e.mu.Unlock()
	var dropped []*term
	for _, p := range partitions[e.topic] {
		if t := e.terms[p]; t != nil {
			t.end(why)
			dropped = append(dropped, t)
		}
	}
	return dropped
}

func (t *term) end(why error) {
	t.lease.over.Store(true)
	t.cancel(why)
}

// yield gives the partitions back: it ends their terms and waits for their last
// words, so that whoever comes next reads them.
func (e *election) yield(partitions map[string][]int32) {
	late := time.After(yieldWithin)
	for _, t := range e.drop(partitions, errRevoked) {
		select {
		case <-t.ended:
		case <-late:
			e.log.Warn("leader did not end in time, its successor will fence it", "shard", t.lease.Partition)
			return
		}
	}
}

// beat asks the coordinator, beside the client's own heartbeats, whether we are
// a member still: what the client knows of its last heartbeat it keeps to
// itself, and its hooks tell that an answer came but not what it said.
func (e *election) beat(ctx context.Context) {
	tick := time.NewTicker(e.heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.wake:
		}
		id, generation := e.client.GroupMetadata()
		if id == "" || generation < 0 {
			continue // on the way in
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = e.group, id, generation
		sent := time.Now()
		within, cancel := context.WithTimeout(ctx, e.session)
		resp, err := req.RequestWith(within, e.client)
		cancel()
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		switch {
		// REBALANCE_IN_PROGRESS confirms nothing, although it keeps the session
		// alive: a member that is late for the rebalance is expelled by its end,
		// session or not.
		case err == nil:
			e.member.confirm(sent)
		case errors.Is(err, kerr.UnknownMemberID):
			if now, _ := e.client.GroupMetadata(); now == id {
				e.member.doubt() // the client itself will hear it any moment
			}
		}
	}
}
