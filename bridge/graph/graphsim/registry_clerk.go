package graphsim

import (
	"context"
	"time"
)

// Lifecycle events (FACTS §3).
const (
	noticeReauthorize = "reauthorizationRequired"
	noticeRemoved     = "subscriptionRemoved"
	noticeMissed      = "missed"
)

// maxHeld bounds what is kept for one subscription.
const maxHeld = 1000

// outgoing is an item that the clerk sends.
type outgoing struct {
	to *endpoint
	it *item
}

// lateNotice is a notice that comes when it means nothing any more, or again.
type lateNotice struct {
	at    time.Time
	to    *endpoint
	sub   *subscription
	event string
	fault Fault
}

// run is the clerk: it lets subscriptions expire, pause and be removed in time,
// and sends their lifecycle notices, until ctx ends.
func (r *registry) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.mu.Lock()
		wait := r.workLocked(time.Now())
		out := r.outbox
		r.outbox = nil
		r.mu.Unlock()
		if len(out) > 0 {
			if r.send(ctx, out) != nil {
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-r.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// send posts items, as many together as one endpoint takes.
func (r *registry) send(ctx context.Context, out []outgoing) error {
	const most = 20
	open := map[*endpoint]*post{}
	var order []*endpoint
	flush := func(e *endpoint) error {
		p := open[e]
		delete(open, e)
		return e.submit(ctx, p)
	}
	for _, o := range out {
		p := open[o.to]
		if p == nil {
			r.mu.Lock()
			r.posts++
			p = &post{seq: 1<<40 + r.posts}
			r.mu.Unlock()
			open[o.to] = p
			order = append(order, o.to)
		}
		if p.items = append(p.items, o.it); len(p.items) == most {
			if err := flush(o.to); err != nil {
				return err
			}
		}
	}
	for _, e := range order {
		if open[e] != nil {
			if err := flush(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// workLocked does what is due and returns how long it is until the next.
func (r *registry) workLocked(now time.Time) time.Duration {
	for len(r.queue) > 0 && r.queue[0].due <= now.UnixNano() {
		r.turnLocked(r.queue[0], now)
	}
	wait := time.Hour
	if len(r.queue) > 0 {
		wait = min(wait, time.Duration(r.queue[0].due-now.UnixNano()))
	}
	kept := r.late[:0]
	for _, n := range r.late {
		if n.at.After(now) {
			kept = append(kept, n)
			wait = min(wait, n.at.Sub(now))
			continue
		}
		r.outbox = append(r.outbox, outgoing{n.to, r.noticeLocked(n.sub, n.event)})
		r.faults.happened(n.fault)
	}
	clear(r.late[len(kept):])
	r.late = kept
	return wait
}

// turnLocked does what is due of l.
func (r *registry) turnLocked(l *living, now time.Time) {
	at := now.UnixNano()
	switch {
	case l.doom <= at && l.told:
		l.doom = never
		r.faults.happened(SubscriptionRemoved)
		r.removeLocked(l, now)
		return
	case l.doom <= at:
		l.doom = never
		r.faults.happened(SilentRemoval)
		r.buryLocked(l, LifeLost, now, 0)
		return
	case !l.sub.expires.After(now):
		r.buryLocked(l, LifeExpired, now, 0)
		return
	}
	if l.vouched <= at && !l.paused {
		l.paused = true
		r.recordLocked(l, LifePaused, "", now, 0)
	}
	if l.notice <= at {
		r.askLocked(l, now)
	}
	r.scheduleLocked(l)
}

// askLocked sends a reauthorizationRequired, and sets the time of the next: each
// comes after twice the pause of the one before.
func (r *registry) askLocked(l *living, now time.Time) {
	l.asked = min(l.asked+1, 8)
	pause := max(r.api.NoticeLead/3, time.Second) << (l.asked - 1)
	l.notice = now.Add(pause).UnixNano()
	if l.to == nil {
		return
	}
	if r.faults.take(NoticeLost) {
		return
	}
	event := noticeReauthorize
	if r.faults.take(NoticeMissed) {
		event = noticeMissed
	}
	r.outbox = append(r.outbox, outgoing{l.to, r.noticeLocked(l.sub, event)})
	r.recordLocked(l, LifeNoticed, event, now, 0)
	if r.faults.claim(NoticeRepeated) {
		r.lateLocked(l, event, NoticeRepeated, now.Add(r.api.NoticeLead/5))
	}
}

// lateLocked has a notice of l sent at a later time, for the fault f, which was
// claimed.
func (r *registry) lateLocked(l *living, event string, f Fault, at time.Time) {
	if l.to == nil {
		r.faults.returned(f)
		return
	}
	r.late = append(r.late, lateNotice{at, l.to, l.sub, event, f})
	signal(r.wake)
}

// removeLocked ends l as Graph does with a notice.
func (r *registry) removeLocked(l *living, now time.Time) {
	if l.to != nil {
		r.outbox = append(r.outbox, outgoing{l.to, r.noticeLocked(l.sub, noticeRemoved)})
		r.recordLocked(l, LifeNoticed, noticeRemoved, now, 0)
		signal(r.wake)
	}
	r.buryLocked(l, LifeRemoved, now, 0)
}

// noticeLocked returns a notice of s, which is entered into the ledger.
func (r *registry) noticeLocked(s *subscription, event string) *item {
	r.counts.notices[event]++
	it := &item{sub: s, lifecycleEvent: event, tenantID: s.tenantID, expires: s.expiry()}
	it.track = r.ledger.add(Entry{
		Topic: "lifecycle", Genuine: true, Fresh: true, LifecycleEvent: event,
		TenantID: s.tenantID, SubscriptionID: s.id, MeetingOrEventKey: s.id,
	}, nil)
	return it
}

// vouchLocked enters that somebody authorized answers for l until then, and
// lets go of what was held.
func (r *registry) vouchLocked(l *living, until int64, now time.Time, call int) {
	l.vouched, l.asked = until, 0
	l.notice = r.noticeTime(l, now)
	if !l.paused || until <= now.UnixNano() {
		return
	}
	l.paused = false
	r.recordLocked(l, LifeResumed, "", now, call)
	held := l.backlog
	l.backlog = nil
	for i := range held.size() {
		it := held.items[i]
		if now.UnixNano()-held.since[i] > int64(r.api.HeldFor) {
			r.ledger.dropped([]*item{it})
			r.counts.heldTooLong++
			continue
		}
		r.outbox = append(r.outbox, outgoing{it.sub.to, it})
	}
	signal(r.wake)
}

// noticeTime returns when the next reauthorizationRequired of l is due: before
// its delivery pauses or it expires, whichever is sooner.
func (r *registry) noticeTime(l *living, now time.Time) int64 {
	end := min(l.vouched, l.sub.expires.UnixNano())
	left := end - now.UnixNano()
	return end - min(int64(r.api.NoticeLead), left/3)
}

// scheduleLocked puts l where its next turn comes.
func (r *registry) scheduleLocked(l *living) {
	l.due = min(l.sub.expires.UnixNano(), l.doom)
	if !l.paused {
		l.due = min(l.due, l.vouched)
	}
	if l.to != nil {
		l.due = min(l.due, l.notice)
	}
	first := len(r.queue) == 0 || l.due < r.queue[0].due
	r.queue.put(l)
	if first {
		signal(r.wake)
	}
}

// hold keeps an item back if its subscription is paused, or drops it if that is
// gone, and reports whether it did either.
func (r *registry) hold(it *item, now time.Time) bool {
	l := it.sub.living
	if l == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case l.gone && l.paused:
		r.ledger.dropped([]*item{it})
		return true
	case !l.paused:
		return false
	}
	if l.backlog == nil {
		l.backlog = &backlog{}
	}
	b := l.backlog
	if b.size() == maxHeld {
		r.ledger.dropped(b.items[:1])
		r.counts.heldTooLong++
		b.items, b.since = b.items[1:], b.since[1:]
	}
	b.items, b.since = append(b.items, it), append(b.since, now.UnixNano())
	return true
}
