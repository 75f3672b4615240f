package graphsim

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"
)

// beginAPI makes the tenants of w known to the API, has w tell the living
// subscriptions, and lets calls in. Sim.mu is held.
func (s *Sim) beginAPI(w *world) {
	r := s.api.registry
	for _, t := range w.tenants {
		r.admit(t.id, t.domain)
	}
	w.registry, w.manner = r, rand.New(rand.NewPCG(s.cfg.Seed, 0x3a))
	s.api.begin(s.ctx)
	s.group.run(s.ctx, "graphsim-clerk", r.run)
	if l := s.cfg.API.Listener; l != nil {
		s.serve("graphsim-api", s.api.server(), l, func(server *http.Server, l net.Listener) error { return server.ServeTLS(l, "", "") })
	}
}

// APIURL returns the base URL of the API and of the authority that its tokens
// come from; "" without Config.API.
func (s *Sim) APIURL() string {
	if s.api == nil {
		return ""
	}
	return s.api.api.URL
}

// APIAddr returns the address of the API's listener; nil if there is none.
func (s *Sim) APIAddr() net.Addr {
	if s.cfg.API == nil || s.cfg.API.Listener == nil {
		return nil
	}
	return s.cfg.API.Listener.Addr()
}

// CA returns the certificate, as PEM, of the authority that signed the API's;
// nil without Config.API.
func (s *Sim) CA() []byte {
	if s.api == nil {
		return nil
	}
	return s.api.ca.pem
}

// APIHandler returns the API and the token endpoint as a handler, for tests
// without a network; nil without Config.API. It breaks connections off by
// panicking with http.ErrAbortHandler where a fault says so. Until Start it
// answers 503.
func (s *Sim) APIHandler() http.Handler {
	if s.api == nil {
		return nil
	}
	return s.api
}

// Tenants returns the organisations of the world as Start made them.
func (s *Sim) Tenants() []Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Tenant(nil), s.tenants...)
}

// Subscription is a living subscription as the API knows it.
type Subscription struct {
	ID              string    `json:"id"`
	AppID           string    `json:"app_id"`
	TenantID        string    `json:"tenant_id"`
	Resource        string    `json:"resource"`
	ChangeType      string    `json:"change_type"`
	NotificationURL string    `json:"notification_url"`
	LifecycleURL    string    `json:"lifecycle_url,omitempty"`
	ClientState     string    `json:"-"`
	CertificateID   string    `json:"certificate_id,omitempty"` // "": basic
	Expires         time.Time `json:"expires"`
	Vouched         time.Time `json:"vouched,omitzero"` // when its delivery pauses; zero: never
	Paused          bool      `json:"paused"`
	Held            int       `json:"held"` // items that wait for the end of the pause
}

// Subscriptions returns the living subscriptions in the order of their creation;
// nil without Config.API.
func (s *Sim) Subscriptions() []Subscription {
	if s.api == nil {
		return nil
	}
	r := s.api.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	alive := make([]*living, 0, len(r.byID))
	for _, l := range r.byID {
		if l.sub.expires.After(now) {
			alive = append(alive, l)
		}
	}
	slices.SortFunc(alive, func(a, b *living) int { return cmp.Compare(a.seq, b.seq) })
	out := make([]Subscription, len(alive))
	for i, l := range alive {
		out[i] = l.describe()
	}
	return out
}

// describe returns l as others see it.
func (l *living) describe() Subscription {
	s := Subscription{
		ID: l.sub.id, AppID: l.owner.id, TenantID: l.sub.tenantID, Resource: l.sub.resource, ChangeType: l.changes.String(),
		NotificationURL: l.sub.to.url, ClientState: l.sub.clientState, Expires: l.sub.expires, Paused: l.paused, Held: l.backlog.size(),
	}
	if l.to != nil {
		s.LifecycleURL = l.to.url
	}
	if l.sub.sealer != nil {
		s.CertificateID = l.sub.sealer.id
	}
	if l.vouched != never {
		s.Vouched = time.Unix(0, l.vouched).UTC()
	}
	return s
}

// Lives returns the history of every subscription that there ever was, in the
// order of their creation; nil without Config.API or with its OnLife.
func (s *Sim) Lives() []Life {
	if s.api == nil {
		return nil
	}
	r := s.api.registry
	r.mu.Lock()
	events := make([]LifeEvent, len(r.lives))
	for i, rec := range r.lives {
		events[i] = rec.event()
	}
	r.mu.Unlock()
	return LivesOf(events)
}

// Events returns what happened in the world and who was told; nil without
// Config.API or with its OnEvent.
func (s *Sim) Events() []Event {
	if s.api == nil {
		return nil
	}
	r := s.api.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}
