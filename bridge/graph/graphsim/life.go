package graphsim

import (
	"slices"
	"time"
)

// LifeKind is what happens to a subscription.
type LifeKind string

// What can happen to a subscription.
const (
	LifeCreated      LifeKind = "created"
	LifeRenewed      LifeKind = "renewed"      // by a PATCH of expirationDateTime
	LifeChanged      LifeKind = "changed"      // by a PATCH of something else
	LifeReauthorized LifeKind = "reauthorized" // by POST reauthorize
	LifePaused       LifeKind = "paused"       // nobody vouches for it any more: delivery stops
	LifeResumed      LifeKind = "resumed"      // a renewal or reauthorization came
	LifeNoticed      LifeKind = "noticed"      // a lifecycle notice was sent
	LifeExpired      LifeKind = "expired"
	LifeDeleted      LifeKind = "deleted"
	LifeRemoved      LifeKind = "removed" // by Graph, with a subscriptionRemoved notice
	LifeLost         LifeKind = "lost"    // by Graph, silently
)

// ends reports whether a subscription does not outlive k.
func (k LifeKind) ends() bool {
	return k == LifeExpired || k == LifeDeleted || k == LifeRemoved || k == LifeLost
}

// LifeEvent is one thing that happened to a subscription.
type LifeEvent struct {
	At             time.Time `json:"at"`
	Kind           LifeKind  `json:"kind"`
	SubscriptionID string    `json:"subscription_id"`
	AppID          string    `json:"app_id"`
	TenantID       string    `json:"tenant_id"`
	Resource       string    `json:"resource"` // as subscribed
	ChangeType     string    `json:"change_type"`
	Expires        time.Time `json:"expires"`               // as it then was
	Certificate    string    `json:"certificate,omitempty"` // its id; "" for a basic one
	Notice         string    `json:"notice,omitempty"`      // which lifecycle event was sent
	Call           int       `json:"call,omitempty"`        // the number of the API call that did it; 0: none
	// NotificationURL is where its notifications went from then on, when it was
	// created, renewed or changed.
	NotificationURL string `json:"notification_url,omitempty"`
}

// Life is the whole history of one subscription.
type Life struct {
	SubscriptionID string      `json:"subscription_id"`
	AppID          string      `json:"app_id"`
	TenantID       string      `json:"tenant_id"`
	Resource       string      `json:"resource"`
	ChangeType     string      `json:"change_type"`
	Events         []LifeEvent `json:"events"` // oldest first, the first is created
}

// Span is a time from From up to, not including, To; a zero To means that it
// goes on.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

// Alive returns when the subscription existed, pauses included.
func (l Life) Alive() Span {
	var s Span
	for _, e := range l.Events {
		if e.Kind == LifeCreated {
			s.From = e.At
		}
		if e.Kind.ends() {
			s.To = e.At
		}
	}
	return s
}

// Delivered returns when notifications of it went out at once: Alive less the
// pauses.
func (l Life) Delivered() []Span {
	var out []Span
	open := false
	for _, e := range l.Events {
		switch {
		case e.Kind == LifeCreated, e.Kind == LifeResumed:
			out, open = append(out, Span{From: e.At}), true
		case open && (e.Kind == LifePaused || e.Kind.ends()):
			out[len(out)-1].To, open = e.At, false
		}
	}
	return out
}

// LivesOf gathers events, as Config.API.OnLife got them, into lives in the order
// of their creation.
func LivesOf(events []LifeEvent) []Life {
	var out []Life
	at := map[string]int{}
	for _, e := range events {
		i, ok := at[e.SubscriptionID]
		if !ok {
			i = len(out)
			at[e.SubscriptionID] = i
			out = append(out, Life{SubscriptionID: e.SubscriptionID, AppID: e.AppID, TenantID: e.TenantID, Resource: e.Resource, ChangeType: e.ChangeType})
		}
		out[i].Events = append(out[i].Events, e)
	}
	return out
}

// Covered returns when at least one subscription of the tenant watched resource
// (any spelling) for changeType, by the lives given: disjoint, oldest first.
// What lies between them is a gap.
func Covered(lives []Life, tenantID, resource, changeType string) []Span {
	want, err := ResourceKey(resource)
	if err != nil {
		return nil
	}
	var all []Span
	for _, l := range lives {
		key, err := ResourceKey(l.Resource)
		if err == nil && key == want && l.TenantID == tenantID && changesOf(l.ChangeType)&changeOf(changeType) != 0 {
			all = append(all, l.Alive())
		}
	}
	slices.SortStableFunc(all, func(a, b Span) int { return a.From.Compare(b.From) })
	var out []Span
	for _, s := range all {
		last := len(out) - 1
		switch {
		case last < 0 || !out[last].To.IsZero() && s.From.After(out[last].To):
			out = append(out, s)
		case out[last].To.IsZero():
		case s.To.IsZero() || s.To.After(out[last].To):
			out[last].To = s.To
		}
	}
	return out
}

// Event is one thing that happened in the world, and who was told. The items
// that tell of it name it in Entry.Event.
type Event struct {
	Seq        int       `json:"seq"` // from 1
	At         time.Time `json:"at"`
	TenantID   string    `json:"tenant_id"`
	Topic      string    `json:"topic"`
	ChangeType string    `json:"change_type"`
	Resource   string    `json:"resource"` // as sent, or as it would have been
	// Covers are the resources whose subscriptions tell of it, as ResourceKey
	// spells them. A filter may still leave it out: Facet is what that looks at.
	Covers []string `json:"covers"`
	Facet  string   `json:"facet,omitempty"`
	// Told are the living subscriptions that it went to, Held those of them
	// whose delivery was paused.
	Told []string `json:"told"`
	Held []string `json:"held,omitempty"`
}
