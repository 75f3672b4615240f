package renewer

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// Finish returns the state to be written after the call or calls of a, with the
// gaps that opened and closed. s is what Begin returned, or what notices have
// made of it since.
func Finish(s State, a Action, o Outcome, now time.Time, r Rules) (State, []Gap) {
	if a.Kind == List {
		return s.unlisted(a.Want, o, now, &r)
	}
	// What an answer says was so when Graph made it: after the call began.
	begun := s.IntentAt
	if begun.IsZero() || begun.After(now) {
		begun = now
	}
	s.Intent, s.IntentAt, s.UpdatedAt = "", time.Time{}, now
	if (a.Kind == Renew || a.Kind == Read) && s.SubscriptionID != a.SubscriptionID {
		return s, nil // removed while the call was under way: what it said is older, or 404
	}
	var gaps []Gap
	switch a.Kind {
	case Create:
		gaps = s.created(a, o, begun, now, &r)
	case Renew:
		gaps = s.renewed(a, o, begun, now, &r)
	case Replace:
		gaps = s.replaced(a, o, begun, now, &r)
	case Read:
		gaps = s.read(a, o, begun, now, &r)
	case Delete:
		if o.Err != nil && classify(o.Err) != gone {
			s.fail(o.Err, now, &r)
			break
		}
		if o.Err != nil && s.Attempts == 0 && s.alive(now) { // it was dead while it was desired still
			gaps = s.open(s.delivering(), CauseNotFound, "Graph answers to its deletion that subscription "+s.SubscriptionID+" does not exist", now)
		}
		if o.Err == nil {
			gaps = s.held(now, &r) // what it still holds dies with it
		}
		gaps = append(gaps, s.end(now)...)
	case Forget:
		gaps = s.end(now)
	}
	return s, gaps
}

// end notes that there is none, and that nobody wishes one.
func (s *State) end(now time.Time) []Gap {
	s.Status, s.SubscriptionID, s.ExpiresAt = Deleted, "", time.Time{}
	s.succeed()
	return s.close("", "no longer desired", now, now)
}

// born notes a subscription that was just made as a wishes.
func (s *State) born(a Action, sub graph.Subscription, now time.Time, r *Rules) []Gap {
	s.adoptWish(a.Want)
	s.CreatedAt, s.RenewedAt = now, now
	s.ReauthorizedAt, s.ReadAt, s.AskedAt = time.Time{}, time.Time{}, time.Time{}
	s.ApplicationID = a.Want.ApplicationID
	s.prove(now, ByCreation)
	return s.live(sub, a.Expires, now, r)
}

func (s *State) created(a Action, o Outcome, begun, now time.Time, r *Rules) []Gap {
	if o.Err == nil && o.Subscription.ID == "" {
		o.Err = errors.New("answer names no subscription")
	}
	if o.Err != nil && classify(o.Err) == conflict && o.Existing != nil {
		if sameURL(o.Existing.NotificationURL, a.Want.NotificationURL) && o.Existing.ExpirationDateTime.After(now) {
			return s.adopt(a.Want, *o.Existing, begun, now, r)
		}
		o.Err = inTheWay(o.Err, *o.Existing)
	}
	var gaps []Gap
	switch {
	case a.SubscriptionID != "" && s.SubscriptionID == a.SubscriptionID && r.lapsed(now, s):
		gaps = s.die(CauseExpired, "expired at "+s.ExpiresAt.Format(time.RFC3339), now)
	case o.Err != nil && s.SubscriptionID == "" && s.Gap.ID == "":
		cause := CauseFailed
		if c := classify(o.Err); c != passing {
			cause = CauseBlocked
		}
		gaps = s.open(later(begun, s.ProofAt), cause, bounded(o.Err.Error()), now)
	}
	if o.Err != nil {
		s.fail(o.Err, now, r)
		return append(gaps, s.expired(now)...)
	}
	return append(gaps, s.born(a, o.Subscription, now, r)...)
}

// adopt takes a subscription over that is ours, though no state said so. Whether
// its clientState was made with the key that the state names is certain only
// if the state has the intent to create it; otherwise it is replaced soon.
func (s *State) adopt(d *Desired, sub graph.Subscription, begun, now time.Time, r *Rules) []Gap {
	longest := now.Add(d.Lifetime) // nobody knows what was asked for
	if s.SubscriptionID == sub.ID {
		s.prove(begun, ByReading)
		return s.live(sub, longest, now, r)
	}
	key := s.ClientStateKeyID
	s.adoptWish(d)
	s.ClientStateKeyID = key
	s.Rich, s.QueryOptions = sub.IncludeResourceData, sub.NotificationQueryOptions
	if short := !sub.ExpirationDateTime.After(now.Add(time.Hour)); short || sub.LifecycleNotificationURL != "" {
		// A longer one has a lifecycle URL, whether Graph shows it or not.
		s.LifecycleURL = sub.LifecycleNotificationURL
	}
	s.carries(sub.EncryptionCertificateID)
	s.CreatedAt, s.RenewedAt, s.ReadAt = now, now, now
	s.ReauthorizedAt, s.AskedAt = time.Time{}, time.Time{}
	s.prove(begun, ByReading)
	return s.live(sub, longest, now, r)
}

// carries notes which certificate Graph says that the subscription has, if that
// is not the one that it was given.
func (s *State) carries(certificateID string) {
	if certificateID != "" && certificateID != s.CertificateID {
		s.CertificateID, s.Thumbprint = certificateID, ""
	}
}

// sameURL reports whether Graph, which may spell a URL in another way, shows the
// one that it was given.
func sameURL(shown, given string) bool {
	normal := func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return s
		}
		u.Host = strings.ToLower(u.Host)
		u.Path = strings.TrimSuffix(u.Path, "/")
		return u.String()
	}
	return shown == given || normal(shown) == normal(given)
}

// inTheWay says whose the subscription is that Graph will not have twice.
func inTheWay(err error, sub graph.Subscription) error {
	return fmt.Errorf("%w: the same application has subscription %s, which notifies %s: delete it, or desire it from there alone",
		err, sub.ID, hostOf(sub.NotificationURL))
}

func (s *State) renewed(a Action, o Outcome, begun, now time.Time, r *Rules) []Gap {
	switch {
	case o.Err == nil:
		gaps := s.held(now, r)
		if gaps != nil {
			gaps = append(gaps, s.close(s.SubscriptionID, "renewed at "+begun.Format(time.RFC3339), now.Add(-r.Held), now)...)
		}
		s.RenewedAt, s.AskedAt = now, time.Time{}
		for _, c := range a.Changes {
			switch c {
			case ChangeURL:
				s.NotificationURL = a.Want.NotificationURL
			case ChangeCertificate:
				s.CertificateID, s.Thumbprint = a.Want.Certificate.ID, a.Want.Certificate.Thumbprint
			}
		}
		o.Subscription.ID = a.SubscriptionID
		s.prove(begun, ByRenewal)
		return append(gaps, s.live(o.Subscription, a.Expires, now, r)...)
	case classify(o.Err) == gone:
		return s.notFound(now)
	}
	s.fail(o.Err, now, r)
	return s.expired(now)
}

// held opens a gap if the delivery of a subscription was paused until now for
// longer than Graph keeps what it cannot send; none if one is open already, which
// is longer.
func (s *State) held(now time.Time, r *Rules) []Gap {
	if s.AskedAt.IsZero() || now.Sub(s.AskedAt) <= r.Held {
		return nil
	}
	return s.open(s.AskedAt, CauseHeld, fmt.Sprintf("Graph asked at %s to reauthorize it, and keeps for %s what it cannot send", s.AskedAt.Format(time.RFC3339), r.Held), now)
}

// notFound notes Graph's 404: it expired, or died in silence.
func (s *State) notFound(now time.Time) []Gap {
	if s.alive(now) {
		return s.die(CauseNotFound, "Graph answers that subscription "+s.SubscriptionID+" does not exist", now)
	}
	return s.die(CauseExpired, fmt.Sprintf("subscription %s expired at %s, and Graph answers that it does not exist",
		s.SubscriptionID, s.ExpiresAt.Format(time.RFC3339)), now)
}

// expired opens the gap of a subscription that expired, after a call that failed.
// It stays Active or Blocked, since the clock may be wrong: see Rules.Slack.
func (s *State) expired(now time.Time) []Gap {
	if s.SubscriptionID == "" || s.alive(now) {
		return nil
	}
	return s.open(s.delivering(), CauseExpired, "expired at "+s.ExpiresAt.Format(time.RFC3339)+", and the last call failed: "+s.Error, now)
}

func (s *State) replaced(a Action, o Outcome, begun, now time.Time, r *Rules) []Gap {
	var gaps []Gap
	switch {
	case o.Deleted:
		s.prove(begun, s.Proof) // by the 204
		gaps = s.die(CauseReplaced, "deleted to be created anew: "+a.Why, now)
	case o.Gone:
		gaps = s.notFound(now)
	default:
		if o.Err == nil {
			o.Err = errors.New("deletion was not answered")
		}
		s.fail(o.Err, now, r)
		return s.expired(now)
	}
	a.SubscriptionID = ""
	return append(gaps, s.created(a, o, begun, now, r)...)
}

func (s *State) read(a Action, o Outcome, begun, now time.Time, r *Rules) []Gap {
	sub := o.Subscription
	switch {
	case o.Err == nil && strings.EqualFold(sub.ID, a.SubscriptionID):
	case classify(o.Err) == gone:
		return s.notFound(now)
	default:
		failures := 30 // which it is in no hurry to repeat
		if r.Hasten {
			failures = 1
		}
		s.NextAttemptAt = later(s.NextAttemptAt, now.Add(r.backoff(s.Key, failures)))
		return nil
	}
	s.ReadAt = now
	if said := sub.ExpirationDateTime; !said.IsZero() {
		// One that is past is renewed at once, which tells. One that lies behind what
		// was asked for must not make the renewer believe in eternal life.
		longest := s.ExpiresAt
		if a.Want != nil {
			longest = later(longest, s.RenewedAt.Add(a.Want.Lifetime))
		}
		s.ExpiresAt = earlier(said.UTC(), longest)
	}
	// What somebody else has changed is put right by the next renewal.
	if sub.NotificationURL != "" && !sameURL(sub.NotificationURL, s.NotificationURL) {
		s.NotificationURL = sub.NotificationURL
	}
	s.carries(sub.EncryptionCertificateID)
	if !s.alive(now) {
		return nil // listed still, though its time is over: renewing it will tell
	}
	s.prove(begun, ByReading)
	return s.close(sub.ID, "subscription "+sub.ID+" read", now, now)
}
