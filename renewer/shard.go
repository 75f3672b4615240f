package renewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

const (
	// roundEvery is the least time between two transactions: what comes meanwhile
	// goes into the next one, so that their number does not grow with that of the
	// calls.
	roundEvery = 50 * time.Millisecond
	// graceful is how long calls under way may take at the end of a term whose
	// shard is given back, for their results to be written.
	graceful = 250 * time.Millisecond
)

// ledger is the memory of one shard for one term.
type ledger interface {
	// write makes states and gaps the last word, all or none, and returns when
	// they are. After an error nothing more can be written.
	write(ctx context.Context, states []State, gaps []Gap) error
}

// shard is the leading of one shard for one term. One goroutine, that of run,
// owns it: calls run beside it and hand it their outcomes.
//
// What a crash leaves at each step of a round:
//   - before the transaction: nothing has happened, and the next leader plans it
//     again;
//   - after it, before or during the calls: intents without a result. TakeOver
//     and Repair settle them;
//   - after the calls, before the next transaction: the same.
type shard struct {
	lease      *Lease
	store      ledger
	feed       *feed
	limits     *limits
	counted    *metrics
	log        *slog.Logger
	shards     int
	freshEvery time.Duration // how often a lease that is not fresh is looked at
	wishes     func() *wish  // the newest
	changed    <-chan struct{}
	asks       <-chan chan<- time.Time // for nearest
	tell       func(map[string]Held)   // what is held back, when that changes
	ingest     *ingestKeys

	wish    *wish
	planner *Planner
	lanes   map[string]*lane // by tenant
	waiting int
	held    map[string]Held  // what was told last
	dirty   map[Key]struct{} // to be written
	gaps    []Gap            // to be written
	unread  unheeded
	heeding []*pending // notices whose effect is written, or will be with the next transaction
	early   []*pending // notices of subscriptions that are not known: perhaps not yet

	outcomes chan []outcome
	calls    sync.WaitGroup
	flying   int // orders under way
	written  time.Time
}

// begin makes the shard's memory the planner's.
func (s *shard) begin(read states, now time.Time) {
	s.planner = NewPlanner()
	for state := range read.all() {
		if s.wish.rules.Hasten { // somebody waits, and may have mended what was refused
			state.NextAttemptAt = time.Time{}
		}
		s.set(TakeOver(state, now), now)
	}
	s.planner.Want(s.wish.of(s.lease.Partition, s.shards), s.wish.rules, now)
}

// run leads until ctx ends, which is no error, or until the shard's memory
// cannot be written: then somebody else leads, or Kafka is in trouble.
func (s *shard) run(ctx context.Context) error {
	callCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer s.calls.Wait()
	defer cancel()
	defer s.uncount()
	s.catchUp(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.tellHeld()
		now := time.Now()
		orders, next := s.choose(now)
		if err := s.commit(ctx); err != nil {
			return err
		}
		for _, o := range orders {
			s.fly(callCtx, o)
		}
		timer.Reset(until(next))
		select {
		case <-ctx.Done():
			return s.end(ctx, cancel)
		case <-timer.C:
		case o := <-s.outcomes:
			s.land(o)
		case batch := <-s.feed.out:
			s.heed(batch)
		case <-s.changed:
			s.adopt()
		case answer := <-s.asks:
			answer <- s.nearest()
		}
		s.gather(ctx)
	}
}

// until returns how long to wait for next; zero is never.
func until(next time.Time) time.Duration {
	if next.IsZero() {
		return time.Hour
	}
	return max(0, time.Until(next))
}

// gather takes what has come and what comes soon, so that one transaction does
// for all.
func (s *shard) gather(ctx context.Context) {
	if len(s.dirty)+len(s.gaps)+len(s.heeding) == 0 && s.flying == 0 {
		return
	}
	timer := time.NewTimer(max(0, time.Until(s.written.Add(roundEvery))))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-s.outcomes:
			s.land(o)
		case batch := <-s.feed.out:
			s.heed(batch)
		case <-timer.C:
			return
		}
	}
}

// fly makes the calls of an order.
func (s *shard) fly(ctx context.Context, o *order) {
	s.flying++
	s.counted.inFlight.Inc()
	s.calls.Go(func() {
		defer s.counted.inFlight.Dec()
		outs := o.carryOut(ctx, s.counted)
		select {
		case s.outcomes <- outs:
		case <-ctx.Done():
		}
	})
}

// land takes the outcomes of one order.
func (s *shard) land(outs []outcome) {
	now := time.Now()
	s.flying--
	l := s.lane(outs[0].TenantID)
	l.busy--
	over := l.trouble.ended(outs[0].Kind, resultOf(outs[0].Outcome), now)
	for _, o := range outs {
		if c, known := s.wish.clients[o.TenantID]; known && o.pause > 0 {
			kind := kindOf(o.Kind)
			s.limits.pause(c.account, kind, now.Add(o.pause))
			s.counted.pauses[kind].Inc()
		}
		s.finish(o, now)
	}
	if over {
		s.relieve(outs[0].TenantID, now)
	}
	s.retryEarly(now)
}

// relieve lets those of a tenant try at once that wait because of a trouble which
// is over: they are the most urgent ones.
func (s *shard) relieve(tenantID string, now time.Time) {
	var free []State
	for state := range s.planner.States() {
		if state.TenantID == tenantID {
			if state, waited := relieve(state, now); waited {
				free = append(free, state)
			}
		}
	}
	for _, state := range free {
		s.planner.Set(state, now)
	}
}

// finish makes an outcome the state's.
func (s *shard) finish(o outcome, now time.Time) {
	result := resultOf(o.Outcome)
	s.counted.ended(o.Kind, result)
	s.say(o, result)
	if o.Kind == List {
		s.repair(o, now)
		return
	}
	state, ok := s.planner.State(o.Key)
	if !ok {
		state = State{Key: o.Key}
	}
	if result == ResultUnsent && !o.Deleted && !o.Gone {
		// Nothing was tried: it stays due, for us or whoever leads next.
		state.Intent, state.IntentAt = "", time.Time{}
		s.change(state, nil, now)
		return
	}
	state, gaps := Finish(state, o.Action, o.Outcome, now, s.wish.rules)
	s.change(state, gaps, now)
}

// repair settles the orphans of a tenant by its list.
func (s *shard) repair(o outcome, now time.Time) {
	for _, orphan := range s.planner.Orphans(o.TenantID) {
		var gaps []Gap
		wish := s.planner.Wish(orphan.Key)
		if o.Err != nil {
			o.Want = wish
			orphan, gaps = Finish(orphan, o.Action, o.Outcome, now, s.wish.rules)
		} else {
			orphan, gaps = Repair(orphan, wish, o.listed, o.asked, now, s.wish.rules)
		}
		s.change(orphan, gaps, now)
	}
}

// commit writes what has changed since it last did, in one transaction.
func (s *shard) commit(ctx context.Context) error {
	if len(s.dirty)+len(s.gaps) > 0 {
		states := make([]State, 0, len(s.dirty))
		for key := range s.dirty {
			if state, ok := s.planner.State(key); ok {
				states = append(states, state)
			} else {
				states = append(states, State{Key: key, Status: Deleted, UpdatedAt: time.Now()})
			}
		}
		if err := s.store.write(ctx, states, s.gaps); err != nil {
			return fmt.Errorf("write states of shard %d: %w", s.lease.Partition, err)
		}
		clear(s.dirty)
		s.gaps = nil
		s.written = time.Now()
	}
	s.heeding = slices.DeleteFunc(s.heeding, func(p *pending) bool {
		if p.asked {
			// Only memory knows that Graph asked: the notice has to come again
			// until it was obeyed, and that is written.
			state, _ := s.planner.State(p.key)
			p.asked = !state.AskedAt.IsZero()
		}
		p.done = !p.asked
		return p.done
	})
	s.unread.settle()
	return nil
}

// change makes state the last word on its key, to be written.
func (s *shard) change(state State, gaps []Gap, now time.Time) {
	s.set(state, now)
	s.dirty[state.Key] = struct{}{}
	s.gaps = append(s.gaps, gaps...)
	for _, g := range gaps {
		log := s.log.With("cause", g.Cause, "tenant", g.Key.TenantID, "resource", g.Key.Resource, "change_type", g.Key.ChangeType,
			"from", g.From, "evidence", g.Evidence)
		if g.To.IsZero() {
			log.Warn("gap opened")
		} else {
			log.Info("gap closed", "to", g.To)
		}
	}
}

// set makes state known to the planner and to the metrics.
func (s *shard) set(state State, now time.Time) {
	kind := s.kind(state.Resource)
	if before, had := s.planner.State(state.Key); had {
		s.counted.change(&before, kind, -1)
	}
	s.planner.Set(state, now)
	if after, has := s.planner.State(state.Key); has {
		s.counted.change(&after, kind, 1)
	}
}

func (s *shard) kind(resource string) bridge.Kind { return bridge.ParseResource(resource).Kind }

// uncount takes the shard's states out of the metrics.
func (s *shard) uncount() {
	for state := range s.planner.States() {
		s.counted.change(&state, s.kind(state.Resource), -1)
	}
	s.counted.waiting.Sub(float64(s.waiting))
	s.counted.held(s.held, nil)
}

// adopt makes the newest wish the shard's.
func (s *shard) adopt() {
	s.wish = s.wishes()
	s.planner.Want(s.wish.of(s.lease.Partition, s.shards), s.wish.rules, time.Now())
}

// tellHeld says aloud which removals are held back, where that has changed.
func (s *shard) tellHeld() {
	held := s.planner.Held()
	if maps.Equal(held, s.held) {
		return
	}
	for tenant, h := range held {
		if h != s.held[tenant] {
			s.log.Error("removals held back: the file drops more of a tenant's subscriptions than it asks for, so they are kept alive",
				"tenant", tenant, "removals", h.Removals, "desired", h.Desired,
				"fix", fmt.Sprintf("ask for them again, or let them go by %s: %d under the tenant", keyMaxRemovals, h.Removals))
		}
	}
	for tenant := range s.held {
		if _, still := held[tenant]; !still {
			s.log.Info("removals no longer held back", "tenant", tenant)
		}
	}
	s.counted.held(s.held, held)
	s.held = held
	s.tell(held)
}

// announced returns the changes of a renewal that may be made: a certificate
// only where every ingest process has said that it has the key (FACTS §2.4).
func (s *shard) announced(a Action) []Change {
	return slices.DeleteFunc(slices.Clone(a.Changes), func(c Change) bool {
		return c == ChangeCertificate && !s.ingest.open(a.Want.Certificate)
	})
}

func (s *shard) lane(tenant string) *lane {
	l := s.lanes[tenant]
	if l == nil {
		l = newLane(&s.wish.rules)
		s.lanes[tenant] = l
	}
	return l
}

// nearest returns the expiry of the living subscription that expires first, of
// those that are not being ended; zero for none.
func (s *shard) nearest() (at time.Time) {
	for state := range s.planner.States() {
		if state.SubscriptionID != "" && (state.Status == Active || state.Status == Blocked) {
			at = earlier(at, state.ExpiresAt)
		}
	}
	return at
}

// end is the term's last round. A shard that is given back has its calls under
// way waited for, shortly, and its results written; one that is lost has not:
// whoever leads it now will not be disturbed.
func (s *shard) end(ctx context.Context, cancel context.CancelFunc) error {
	if !errors.Is(context.Cause(ctx), errRevoked) {
		return nil
	}
	late := time.NewTimer(graceful)
	defer late.Stop()
	for s.flying > 0 {
		select {
		case o := <-s.outcomes:
			s.land(o)
			continue
		case <-late.C:
		}
		break
	}
	cancel() // what is still under way has its intent on record
	err := s.commit(context.WithoutCancel(ctx))
	if errors.Is(err, kafka.ErrFenced) {
		return nil
	}
	return err
}
