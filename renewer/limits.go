package renewer

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// callKind is how Graph counts calls (FACTS §4.3). POST reauthorize, which it
// counts for itself, is never called.
type callKind uint8

const (
	writeCall callKind = iota // POST, PATCH, DELETE
	readCall                  // GET of one
	listCall                  // GET of all, a page each
	callKinds
)

func (k callKind) String() string { return [...]string{"write", "read", "list"}[k] }

// window is the time over which Graph counts.
const window = 20 * time.Second

// quota is how many calls of a kind Graph takes within the window.
type quota struct{ app, tenant float64 }

// quotas are Graph's documented limits (FACTS §4.3).
func quotas() [callKinds]quota {
	return [callKinds]quota{writeCall: {2000, 500}, readCall: {2000, 500}, listCall: {40, 25}}
}

// safety is the share of a quota that is used: calls that leave evenly may
// arrive bunched, and other processes of the same application call too.
const safety = 0.95

// account is an application in a tenant, as Graph counts.
type account struct{ app, tenant string }

// limits keeps calls within Graph's limits, and away from whom Graph told to
// wait. It is shared by all shards of a process and safe for concurrent use.
type limits struct {
	mu      sync.Mutex // guards all below; an application or tenant is never forgotten: they are few
	apps    map[string]*[callKinds]*rate.Limiter
	tenants map[account]*tenantLimit
}

type tenantLimit struct {
	buckets [callKinds]*rate.Limiter
	until   [callKinds]time.Time // Graph's Retry-After
}

func newLimits() *limits {
	return &limits{apps: map[string]*[callKinds]*rate.Limiter{}, tenants: map[account]*tenantLimit{}}
}

// bucket returns a limiter that lets no more than the safe share of n through
// in any window: what it holds when full, and what runs in meanwhile.
func bucket(n float64) *rate.Limiter {
	n *= safety
	burst := max(1, int(n/10))
	return rate.NewLimiter(rate.Limit((n-float64(burst))/window.Seconds()), burst)
}

// take counts one call that is made now and returns 0, or counts nothing and
// returns how long to wait before asking again.
func (l *limits) take(a account, k callKind, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tenant(a)
	if wait := t.until[k].Sub(now); wait > 0 {
		return wait
	}
	app := l.apps[a.app]
	if app == nil {
		app = &[callKinds]*rate.Limiter{}
		for kind, q := range quotas() {
			app[kind] = bucket(q.app)
		}
		l.apps[a.app] = app
	}
	for _, b := range []*rate.Limiter{t.buckets[k], app[k]} {
		if missing := 1 - b.TokensAt(now); missing > 0 {
			return time.Duration(missing/float64(b.Limit())*float64(time.Second)) + time.Millisecond
		}
	}
	t.buckets[k].AllowN(now, 1)
	app[k].AllowN(now, 1)
	return 0
}

// pause keeps calls of the kind back until then: Graph said Retry-After.
func (l *limits) pause(a account, k callKind, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tenant(a); until.After(t.until[k]) {
		t.until[k] = until
	}
}

func (l *limits) tenant(a account) *tenantLimit {
	t := l.tenants[a]
	if t == nil {
		t = &tenantLimit{}
		for kind, q := range quotas() {
			t.buckets[kind] = bucket(q.tenant)
		}
		l.tenants[a] = t
	}
	return t
}
