package renewer

import (
	"slices"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// maxLists is how many lists may fail before an orphan is given up: creating it
// again finds what is there, by Graph's 409.
const maxLists = 3

// settling is how long Graph may be at a creation that a predecessor has asked
// for: it calls two URLs, and waits 10 s for each (FACTS §1.1).
const settling = 20 * time.Second

// TakeOver returns s as a new leader goes on with it from now on. Its intent may
// have been carried out:
//   - to create or replace: only Graph's list can tell, and not while Graph may be
//     at it still, or the next creation would be the second. The state becomes an
//     orphan;
//   - to renew: what has expired as far as known may live on. It counts as
//     expiring now, so that for as long as Rules.Slack it is renewed, which
//     tells, and not created, which would make a second;
//   - to delete: the call is made again, as after one without an answer: that it
//     finds nothing is no sign of a silent death;
//   - any other: the call can be made again.
func TakeOver(s State, now time.Time) State {
	switch s.Intent {
	case "":
		return s
	case Create, Replace:
		s.Orphan, s.NextAttemptAt = true, later(s.NextAttemptAt, s.IntentAt.Add(settling))
		return s
	case Renew:
		if s.SubscriptionID != "" {
			s.ExpiresAt = later(s.ExpiresAt, now)
		}
	case Delete:
		s.Attempts++
	}
	s.Intent, s.IntentAt = "", time.Time{}
	return s
}

// Repair settles an orphan by what Graph lists for its tenant in all versions of
// the API, as far as it is Sought and reading it back has confirmed it: lists show
// what is gone, too (FACTS §4.2). A failed list is told to Finish. d is nil if it
// is no longer desired; the list was asked for at asked, and says nothing of later.
// A state that is no orphan comes back as it was.
func Repair(s State, d *Desired, listed []graph.Subscription, asked, now time.Time, r Rules) (State, []Gap) {
	if !s.Orphan {
		return s, nil
	}
	replacing, tried := s.Intent == Replace, s.IntentAt
	s.Orphan, s.Intent, s.IntentAt, s.UpdatedAt = false, "", time.Time{}, now
	if replacing && slices.ContainsFunc(listed, func(sub graph.Subscription) bool { return sub.ID == s.SubscriptionID }) {
		return s, nil // it was not even deleted
	}
	wish := s.made(d)
	i := slices.IndexFunc(listed, func(sub graph.Subscription) bool {
		return wish.is(sub) && sub.ExpirationDateTime.After(now)
	})
	switch {
	case i >= 0 && replacing:
		if s.ClientStateKeyID != wish.ClientStateKeyID {
			s.ClientStateKeyID = "" // which one it was made with is not on record
		}
		gaps := s.die(CauseReplaced, "deleted to be created anew when the renewer died", now)
		return s, append(gaps, s.adopt(wish, listed[i], asked, now, &r)...)
	case i >= 0:
		gaps := s.adopt(wish, listed[i], asked, now, &r)
		return s, gaps
	case replacing:
		s.AskedAt = now // lists may be incomplete: a call for it will tell
	default:
		s.succeed()
		return s, s.unmade(d, tried, now)
	}
	return s, nil
}

// unmade opens the gap of a creation that was tried then, by a predecessor who
// died over it: nothing is known to live since.
func (s *State) unmade(d *Desired, tried, now time.Time) []Gap {
	if d == nil || s.SubscriptionID != "" {
		return nil
	}
	return s.open(later(tried, s.ProofAt), CauseFailed, "the renewer died while creating it, and none is known to live since", now)
}

// Sought reports whether sub, as Graph lists it, may be what the predecessor made
// for the orphan s, or was about to replace.
func Sought(s State, d *Desired, sub graph.Subscription) bool {
	return s.Orphan && (s.SubscriptionID != "" && sub.ID == s.SubscriptionID || s.made(d).is(sub))
}

// made returns what a predecessor made, if it did: as d wishes, or where nobody
// does any more, as s says.
func (s *State) made(d *Desired) *Desired {
	if d != nil {
		return d
	}
	return &Desired{Key: s.Key, Version: s.Version, NotificationURL: s.NotificationURL}
}

// is reports whether sub, as Graph lists it, is what d asks for.
func (d *Desired) is(sub graph.Subscription) bool {
	return sameURL(sub.NotificationURL, d.NotificationURL) &&
		strings.EqualFold(strings.TrimPrefix(sub.Resource, "/"), d.Resource) &&
		changeTypes(sub.ChangeType) == d.ChangeType &&
		(d.ApplicationID == "" || sub.ApplicationID == "" || strings.EqualFold(sub.ApplicationID, d.ApplicationID))
}

// changeTypes returns a csv of change types as Key has it.
func changeTypes(csv string) string {
	types := strings.Split(strings.ToLower(strings.ReplaceAll(csv, " ", "")), ",")
	slices.Sort(types)
	return strings.Join(slices.Compact(types), ",")
}

// unlisted notes that the list failed.
func (s State) unlisted(d *Desired, o Outcome, now time.Time, r *Rules) (State, []Gap) {
	if !s.Orphan || o.Err == nil {
		return s, nil
	}
	s.fail(o.Err, now, r)
	s.UpdatedAt = now
	if s.Attempts < maxLists {
		return s, nil
	}
	tried := s.IntentAt
	s.Orphan, s.Intent, s.IntentAt = false, "", time.Time{}
	return s, s.unmade(d, tried, now) // what was to be replaced has its id still
}
