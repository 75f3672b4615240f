package bridgetest

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// front is the load balancer before the ingest processes, where TLS ends: Graph
// speaks https with it alone. It takes them in turn; one that does not answer
// gets nothing for a while, and the request that found out is lost.
type front struct {
	base *http.Transport

	mu   sync.Mutex // guards all below
	all  []*backend
	next int
}

type backend struct {
	addr string
	down time.Time // nothing goes there before
}

// restFor is how long a backend that does not answer gets nothing.
const restFor = 2 * time.Second

var errNoBackend = errors.New("no ingest process is there")

func (f *front) add(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, &backend{addr: addr})
}

func (f *front) remove(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(b *backend) bool { return b.addr == addr })
}

// pick returns the next backend that is not down, nil for none.
func (f *front) pick(now time.Time) *backend {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.all {
		f.next = (f.next + 1) % len(f.all)
		if b := f.all[f.next]; !now.Before(b.down) {
			return b
		}
	}
	return nil
}

// RoundTrip implements http.RoundTripper.
func (f *front) RoundTrip(req *http.Request) (*http.Response, error) {
	b := f.pick(time.Now())
	if b == nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errNoBackend
	}
	inner := req.Clone(req.Context())
	inner.URL.Scheme, inner.URL.Host, inner.Host = "http", b.addr, b.addr
	resp, err := f.base.RoundTrip(inner)
	if err != nil {
		f.mu.Lock()
		b.down = time.Now().Add(restFor)
		f.mu.Unlock()
	}
	return resp, err
}

// CloseIdleConnections implements what http.Client looks for.
func (f *front) CloseIdleConnections() { f.base.CloseIdleConnections() }
