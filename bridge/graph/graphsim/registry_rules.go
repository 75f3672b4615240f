package graphsim

import (
	"fmt"
	"net/http"
	"time"
)

// roomLocked returns which quota forbids l, or whose place it would take
// (FACTS §4.2, §4.4); nil if it may live.
func (r *registry) roomLocked(l *living, quota int, now time.Time) *apiError {
	if len(r.queue) > 0 && r.queue[0].due <= now.UnixNano() {
		r.workLocked(now) // what should have expired by now takes no place
		signal(r.wake)
	}
	var ofApp, ofAll int
	for at := l.tenant.byKey[l.key]; at != nil; at = at.next {
		ofAll++
		if at.owner != l.owner {
			continue
		}
		ofApp++
		if at.changes == l.changes && at.filter.equal(l.filter) {
			return conflict(at.sub.id)
		}
	}
	limits := l.kind.limits
	for _, q := range []struct {
		have, most int
		of         string
	}{
		{ofApp, limits.perApp, "the app on this resource"},
		{ofAll, limits.perUser, "the user"},
		{l.tenant.groups[limits.group], limits.perTenant, "the organization's " + limits.group},
		{l.tenant.groups[limits.group+"\n"+l.owner.id], limits.perAppInGroup, "the app on " + limits.group},
	} {
		if q.most > 0 && q.have >= q.most {
			return forbidden(fmt.Sprintf("The number of subscriptions of %s has reached its limit of %d.", q.of, q.most))
		}
	}
	if l.kind.teams && l.tenant.teams >= quota {
		return quotaReached(quota)
	}
	return nil
}

// quotaReached is the answer when the organisation's places are taken.
func quotaReached(quota int) *apiError {
	return forbidden(fmt.Sprintf("The number of subscriptions to Teams resources of the organization has reached its limit of %d.", quota))
}

// conflict is the answer to a second subscription for the same thing: the id in
// its text can be adopted (FACTS §4.2).
func conflict(id string) *apiError {
	return &apiError{status: http.StatusConflict, code: "Conflict", message: fmt.Sprintf("Subscription Id %s already exists for the requested combination", id)}
}

// doomLocked decides whether Graph will remove l before its time, and when.
func (r *registry) doomLocked(l *living, now time.Time) {
	if l.doom != never {
		return
	}
	switch {
	case l.sub.messages && r.faults.claim(SubscriptionRemoved):
		l.told = true
	case r.faults.claim(SilentRemoval):
		l.told = false
	default:
		return
	}
	l.doom = now.UnixNano() + int64(float64(l.sub.expires.Sub(now))*r.rng.Float64())
}

// sparedLocked takes the doom off l, which ends in another way.
func (r *registry) sparedLocked(l *living) {
	switch {
	case l.doom == never:
	case l.told:
		r.faults.returned(SubscriptionRemoved)
	default:
		r.faults.returned(SilentRemoval)
	}
	l.doom = never
}

// reader is a living subscription that an event is told to.
type reader struct {
	sub  *subscription
	held bool
}

// audience returns the living subscriptions of a tenant that cover an event,
// and enters the event. A minor event is one that is seen from another side:
// when nobody listens it is not entered at all.
func (r *registry) audience(e Event, minor bool, now time.Time) (readers []reader, seq int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.tenants[e.TenantID]
	if d == nil {
		return nil, 0
	}
	change := changeOf(e.ChangeType)
	for _, path := range e.Covers {
		var next *living
		for l := d.byKey[keyOf(path)]; l != nil; l = next {
			next = l.next
			if l.changes&change == 0 || !l.filter.lets(e.Facet) || !l.sub.expires.After(now) {
				continue
			}
			if l.vouched <= now.UnixNano() && !l.paused {
				r.turnLocked(l, now) // before the clerk comes to it
				signal(r.wake)
			}
			if l.gone {
				continue
			}
			readers = append(readers, reader{l.sub, l.paused})
			e.Told = append(e.Told, l.sub.id)
			if l.paused {
				e.Held = append(e.Held, l.sub.id)
			}
		}
	}
	if minor && len(readers) == 0 {
		return nil, 0
	}
	r.counts.events++
	r.counts.told += len(e.Told)
	r.counts.held += len(e.Held)
	r.counts.unheard += count(len(readers) == 0)
	e.Seq, e.At = r.counts.events, now.UTC()
	if r.api.OnEvent != nil {
		r.api.OnEvent(e)
	} else {
		r.events = append(r.events, e)
	}
	return readers, e.Seq
}

// target returns a living subscription of a tenant for which f can be forged,
// and the clientState of another tenant; nil for none.
func (r *registry) target(tenantID string, f Fault) (sub *subscription, foreign string) {
	sealed := false
	for _, i := range FaultList() {
		sealed = sealed || i.Fault == f && i.Sealed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.tenants[tenantID]
	for _, l := range d.all {
		if l != nil && l.sub.clientState != "" && (!sealed || l.sub.rich()) {
			sub = l.sub
			break
		}
	}
	if sub == nil || f != ForgeClientStateForeign {
		return sub, ""
	}
	for _, l := range r.byID {
		if l.tenant != d && l.sub.clientState != "" && l.sub.clientState != sub.clientState {
			return sub, l.sub.clientState
		}
	}
	return nil, ""
}
