package renewer

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// class is what a failed call means for the next one.
type class int

const (
	passing  class = iota // throttled, overloaded, no answer, no handshake, no token: again with backoff
	gone                  // 404: the subscription is no more
	conflict              // 409: the application has such a subscription
	blocked               // 403: quota or permission; tried rarely, with Graph's words
	refused               // 400 and the like for good: tried more rarely still
)

// classify tells the class of an error. What is no answer of Graph's passes: a
// token endpoint or a network can come back.
func classify(err error) class {
	var e *graph.Error
	if !errors.As(err, &e) {
		return passing
	}
	switch e.Status {
	case http.StatusBadRequest:
		if handshakeFailed(e) {
			return passing
		}
		return refused
	case http.StatusForbidden, http.StatusPaymentRequired:
		return blocked
	case http.StatusNotFound, http.StatusGone:
		return gone
	case http.StatusConflict:
		return conflict
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusLocked, http.StatusTooEarly:
		return passing
	}
	if e.Status >= 400 && e.Status < 500 {
		return refused
	}
	return passing
}

// handshakeFailed reports whether a 400 says that the notification or lifecycle
// URL did not answer Graph's validation request (FACTS §1.1): whoever serves them
// is away, or cannot be reached.
func handshakeFailed(e *graph.Error) bool {
	return strings.Contains(strings.ToLower(e.Message), "validation request")
}

// refused reports that Graph refused the last call for good.
func (s *State) refused() bool {
	return s.Attempts > 0 && s.ErrorStatus >= 400 && s.ErrorStatus < 500 &&
		classify(&graph.Error{Status: s.ErrorStatus, Message: s.Error}) == refused
}

// stuck reports that Graph refused the last call in a way that somebody has to
// mend.
func (s *State) stuck() bool {
	if s.Attempts == 0 || s.ErrorStatus == 0 {
		return false
	}
	switch classify(&graph.Error{Status: s.ErrorStatus, Message: s.Error}) {
	case blocked, refused, conflict, gone:
		return true
	default:
		return false
	}
}

// failures says how often the last call failed, and why.
func (s *State) failures() string {
	times := "once"
	if s.Attempts > 1 {
		times = fmt.Sprintf("%d times", s.Attempts)
	}
	return fmt.Sprintf("failed %s: %s", times, s.Error)
}

// fail records a failure and when to try again.
func (s *State) fail(err error, now time.Time, r *Rules) {
	s.Attempts++
	s.ErrorStatus, s.ErrorCode, s.Error, s.ErrorAt = 0, "", bounded(err.Error()), now
	var retryAfter time.Duration
	var e *graph.Error
	if errors.As(err, &e) {
		s.ErrorStatus, s.ErrorCode, retryAfter = e.Status, e.Code, e.RetryAfter
	}
	wait := r.backoff(s.Key, s.Attempts)
	switch classify(err) {
	case passing:
	case blocked, conflict:
		wait = spread(r.BlockedRetry, s)
		s.block()
	case refused, gone: // of a creation: what it names does not exist
		wait = spread(r.RefusedRetry, s)
		s.block()
	}
	// What lives still is tried again in half of the time that is left to it, but
	// for the last minutes.
	if left := s.ExpiresAt.Sub(now); s.SubscriptionID != "" && left > 0 {
		wait = min(wait, max(left/2, r.BackoffMax))
	}
	wait = max(wait, spread(retryAfter, s))
	s.NextAttemptAt = now.Add(wait)
}

func (s *State) block() {
	if s.Status != Deleting {
		s.Status = Blocked
	}
}

// backoff returns the wait after the nth failure in a row: doubled each time,
// and at least half of it by chance, so that those that failed together do not
// try together.
func (r *Rules) backoff(k Key, n int) time.Duration {
	wait := r.BackoffMax
	if n < 30 {
		wait = min(r.BackoffMin<<(n-1), r.BackoffMax)
	}
	return time.Duration(float64(wait) * (1 + k.chance().of(n)) / 2)
}

// spread returns wait and up to a fifth more.
func spread(wait time.Duration, s *State) time.Duration {
	return time.Duration(float64(wait) * (1 + s.chance().of(s.Attempts)/5))
}

// relieve returns s to be tried at once, if it waits after a failure that was
// none of its own and whose cause has ended.
func relieve(s State, now time.Time) (State, bool) {
	waits := s.Attempts > 0 && s.Intent == "" && s.NextAttemptAt.After(now) &&
		(s.ErrorStatus == 0 || classify(&graph.Error{Status: s.ErrorStatus, Message: s.Error}) == passing)
	if waits {
		s.NextAttemptAt = time.Time{}
	}
	return s, waits
}

// succeed forgets the failures.
func (s *State) succeed() {
	s.NextAttemptAt, s.Attempts = time.Time{}, 0
	s.ErrorStatus, s.ErrorCode, s.Error, s.ErrorAt = 0, "", "", time.Time{}
}

// maxError bounds what is kept of foreign words, in bytes.
const maxError = 500

func bounded(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxError {
		s = strings.ToValidUTF8(s[:maxError], "") + "…"
	}
	return s
}
