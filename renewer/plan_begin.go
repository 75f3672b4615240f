package renewer

import (
	"fmt"
	"time"

	"meetbridge/bridge/graph"
)

// The life of an action: Plan says that it is due, Begin's state is written, the
// call is made, Finish's state and gaps are written in one transaction. A crash
//   - before Begin's state is written: nothing has happened, and Plan says it again;
//   - after it: the intent tells the successor that the call may have been made.
//     TakeOver keeps it where that matters, and Repair looks for what it made;
//   - before Finish's state is written: the same.

// Begin returns the state to be written before the call of a: s with the intent.
// s is the zero State if nothing is known of the key yet.
func Begin(s State, a Action, now time.Time) State {
	if s.Status == "" || s.Status == Deleted {
		s = State{Key: a.Key, Status: Creating}
	}
	switch {
	case a.Kind == Delete:
		s.Status = Deleting
	case a.Kind == Create && !s.alive(now):
		s.adoptWish(a.Want)
	}
	s.Intent, s.IntentAt, s.UpdatedAt = a.Kind, now, now
	return s
}

// Outgoing returns the subscription that a creation or replacement asks Graph
// for, clientState being one for its tenant.
func (a Action) Outgoing(clientState string) graph.Subscription {
	d := a.Want
	return graph.Subscription{
		ChangeType:               d.ChangeType,
		Resource:                 d.Resource,
		NotificationURL:          d.NotificationURL,
		LifecycleNotificationURL: d.LifecycleURL,
		ClientState:              clientState,
		ExpirationDateTime:       a.Expires,
		IncludeResourceData:      d.Rich,
		EncryptionCertificate:    d.Certificate.DER,
		EncryptionCertificateID:  d.Certificate.ID,
		NotificationQueryOptions: d.QueryOptions,
	}
}

// Patch returns what a renewal asks Graph to change.
func (a Action) Patch() graph.Patch {
	p := graph.Patch{ExpirationDateTime: a.Expires}
	for _, c := range a.Changes {
		switch c {
		case ChangeURL:
			p.NotificationURL = a.Want.NotificationURL
		case ChangeCertificate:
			p.EncryptionCertificate, p.EncryptionCertificateID = a.Want.Certificate.DER, a.Want.Certificate.ID
		}
	}
	return p
}

// alive reports whether the subscription lives at now as far as known.
func (s *State) alive(now time.Time) bool { return s.SubscriptionID != "" && now.Before(s.ExpiresAt) }

// adoptWish notes that the subscription is, or is about to be, made as d says.
func (s *State) adoptWish(d *Desired) {
	s.Version, s.Rich, s.QueryOptions = d.Version, d.Rich, d.QueryOptions
	s.NotificationURL, s.LifecycleURL = d.NotificationURL, d.LifecycleURL
	s.CertificateID, s.Thumbprint = d.Certificate.ID, d.Certificate.Thumbprint
	s.ClientStateKeyID = d.ClientStateKeyID
}

// live notes that sub lives, until asked unless it says another time, and ends
// the gap.
func (s *State) live(sub graph.Subscription, asked, now time.Time, r *Rules) []Gap {
	s.Status, s.SubscriptionID = Active, sub.ID
	if sub.ApplicationID != "" {
		s.ApplicationID = sub.ApplicationID
	}
	s.ExpiresAt = r.plausible(sub.ExpirationDateTime, asked, now)
	s.Orphan = false
	s.succeed()
	return s.close(sub.ID, fmt.Sprintf("subscription %s %s", sub.ID, s.Proof), now, now)
}

// plausible returns when a subscription expires that Graph says to expire at
// said, having been asked for asked. Graph raises what is below its minimum; what
// lies behind that or in the past is a fault that must not make the renewer
// believe in eternal life, nor renew without pause.
func (r *Rules) plausible(said, asked, now time.Time) time.Time {
	switch {
	case said.After(later(asked, now.Add(r.MinLifetime)).Add(r.Slack)):
		return asked
	case said.After(now):
		return said.UTC()
	case said.IsZero():
		return asked
	}
	return now.Add(r.MinLifetime)
}

// prove notes what showed that the subscription lived at that time.
func (s *State) prove(at time.Time, by Proof) {
	if at.After(s.ProofAt) {
		s.ProofAt, s.Proof = at, by
	}
}

// delivering returns until when the subscription is known to have delivered: its
// last proof of life, or when Graph asked for a renewal before that. It may have
// paused since, and what it holds back dies with it (FACTS §3).
func (s *State) delivering() time.Time {
	if s.AskedAt.IsZero() {
		return s.ProofAt
	}
	return earlier(s.ProofAt, s.AskedAt)
}

// die notes that the subscription is no more, and opens its gap.
func (s *State) die(cause Cause, evidence string, now time.Time) []Gap {
	gaps := s.open(s.delivering(), cause, evidence, now)
	s.Status, s.SubscriptionID = Dead, ""
	s.ExpiresAt, s.AskedAt = time.Time{}, time.Time{}
	s.succeed()
	return gaps
}
