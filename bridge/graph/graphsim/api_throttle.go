package graphsim

import (
	"net/http"
	"sync"
	"time"
)

// throttleWindow is what the limits of FACTS §4.3 are counted over.
const throttleWindow = 20 * time.Second

// throttleLimit is how many calls of one class an app may make in a window.
type throttleLimit struct{ app, tenant int }

// throttleClass returns the class that a kind of call counts in, and its limit.
func throttleClass(kind string) (string, throttleLimit) {
	switch kind {
	case callCreate, callUpdate, callDelete:
		return "write", throttleLimit{2000, 500}
	case callReauthorize:
		return "reauthorize", throttleLimit{4000, 1000}
	case callGet:
		return "get", throttleLimit{2000, 500}
	case callList:
		return "list", throttleLimit{40, 25}
	}
	return "", throttleLimit{}
}

// throttleKey is what is counted together.
type throttleKey struct{ class, app, tenant string }

// throttle counts calls in windows that begin with the first call in them.
type throttle struct {
	mu      sync.Mutex
	windows map[throttleKey]*window
}

type window struct {
	since time.Time
	calls int
}

// left returns how many of limit calls the window of key still takes, and how
// long it lasts.
func (t *throttle) left(key throttleKey, limit int, now time.Time) (w *window, wait time.Duration) {
	w = t.windows[key]
	if w == nil {
		w = &window{since: now}
		t.windows[key] = w
	}
	if now.Sub(w.since) >= throttleWindow {
		w.since, w.calls = now, 0
	}
	if w.calls >= limit {
		wait = w.since.Add(throttleWindow).Sub(now)
	}
	return w, wait
}

// take counts a call of app in tenant, or returns how long it has to wait for
// its window to end. A call that is refused does not count.
func (t *throttle) take(kind, app, tenant string, now time.Time) time.Duration {
	class, limit := throttleClass(kind)
	if class == "" {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	own, ownWait := t.left(throttleKey{class, app, tenant}, limit.tenant, now)
	all, allWait := t.left(throttleKey{class, app, ""}, limit.app, now)
	if wait := max(ownWait, allWait); wait > 0 {
		return wait
	}
	own.calls++
	all.calls++
	return 0
}

// throttled returns the 429 that c is due, nil for none.
func (s *apiServer) throttled(c *apiCall, now time.Time) *apiError {
	if s.api.Unthrottled {
		return nil
	}
	wait := s.throttle.take(c.kind, c.token.app.id, c.token.tenant.id, now)
	if wait <= 0 {
		return nil
	}
	s.count(func(n *apiCounts) { n.throttled++ })
	return tooMany(c.kind, wait)
}

// tooMany returns a 429 (FACTS §4.2).
func tooMany(kind string, wait time.Duration) *apiError {
	category := map[string]string{callCreate: "post", callUpdate: "patch", callDelete: "delete", callGet: "get", callList: "list", callReauthorize: "reauthorize"}[kind]
	return &apiError{
		status: http.StatusTooManyRequests, code: "TooManyRequests", retryAfter: wait,
		message: "Too many requests from Identifier:West Europe under category:throttle.aad.ags.subscriptionservice.dc." + category,
	}
}
