package graphsim

import (
	"fmt"
	"net/http"
	"time"
)

// mineLocked returns the subscription that c names, if it is the caller's own:
// an app sees no other (FACTS §4.2).
func (s *apiServer) mineLocked(c *apiCall, now time.Time) (*living, *apiError) {
	l := s.registry.findLocked(c.id, now)
	if l == nil || l.owner != c.token.app || l.tenant != c.token.tenant {
		return nil, notThere()
	}
	return l, nil
}

// get answers GET /subscriptions/{id}.
func (s *apiServer) get(c *apiCall) (reply, *apiError) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	l, e := s.mineLocked(c, time.Now())
	if e != nil {
		return reply{}, e
	}
	return c.answerJSON(http.StatusOK, l.wire(s.context(c, true), true)), nil
}

// remove answers DELETE /subscriptions/{id}.
func (s *apiServer) remove(c *apiCall) (reply, *apiError) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	now := time.Now()
	l, e := s.mineLocked(c, now)
	if e != nil {
		return reply{}, e
	}
	s.registry.buryLocked(l, LifeDeleted, now, c.number)
	return reply{status: http.StatusNoContent}, nil
}

// reauthorize answers POST /subscriptions/{id}/reauthorize: it vouches, and
// extends nothing (FACTS §3).
func (s *apiServer) reauthorize(c *apiCall) (reply, *apiError) {
	if e := s.again(c, ""); e != nil {
		return reply{}, e
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	now := time.Now()
	l, e := s.mineLocked(c, now)
	if e != nil {
		return reply{}, e
	}
	l.reauthed = now.UnixNano()
	s.registry.twiceLocked(l)
	s.registry.recordLocked(l, LifeReauthorized, "", now, c.number)
	s.registry.vouchLocked(l, s.vouchedUntil(c.token, now), now, c.number)
	s.registry.scheduleLocked(l)
	return reply{status: http.StatusNoContent}, nil
}

// again asks the endpoints of the subscription that c names whether they are
// still there (FACTS §1.1), the new notification URL if there is one.
func (s *apiServer) again(c *apiCall, url string) *apiError {
	s.registry.mu.Lock()
	l, e := s.mineLocked(c, time.Now())
	var notices string
	if e == nil && !s.api.NoHandshakes {
		if url == "" {
			url = l.sub.to.url
		}
		if l.to != nil {
			notices = l.to.url
		}
	}
	s.registry.mu.Unlock()
	if e != nil {
		return e
	}
	return s.handshakes(url, notices)
}

// twiceLocked counts l if it was renewed and reauthorized within ten minutes,
// which nobody is to do (FACTS §3).
func (r *registry) twiceLocked(l *living) {
	apart := l.renewed - l.reauthed
	if l.renewed != 0 && l.reauthed != 0 && max(apart, -apart) < int64(10*time.Minute) {
		r.counts.tooSoonTwice++
	}
}

// patch is what an update changes.
type patch struct {
	expires time.Time // zero: no change
	sealer  *sealer
	to      *endpoint
}

// update answers PATCH /subscriptions/{id}.
func (s *apiServer) update(c *apiCall) (reply, *apiError) {
	q, e := parseSubscription(c.body)
	if e != nil {
		return reply{}, e
	}
	p, e := s.patch(c, q)
	if e != nil {
		return reply{}, e
	}
	if e := s.again(c, text(q.NotificationURL)); e != nil {
		return reply{}, e
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	now := time.Now()
	l, e := s.mineLocked(c, now)
	if e != nil {
		return reply{}, e // it died while its endpoint was asked
	}
	next := *l.sub
	if p.sealer != nil {
		next.sealer = p.sealer
	}
	if p.to != nil {
		next.to = p.to
	}
	how := LifeChanged
	if !p.expires.IsZero() {
		next.expires = p.expires
		how, l.renewed = LifeRenewed, now.UnixNano()
		s.registry.twiceLocked(l)
	}
	l.sub = &next
	s.registry.recordLocked(l, how, "", now, c.number)
	if how == LifeRenewed {
		s.registry.doomLocked(l, now)
		s.registry.vouchLocked(l, s.vouchedUntil(c.token, now), now, c.number)
	}
	s.registry.scheduleLocked(l)
	return c.answerJSON(http.StatusOK, l.wire(s.context(c, true), true)), nil
}

// updatable returns what of q an update cannot change (FACTS §2.4, §3).
func updatable(q *subscriptionRequest) *apiError {
	for _, m := range []struct {
		name  string
		there bool
	}{
		{"lifecycleNotificationUrl", q.LifecycleNotificationURL != nil},
		{"resource", q.Resource != nil},
		{"changeType", q.ChangeType != nil},
		{"clientState", q.ClientState != nil},
		{"includeResourceData", q.IncludeResourceData != nil},
		{"notificationUrlAppId", q.NotificationURLAppID != nil},
		{"notificationQueryOptions", q.NotificationQueryOptions != nil},
	} {
		if m.there {
			return badRequest(fmt.Sprintf("Property '%s' cannot be updated.", m.name))
		}
	}
	if q.Expires == nil && q.NotificationURL == nil {
		return badRequest("The request must contain expirationDateTime or notificationUrl.")
	}
	return nil
}

// patch returns what q changes of the subscription that c names, or which rule
// it breaks.
func (s *apiServer) patch(c *apiCall, q *subscriptionRequest) (patch, *apiError) {
	var p patch
	s.registry.mu.Lock()
	now := time.Now()
	l, e := s.mineLocked(c, now)
	if e == nil {
		e = updatable(q)
	}
	if e == nil && q.Expires != nil {
		p.expires, e = s.expiry(*q.Expires, l.kind, l.to != nil, now, "ErrorInvalidParameter")
	}
	sealed := e == nil && (q.Certificate != nil || q.CertificateID != nil)
	if sealed && l.sub.sealer == nil {
		e = badRequest("encryptionCertificate cannot be set on a subscription without includeResourceData.")
	}
	s.registry.mu.Unlock()
	if e != nil {
		return p, e
	}
	if half := p.expires.Sub(now) / 2; c.deed == RenewedShort && half > s.api.MinLifetime {
		p.expires = now.Add(half).UTC().Truncate(100 * time.Nanosecond)
		s.did(c)
	}
	if sealed {
		if p.sealer, e = s.registry.sealer(text(q.CertificateID), text(q.Certificate)); e != nil {
			return p, e
		}
	}
	if q.NotificationURL != nil {
		if e := s.registry.checkURL("notificationUrl", *q.NotificationURL); e != nil {
			return p, e
		}
		var err error
		if p.to, err = s.registry.endpoint(*q.NotificationURL); err != nil {
			return p, tooManyURLs()
		}
	}
	return p, nil
}

// tooManyURLs is the answer for one different notification URL too many.
func tooManyURLs() *apiError {
	return forbidden("There are too many different notification URLs.")
}
