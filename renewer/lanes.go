package renewer

import (
	"errors"
	"time"

	"meetbridge/bridge/graph"
)

const (
	// laneWidth bounds the calls of one tenant under way: one whose calls hang
	// holds no others back.
	laneWidth = 32
	// maxLinger is how long a read waits at most for others to go with: a hundredth
	// of how often they are, so that it does not keep a renewal waiting.
	maxLinger = 30 * time.Second
)

// lane is the way of one tenant's actions to Graph.
type lane struct {
	busy      int       // calls under way
	until     time.Time // Graph's limits have no room for the first that is due before
	readUntil time.Time // nor for reads
	trouble   trouble
	linger    time.Duration
	reads     map[graph.Version]*reads
}

// reads are due, and wait for each other.
type reads struct {
	actions []Action
	since   time.Time
}

// ripe reports whether they are enough, or have waited long enough.
func (r *reads) ripe(now time.Time, linger time.Duration) bool {
	return len(r.actions) >= graph.MaxBatch || len(r.actions) > 0 && now.Sub(r.since) >= linger
}

func (l *lane) read(v graph.Version, a Action, now time.Time) {
	r := l.reads[v]
	if r == nil {
		r = &reads{}
		l.reads[v] = r
	}
	if len(r.actions) == 0 {
		r.since = now
	}
	r.actions = append(r.actions, a)
}

// nextRead returns when reads are ripe by themselves; zero for never.
func (l *lane) nextRead() (at time.Time) {
	for _, r := range l.reads {
		if len(r.actions) > 0 && l.busy < laneWidth { // else an answer wakes it
			at = earlier(at, later(r.since.Add(l.linger), l.readUntil))
		}
	}
	return at
}

// choose hands out what can go to Graph at now: orders whose first request, and
// for reads every one, is counted by the limits already. Their states have
// begun. next is when there will be more by itself, zero for never.
func (s *shard) choose(now time.Time) (orders []*order, next time.Time) {
	tenants, next := s.planner.Wake(now)
	if !s.lease.Fresh(now) {
		return nil, now.Add(s.freshEvery)
	}
	// Reads that have lingered go first: their subscriptions wait with them, and
	// they take one place for twenty.
	for tenant, l := range s.lanes {
		orders = s.takeReads(tenant, l, orders, now)
	}
	waiting := 0
	for _, tenant := range tenants {
		l := s.lane(tenant)
		more, sick := true, time.Time{}
		for l.busy < laneWidth && !now.Before(l.until) {
			var ok bool
			if sick, ok = l.trouble.open(now); !ok {
				break
			}
			var a Action
			if a, more = s.planner.Pop(tenant, now); !more {
				break
			}
			if o := s.prepare(l, a, now); o != nil {
				orders = append(orders, o)
				l.busy++
				l.trouble.begun(a.Kind)
			}
		}
		if more {
			for a, ok := s.planner.PopRead(tenant, now); ok; a, ok = s.planner.PopRead(tenant, now) {
				_ = s.prepare(l, a, now) // it is made when reads are ripe
			}
			waiting++
			switch {
			case l.busy >= laneWidth: // an answer wakes it
			case now.Before(l.until):
				next = earlier(next, l.until)
			default:
				next = earlier(next, sick)
			}
		}
	}
	for _, l := range s.lanes {
		next = earlier(next, l.nextRead())
	}
	_, putOff := s.planner.Wake(now) // what was just now
	next = earlier(next, putOff)
	s.counted.waiting.Add(float64(waiting - s.waiting))
	s.waiting = waiting
	return orders, next
}

// earlier returns the earlier of two instants; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// prepare begins the action that the planner handed out, or gives it back where
// Graph's limits have no room. It returns nil for what needs no call yet.
func (s *shard) prepare(l *lane, a Action, now time.Time) *order {
	before, _ := s.planner.State(a.Key)
	c, known := s.wish.clients[a.TenantID]
	switch {
	case a.Kind == Forget:
		s.finish(outcome{Action: a}, now)
		return nil
	case !known: // the planner hands out nothing else for a tenant that is not listed
		s.finish(outcome{Action: a, Outcome: Outcome{Err: errNoClient}}, now)
		return nil
	case a.Kind == Read:
		s.set(Begin(before, a, now), now)
		l.read(before.Version, a, now)
		return nil
	case s.vain(a, &before, now):
		before.NextAttemptAt = now.Add(rosterEvery)
		s.set(before, now)
		return nil
	}
	kind := kindOf(a.Kind)
	if wait := s.limits.take(c.account, kind, now); wait > 0 {
		s.counted.throttled[kind].Inc()
		if a.Kind == List {
			s.postponeList(a.TenantID, now.Add(wait), now)
			return nil
		}
		l.until = now.Add(wait)
		s.planner.Return(a, now)
		return nil
	}
	o := s.order(c, before.Version, a)
	switch a.Kind {
	case List:
		orphans := s.planner.Orphans(a.TenantID)
		wishes := make([]*Desired, len(orphans))
		for i := range orphans {
			wishes[i] = s.planner.Wish(orphans[i].Key)
		}
		o.sought = func(sub graph.Subscription) bool {
			for i, orphan := range orphans {
				if Sought(orphan, wishes[i], sub) {
					return true
				}
			}
			return false
		}
		return o
	case Renew:
		o.actions[0].Changes = s.announced(a)
	case Create, Replace:
		o.careful = l.trouble.failed > 0
		var err error
		if o.clientState, err = s.wish.clientState(a.TenantID); err != nil {
			s.finish(outcome{Action: a, Outcome: Outcome{Err: err}}, now)
			return nil
		}
	}
	s.change(Begin(before, a, now), nil, now)
	return o
}

// vain reports whether a renewal was hastened for a certificate alone that
// cannot be given yet: without it, the renewal would be due again at once.
func (s *shard) vain(a Action, before *State, now time.Time) bool {
	return a.Kind == Renew && s.wish.rules.Hasten && len(a.Changes) > 0 && len(s.announced(a)) == 0 &&
		before.AskedAt.IsZero() && now.Before(s.wish.rules.renewalDue(before, before.chance()))
}

// What becomes of actions that are not carried out.
var (
	errNoClient = errors.New("renewer: no credentials for the tenant")
	errPaused   = errors.New("renewer: graph asks to wait")
)

func (s *shard) order(c client, v graph.Version, actions ...Action) *order {
	return &order{
		actions: actions, version: v, graph: c.graph,
		pass: &pass{lease: s.lease, limits: s.limits, account: c.account, paid: true},
	}
}

// postponeList makes the planner hand out the list of a tenant not before then.
func (s *shard) postponeList(tenant string, until, now time.Time) {
	for _, orphan := range s.planner.Orphans(tenant) {
		orphan.NextAttemptAt = later(orphan.NextAttemptAt, until)
		s.planner.Set(orphan, now)
	}
}

// takeReads adds an order for each batch of reads that is ripe, as far as
// Graph's limits have room: they count each.
func (s *shard) takeReads(tenant string, l *lane, orders []*order, now time.Time) []*order {
	c, known := s.wish.clients[tenant]
	for v, r := range l.reads {
		for l.busy < laneWidth && !now.Before(l.readUntil) && r.ripe(now, l.linger) {
			if !known {
				s.dropReads(r, errNoClient, now)
				break
			}
			n := 0
			for ; n < min(len(r.actions), graph.MaxBatch); n++ {
				if wait := s.limits.take(c.account, readCall, now); wait > 0 {
					l.readUntil = now.Add(wait)
					s.counted.throttled[readCall].Inc()
					if wait > l.linger+time.Second { // Graph's Retry-After: renewals must not wait for it
						s.dropReads(r, errPaused, now)
					}
					break
				}
			}
			if n = min(n, len(r.actions)); n == 0 {
				break
			}
			orders = append(orders, s.order(c, v, r.actions[:n:n]...))
			r.actions, r.since = r.actions[n:], now
			l.busy++
		}
	}
	return orders
}

// dropReads ends reads that are not made; they will be due again.
func (s *shard) dropReads(r *reads, why error, now time.Time) {
	actions := r.actions
	r.actions = nil
	for _, a := range actions {
		s.finish(outcome{Action: a, Outcome: Outcome{Err: why}}, now)
	}
}

func newLane(r *Rules) *lane {
	l := &lane{linger: min(maxLinger, r.ReadEvery/100), reads: map[graph.Version]*reads{}}
	if r.Hasten {
		l.linger = min(l.linger, roundEvery)
	}
	return l
}
