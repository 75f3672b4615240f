package renewer

import (
	"slices"
	"strings"
	"time"
)

// next returns the action that one key needs next and when it is due, which may
// lie ahead; its Kind is "" if nothing is to be done until the wish or a state
// changes. d is nil for what is not desired, s for what is not known yet. What
// lies ahead comes without Expires and Changes.
func (r *Rules) next(now time.Time, d *Desired, s *State, in *scene) Action {
	switch {
	case s == nil:
		return r.create(now, d, &State{Key: d.Key}, in, "there is none")
	case s.Status == Aside, s.Intent != "":
		return Action{} // not understood, or under way; an orphan waits for the list
	case d == nil && in.spares(s):
		return r.spare(now, s, in)
	case d == nil:
		return r.leave(now, s, in)
	case s.SubscriptionID == "":
		return r.create(now, d, s, in, "there is none")
	case r.lapsed(now, s):
		a := r.create(now, d, s, in, "it expired")
		a.SubscriptionID = s.SubscriptionID
		return a
	case s.otherApplication(d):
		// Another application may have the same one, and the old one's credentials
		// are gone: it is left to expire, and nothing is missed meanwhile.
		a := r.create(now, d, s, in, "the application changed, whose old one is left to expire")
		a.SubscriptionID = s.SubscriptionID
		return a
	}
	return r.keep(now, d, s)
}

// lapsed reports that s expired, even if the clock is wrong.
func (r *Rules) lapsed(now time.Time, s *State) bool {
	return !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt.Add(r.Slack))
}

// create waits for what is about to be deleted in the same place: Graph would
// refuse a second one there.
func (r *Rules) create(now time.Time, d *Desired, s *State, in *scene, why string) Action {
	if in.leaving[d.place()] > 0 {
		return Action{}
	}
	a := Action{Kind: Create, Key: d.Key, Want: d, Why: why, Due: s.NextAttemptAt, rank: rankCreate}
	if a.due(now) {
		a.Expires = r.expires(now, d, s)
	}
	return a
}

// leave ends what is no longer desired. What belongs to a tenant without
// credentials cannot be deleted: it expires.
func (r *Rules) leave(now time.Time, s *State, in *scene) Action {
	a := Action{Key: s.Key, SubscriptionID: s.SubscriptionID, Due: s.NextAttemptAt, rank: rankDelete, Why: "no longer desired"}
	switch {
	case s.Status == Deleted:
		return Action{}
	case s.SubscriptionID == "":
		a.Kind, a.Due = Forget, time.Time{}
	case r.lapsed(now, s):
		a.Kind, a.Due, a.Why = Forget, time.Time{}, "no longer desired, and expired"
	case in.tenants[s.TenantID] == nil:
		a.Kind, a.Due, a.Why = Forget, s.ExpiresAt.Add(r.Slack), "its tenant is no longer listed, so it is left to expire"
	default:
		a.Kind = Delete
	}
	return a
}

// keep returns what a subscription needs that lives as far as known.
func (r *Rules) keep(now time.Time, d *Desired, s *State) Action {
	a := Action{Kind: Renew, Key: d.Key, SubscriptionID: s.SubscriptionID, Want: d, Deadline: s.ExpiresAt, rank: rankRenew}
	c := s.chance()
	due := r.renewalDue(s, c)
	a.Due, a.Why = due, "two thirds of its time are over"
	url, certificate := !sameURL(d.NotificationURL, s.NotificationURL), s.otherCertificate(d)
	switch {
	case url:
		a.Due, a.Why = time.Time{}, "its notification URL changed"
	case certificate && r.Hasten:
		a.Due, a.Why = time.Time{}, "its certificate changed"
	case !s.AskedAt.IsZero() && s.AskedAt.Before(due):
		a.Due, a.Why, a.rank = s.AskedAt, "Graph asks to reauthorize it", rankAsked
	}
	a = r.replacing(now, a, d, s)
	switch {
	case !now.Before(s.ExpiresAt):
		a.rank = rankCreate // unless the clock is wrong it is dead, and what can be saved goes first
	case now.After(r.lapsing(s)):
		a.rank = rankLapsing
	}
	a.Due = later(a.Due, s.NextAttemptAt)
	if !s.ReauthorizedAt.IsZero() && a.Kind == Renew {
		a.Due = later(a.Due, s.ReauthorizedAt.Add(r.Quiet))
	}
	if !a.due(now) {
		if read := later(r.readDue(s, c), s.NextAttemptAt); read.Before(a.Due) {
			return Action{
				Kind: Read, Key: d.Key, SubscriptionID: s.SubscriptionID, Want: d, Due: read, rank: rankRead,
				Why: "nothing has proved for long that it lives",
			}
		}
		return a
	}
	a.Expires = r.expires(now, d, s)
	if a.Kind == Renew && (!s.refused() || now.Before(due)) {
		// Otherwise they are what Graph refuses, perhaps, and it had better live
		// without them.
		if url {
			a.Changes = append(a.Changes, ChangeURL)
		}
		if certificate {
			a.Changes = append(a.Changes, ChangeCertificate)
		}
	}
	return a
}

// replacing makes a replacement of the renewal a where no PATCH will do. Graph
// refuses to hold two of a kind, so a replacement is DELETE and POST in a row
// and makes a gap of that length; a rotated client-state key, with which ingest
// can wait for as long as it knows the old one too, is therefore no reason for
// one before a renewal is due, nor while anything fails.
func (r *Rules) replacing(now time.Time, a Action, d *Desired, s *State) Action {
	var why string
	old := s.ClientStateKeyID
	switch {
	case !sameURL(d.LifecycleURL, s.LifecycleURL):
		why = "its lifecycle URL changed, which no PATCH can do"
	case d.Rich != s.Rich && d.Rich:
		why = "it becomes rich, which no PATCH can do"
	case d.Rich != s.Rich:
		why = "it becomes basic, which no PATCH can do"
	case d.QueryOptions != s.QueryOptions:
		why = "its query options changed, which no PATCH can do"
	case s.Version != "" && d.Version != s.Version:
		why = "it moves to another version of the API"
	case d.ClientStateKeyID == "" || old == d.ClientStateKeyID || r.KeepClientStates:
		return a
	case old == "" || r.ClientStateKeys != nil && !slices.Contains(r.ClientStateKeys, old):
		why = "its clientState was made with a key that is not known any more"
	case s.Attempts > 0 || !r.Hasten && now.Before(a.Due):
		return a
	default:
		a.Kind, a.Why, a.rank = Replace, "the client-state key was rotated, and its renewal is due", rankReplace
		return a
	}
	a.Kind, a.Why, a.rank, a.Due = Replace, why, rankReplace, time.Time{}
	return a
}

// otherApplication reports whether s belongs to another application than d says.
func (s *State) otherApplication(d *Desired) bool {
	return s.ApplicationID != "" && d.ApplicationID != "" && !strings.EqualFold(s.ApplicationID, d.ApplicationID)
}

// otherCertificate reports whether s, to be rich, has another certificate than d
// says.
func (s *State) otherCertificate(d *Desired) bool {
	return d.Rich && s.Rich && (d.Certificate.ID != s.CertificateID || d.Certificate.Thumbprint != s.Thumbprint)
}

// lapsing is from when on a subscription that was not renewed, though it was due,
// goes before all others: half of what was left of its time then.
func (r *Rules) lapsing(s *State) time.Time {
	lifetime := s.ExpiresAt.Sub(s.RenewedAt)
	return s.RenewedAt.Add(time.Duration(float64(lifetime) * (1 + r.RenewAt) / 2))
}

// renewalDue is when s is renewed if nothing else makes it: at about RenewAt of
// the time between its last renewal and its expiry.
func (r *Rules) renewalDue(s *State, c chance) time.Time {
	share := r.RenewAt * (1 + r.RenewSpread*(2*c.of(0)-1))
	return s.RenewedAt.Add(time.Duration(float64(s.ExpiresAt.Sub(s.RenewedAt)) * share))
}

// readDue is when s is read back, unless something proves before that it lives.
func (r *Rules) readDue(s *State, c chance) time.Time {
	if s.ProofAt.Before(r.ReadBefore) {
		return time.Time{}
	}
	return s.ProofAt.Add(time.Duration(float64(r.ReadEvery) * (1 - c.of(1)/4)))
}

// expires returns the expirationDateTime to ask for at now. What Graph refused
// for good is tried with half the time: the clock may be ahead of Graph's, or
// the maximum may have become less.
func (r *Rules) expires(now time.Time, d *Desired, s *State) time.Time {
	lifetime := d.Lifetime
	if s.refused() {
		lifetime /= 2
	}
	return now.Add(max(lifetime, r.MinLifetime)).UTC().Truncate(time.Second)
}

// due reports whether there is something to do at now.
func (a *Action) due(now time.Time) bool { return a.Kind != "" && !a.Due.After(now) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// chance is what looks random and depends on a key alone, so that what is spread
// by it stays so under whatever leader.
type chance uint64

// chance is FNV-1a, of eight bytes at a time.
func (k Key) chance() chance {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for _, s := range [...]string{k.TenantID, k.Resource, k.ChangeType} {
		for ; len(s) >= 8; s = s[8:] {
			h = (h ^ (uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
				uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)) * prime
			h ^= h >> 32
		}
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	return chance(h)
}

// of returns the nth number, from 0 up to 1 (the finalizer of MurmurHash3).
func (c chance) of(n int) float64 {
	h := uint64(c) ^ uint64(n)*0x9e3779b97f4a7c15
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return float64(h>>11) / (1 << 53)
}
