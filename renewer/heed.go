package renewer

import (
	"context"
	"strings"
	"time"
)

// unheeded are the notices that were read and not heeded for good yet, in order.
type unheeded struct {
	feed    *feed
	waiting map[int32][]*pending // by partition, in order of offsets
}

// pending is one of them.
type pending struct {
	received
	key   Key
	asked bool // its effect is not on record yet: AskedAt
	done  bool
}

func (o *unheeded) add(r received) *pending {
	p := &pending{received: r}
	o.waiting[r.at.partition] = append(o.waiting[r.at.partition], p)
	return p
}

// settle tells the feed how far all are done.
func (o *unheeded) settle() {
	for partition, list := range o.waiting {
		n := 0
		for n < len(list) && list[n].done {
			n++
		}
		if n > 0 {
			o.feed.heed(partition, list[n-1].at.offset+1)
		}
		// Behind one that is not done, as of a subscription that Graph will not have
		// renewed for days, only the ends of those that are have to be remembered.
		kept := list[:0]
		for i, p := range list[n:] {
			if next := n + i + 1; !p.done || next == len(list) || !list[next].done {
				kept = append(kept, p)
			}
		}
		clear(list[len(kept):])
		o.waiting[partition] = kept
	}
}

// catchUpWithin is how long a leader reads what was said before its time. Nothing
// lapses for it: what is due is so hours before.
const catchUpWithin = 5 * time.Second

// catchUp heeds what was said while nobody led, before anything is planned: a
// renewal that is due anyway would make a wish of hours ago to be reauthorized
// stale, and nobody would know any more what was lost until then.
func (s *shard) catchUp(ctx context.Context) {
	timer := time.NewTimer(catchUpWithin)
	defer timer.Stop()
	for {
		select {
		case batch := <-s.feed.out:
			s.heed(batch)
		case <-s.feed.caughtUp:
			return
		case <-timer.C:
			s.log.WarnContext(ctx, "lifecycle notices are slow to come, leading without the rest of them", "waited", catchUpWithin)
			return
		case <-ctx.Done():
			return
		}
	}
}

// heed takes notices.
func (s *shard) heed(batch []received) {
	now := time.Now()
	for _, r := range batch {
		s.consider(s.unread.add(r), now)
	}
}

func (s *shard) consider(p *pending, now time.Time) {
	key, known := s.planner.Named(p.SubscriptionID)
	switch {
	case p.SubscriptionID == "":
		s.counted.notices["unreadable"].Inc()
	case known:
		state, _ := s.planner.State(key)
		after, gaps, heeded := Heed(state, p.Notice, now, s.wish.rules)
		if !heeded {
			s.counted.notices["stale"].Inc()
			break
		}
		s.counted.notices["heeded"].Inc()
		p.key, p.asked = key, !after.AskedAt.IsZero()
		s.change(after, gaps, now)
	case s.creating(p.TenantID) && len(s.early) < maxEarly:
		s.early = append(s.early, p)
		return
	default:
		s.counted.notices["unknown"].Inc()
	}
	s.heeding = append(s.heeding, p)
}

// maxEarly bounds the notices that wait for a creation to end.
const maxEarly = 1000

// creating reports whether a subscription may come to be, or come to be known,
// that a notice of the tenant is about.
func (s *shard) creating(tenantID string) bool {
	for tenant, l := range s.lanes {
		if l.busy > 0 && (tenantID == "" || strings.EqualFold(tenant, tenantID)) {
			return true
		}
	}
	return s.planner.Orphaned(tenantID)
}

// retryEarly takes the notices that may be of a subscription known by now.
func (s *shard) retryEarly(now time.Time) {
	early := s.early
	s.early = nil
	for _, p := range early {
		s.consider(p, now)
	}
}
