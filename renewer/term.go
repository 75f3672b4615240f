package renewer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"meetbridge/bridge/kafka"
)

const (
	// takeOverWithin bounds how long winning a shard may take until its states
	// are read.
	takeOverWithin = time.Minute
	// retryFirst and retryLast bound the waits between two tries to lead a shard
	// that is ours.
	retryFirst, retryLast = 250 * time.Millisecond, 10 * time.Second
)

// leading is what others may see of a shard that is led here.
type leading struct {
	lease *Lease
	asks  chan chan<- time.Time // answered by shard.nearest
	epoch int16
	held  atomic.Pointer[map[string]Held]
}

// lead leads a shard until ctx ends. Whatever goes wrong ends a term, and the
// next one begins with what Kafka has: another process that has fenced us
// without holding the shard, as one that was paused since it was told to lead,
// stops by itself, and Kafka's troubles pass.
func (r *Renewer) lead(ctx context.Context, lease *Lease) {
	r.metrics.terms["won"].Inc()
	r.metrics.leads.Inc()
	defer r.metrics.leads.Dec()
	log := r.log.With("shard", lease.Partition)
	log.InfoContext(ctx, "leading", "generation", lease.Generation)
	for wait := retryFirst; ctx.Err() == nil; wait = min(2*wait, retryLast) {
		began := time.Now()
		err := r.term(ctx, lease)
		if time.Since(began) > takeOverWithin {
			wait = retryFirst
		}
		switch {
		case err == nil:
		case errors.Is(err, kafka.ErrFenced):
			r.metrics.terms["fenced"].Inc()
			log.WarnContext(ctx, "stepped down: another process has taken the shard's states over", "error", err)
		case ctx.Err() == nil:
			r.metrics.terms["failed"].Inc()
			log.WarnContext(ctx, "stepped down, trying again", "error", err, "retry_in", wait)
		}
		sleep(ctx, wait)
	}
	end := "given_back"
	if errors.Is(context.Cause(ctx), errLost) {
		end = "lost"
	}
	r.metrics.terms[end].Inc()
	log.InfoContext(ctx, "leads no longer", "why", context.Cause(ctx))
}

// term takes the shard's states over and leads once.
func (r *Renewer) term(ctx context.Context, lease *Lease) error {
	opening, cancel := context.WithTimeout(ctx, takeOverWithin)
	defer cancel()
	j, err := r.journal(opening)
	if err != nil {
		return err
	}
	shards, err := j.partitions(opening)
	if err != nil {
		return err
	}
	// A process that was paused since it won would fence its successor.
	for !lease.Fresh(time.Now()) {
		if sleep(opening, 10*time.Millisecond); opening.Err() != nil {
			return context.Cause(opening)
		}
	}
	store, err := openStore(opening, j, lease.Partition)
	if err != nil {
		return err
	}
	defer store.close()
	read, err := store.load(opening, shards)
	if err != nil {
		return err
	}
	feed, err := openFeed(opening, j, lease.Partition)
	if err != nil {
		return err
	}
	defer feed.close()

	l := &leading{lease: lease, asks: make(chan chan<- time.Time), epoch: store.epoch()}
	changed := r.enter(l)
	defer r.exit(l)
	s := &shard{
		lease: lease, store: store, feed: feed, limits: r.limits, counted: r.metrics, log: r.log.With("shard", lease.Partition),
		shards: shards, freshEvery: r.cfg.Heartbeat, wishes: r.wish.Load, changed: changed, asks: l.asks, tell: func(held map[string]Held) { l.held.Store(&held) }, ingest: r.ingest,
		wish: r.wish.Load(), lanes: map[string]*lane{}, dirty: map[Key]struct{}{},
		unread: unheeded{feed: feed, waiting: map[int32][]*pending{}}, outcomes: make(chan []outcome),
	}
	s.begin(read, time.Now())
	s.log.InfoContext(ctx, "states read", "states", len(read), "epoch", store.epoch())

	var beside sync.WaitGroup
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	beside.Go(func() { feed.run(reading) })
	beside.Go(func() { feed.keep(reading) })
	err = s.run(ctx)
	stop()
	beside.Wait()
	return err
}

// enter makes a shard visible, and returns what tells it that the wish changed.
func (r *Renewer) enter(l *leading) <-chan struct{} {
	changed := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.led[l] = changed
	r.metrics.epochs.WithLabelValues(strconv.Itoa(int(l.lease.Partition))).Set(float64(l.epoch))
	return changed
}

func (r *Renewer) exit(l *leading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.led, l)
	shard := strconv.Itoa(int(l.lease.Partition))
	r.metrics.epochs.DeleteLabelValues(shard)
	r.metrics.asides.DeleteLabelValues(shard)
}

// shards returns the shards that are led here.
func (r *Renewer) shards() []*leading {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*leading, 0, len(r.led))
	for l := range r.led {
		all = append(all, l)
	}
	return all
}

// nearest returns the earliest expiry of a subscription of the shards led here;
// zero for none, and for a shard that does not answer in time.
func (r *Renewer) nearest(ctx context.Context) (at time.Time) {
	for _, l := range r.shards() {
		answer := make(chan time.Time, 1)
		select {
		case l.asks <- answer:
			at = earlier(at, <-answer)
		case <-ctx.Done():
			return at
		}
	}
	return at
}

// journal returns what all shards write with, once the registry has given its
// ids.
func (r *Renewer) journal(ctx context.Context) (*journal, error) {
	select {
	case <-r.registered:
		return r.written, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errUnregistered, context.Cause(ctx))
	}
}
