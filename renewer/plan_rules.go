package renewer

import "time"

// Rules are the numbers that planning goes by. DefaultRules has those that fit
// Graph; a simulated one with shorter lives needs others.
type Rules struct {
	// RenewAt is the share of a subscription's time after which it is renewed,
	// give or take RenewSpread of that share: by key, so that those made in one
	// moment drift apart, and further with each cycle.
	RenewAt, RenewSpread float64
	// MinLifetime is the shortest lifetime that is asked for: Graph raises what is
	// below 45 minutes (FACTS §4.1).
	MinLifetime time.Duration
	// Quiet is how far reauthorizing and renewing must be apart (FACTS §3).
	Quiet time.Duration
	// ReadEvery is how long a subscription goes without a proof of life before it
	// is read back, less up to a quarter by key. It bounds what a silent death
	// loses, and costs one GET per subscription and that time: 10,000 in a tenant
	// at 6 h are one in 2 s, of the 50 that Graph allows (FACTS §4.3).
	ReadEvery time.Duration
	// BackoffMin and BackoffMax bound the waits after failures that pass.
	BackoffMin, BackoffMax time.Duration
	// BlockedRetry is the wait after 403, RefusedRetry that after a 400 for good;
	// a subscription that still lives is tried a few times more before it lapses.
	BlockedRetry, RefusedRetry time.Duration
	// NoticeMaxAge is how old a notice may be that says that a subscription died:
	// Graph repeats for 4 h (FACTS §1.3), and reading back finds what is missed.
	NoticeMaxAge time.Duration
	// Held is for how long Graph keeps the notifications of a subscription that
	// nobody has vouched for in time (FACTS §1.3).
	Held time.Duration
	// Slack is how wrong the clock may be. A subscription that expired by less is
	// not given up, but renewed: Graph's 404 says whether it is gone.
	Slack time.Duration
	// ClientStateKeys are the ids of the keys that ingest still knows. What was
	// made with any other is replaced at once; what was made with one of them, but
	// not with the minting one, when its renewal is due. Nil: all are known.
	ClientStateKeys []string
	// KeepClientStates holds replacements for the sake of the client-state key
	// back: ingest could not prove what is made with the key that mints.
	KeepClientStates bool
	// Removals is how many subscriptions of a tenant may be deleted in any case
	// because the file asks for them no longer; more are held back where they are
	// also more than it asks for still.
	Removals int
	// Hasten lets changes that could wait for the next renewal be made at once,
	// and has what was refused tried again.
	Hasten bool
	// ReadBefore is when what has no proof of life since then is read back at
	// once; zero: nothing is.
	ReadBefore time.Time
}

// DefaultRules returns the rules for Graph as it is.
func DefaultRules() Rules {
	return Rules{
		RenewAt: 2. / 3, RenewSpread: .1,
		MinLifetime:  45 * time.Minute,
		Quiet:        10 * time.Minute,
		ReadEvery:    6 * time.Hour,
		BackoffMin:   5 * time.Second,
		BackoffMax:   5 * time.Minute,
		BlockedRetry: time.Hour,
		RefusedRetry: 6 * time.Hour,
		NoticeMaxAge: 4 * time.Hour,
		Held:         4 * time.Hour,
		Slack:        2 * time.Hour,
		Removals:     20,
	}
}

// DevelopmentRules returns the rules for a simulated Graph whose subscriptions
// live for so short a time: DefaultRules in quick motion.
func DevelopmentRules(lifetime time.Duration) Rules {
	r := DefaultRules()
	r.MinLifetime = min(r.MinLifetime, lifetime)
	r.Quiet = min(r.Quiet, lifetime/12)
	r.ReadEvery = min(r.ReadEvery, lifetime*3/4)
	r.BackoffMin = min(r.BackoffMin, lifetime/60)
	r.BackoffMax = min(r.BackoffMax, lifetime/6)
	r.BlockedRetry = min(r.BlockedRetry, lifetime)
	r.RefusedRetry = min(r.RefusedRetry, 4*lifetime)
	r.Slack = min(r.Slack, lifetime/6)
	return r
}
