package renewer

import (
	"strings"
	"time"
)

// The events of lifecycle notices (FACTS §3).
const (
	eventReauthorize = "reauthorizationRequired"
	eventRemoved     = "subscriptionRemoved"
	eventMissed      = "missed"
)

// Heed returns what a lifecycle notice makes of the state of its subscription,
// and whether it makes any difference. Stale ones make none: those of a
// subscription that is no longer the state's, those that something has outdated
// since they came, a renewal or a proof of life, and those hours old, but for a
// wish to be reauthorized: until it is granted nothing is delivered.
func Heed(s State, n Notice, now time.Time, r Rules) (State, []Gap, bool) {
	if s.Status == Aside || s.SubscriptionID == "" || !strings.EqualFold(n.SubscriptionID, s.SubscriptionID) ||
		now.Sub(n.ReceivedAt) > r.NoticeMaxAge && n.Event != eventReauthorize {
		return s, nil, false
	}
	at := n.ReceivedAt.UTC()
	if at.After(now) {
		at = now
	}
	var gaps []Gap
	switch n.Event {
	case eventReauthorize:
		// Shortly after a renewal it crossed it on its way.
		quiet := min(r.Quiet, s.ExpiresAt.Sub(s.RenewedAt)/10)
		if !s.AskedAt.IsZero() || at.Before(s.RenewedAt.Add(quiet)) || at.Before(s.ReauthorizedAt.Add(quiet)) {
			return s, nil, false
		}
		s.AskedAt = at // no proof of life: Graph sends again for hours, whatever has died meanwhile
		return s, nil, true
	case eventRemoved:
		if !at.After(s.ProofAt) {
			return s, nil, false
		}
		if s.Status == Deleting {
			s.SubscriptionID, s.ExpiresAt = "", time.Time{} // as wished
			break
		}
		gaps = s.die(CauseRemoved, "Graph's notice subscriptionRemoved of "+at.Format(time.RFC3339), now)
	case eventMissed:
		if !at.After(s.ProofAt) || s.Gap.ID != "" {
			return s, nil, false
		}
		gaps = s.open(s.delivering(), CauseMissed, "Graph's notice missed of "+at.Format(time.RFC3339), now)
		s.prove(at, ByNotice)
		gaps = append(gaps, s.close(s.SubscriptionID, "the subscription lives on", at, now)...)
	default:
		return s, nil, false
	}
	s.UpdatedAt = now
	return s, gaps, true
}
