package renewer

import "time"

const (
	// patience is how many creations and renewals of a tenant may fail in a row,
	// for reasons that are none of theirs, until it counts as trouble of them all.
	patience = 5
	// probeFirst and probeLast bound the waits between the probes made then.
	probeFirst, probeLast = 2 * time.Second, 30 * time.Second
)

// trouble is what the creations and renewals of one tenant have in common that
// none can do anything about: the notification URL does not answer Graph, Graph
// does not answer us, there is no token. While it lasts a single call at a time
// tries, the most urgent one, so that thousands that are due do not ask each for
// itself, and spend what Graph allows on calls that are bound to fail. One that
// succeeds ends it.
type trouble struct {
	failed int       // calls in a row
	until  time.Time // no probe before
	probe  bool      // one is under way
}

func (t *trouble) is() bool { return t.failed >= patience }

// open reports whether another call may be made at now; if not, next is when one
// may, zero for when the probe has come back.
func (t *trouble) open(now time.Time) (next time.Time, ok bool) {
	switch {
	case !t.is():
		return next, true
	case t.probe:
		return next, false
	case now.Before(t.until):
		return t.until, false
	}
	return next, true
}

// begun notes that a call of the kind is made.
func (t *trouble) begun(k ActionKind) {
	if t.is() && k != Read {
		t.probe = true
	}
}

// ended notes how a call of the kind ended, and reports whether that was the end
// of the trouble.
func (t *trouble) ended(k ActionKind, r Result, now time.Time) (over bool) {
	if k == Read {
		return false
	}
	t.probe = false
	if k != Create && k != Renew && k != Replace {
		return false
	}
	switch r {
	case ResultHandshake, ResultServer, ResultNoAnswer, ResultToken:
		if t.is() && now.Before(t.until) {
			return false // begun before it was known
		}
		if t.failed++; t.is() {
			t.until = now.Add(min(probeFirst<<min(t.failed-patience, 10), probeLast))
		}
	case ResultThrottled, ResultUnsent:
	default: // an answer of its own
		over = t.is()
		t.failed = 0
	}
	return over
}
