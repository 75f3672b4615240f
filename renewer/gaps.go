package renewer

import (
	"crypto/sha256"
	"fmt"
	"time"

	"meetbridge/bridge"
)

// The gaps of a subscription (I9). One opens with the transition that learns
// that nothing lives, or that the first creation did not succeed, and closes
// with the one that proves that something lives again, or that nobody wishes it
// any more. It runs from the last proof that it lived and delivered, since nothing
// later is known; a subscription that we deleted proved by Graph's 204 that it
// lived until then.
// Before a first creation was tried nothing was promised, so that is no gap.

// open makes a gap from from on and returns its record; nothing if one is open
// already.
func (s *State) open(from time.Time, cause Cause, evidence string, now time.Time) []Gap {
	if s.Gap.ID != "" {
		return nil
	}
	if from.IsZero() || from.After(now) {
		from = now
	}
	s.Gap = OpenGap{
		ID:                derivedID("gap", s.String(), from, s.SubscriptionID),
		From:              from,
		Cause:             cause,
		OldSubscriptionID: s.SubscriptionID,
	}
	return []Gap{s.gap("opened", evidence, now)}
}

// close ends the gap at end, if there is one, and returns its record. alive is
// the subscription that lives now, "" if there is none and nobody minds.
func (s *State) close(alive, evidence string, end, now time.Time) []Gap {
	if s.Gap.ID == "" {
		return nil
	}
	g := s.gap("closed", evidence, now)
	g.To, g.NewSubscriptionID = later(end, s.Gap.From), alive
	s.Gap = OpenGap{}
	if !s.AskedAt.IsZero() {
		s.AskedAt = g.To // what was lost before is on record
	}
	return []Gap{g}
}

func (s *State) gap(event, evidence string, now time.Time) Gap {
	return Gap{
		EventID:           derivedID(event, s.Gap.ID, time.Time{}, ""),
		GapID:             s.Gap.ID,
		Key:               s.Key,
		From:              s.Gap.From,
		RecordedAt:        now,
		Cause:             s.Gap.Cause,
		Evidence:          evidence,
		OldSubscriptionID: s.Gap.OldSubscriptionID,
	}
}

// derivedID returns the same UUID for the same arguments, so that a transition
// that is made twice, since the first did not reach Kafka, makes the same record.
func derivedID(what, of string, at time.Time, id string) string {
	return bridge.DerivedID(sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%s", what, of, at.UnixMicro(), id)))
}
