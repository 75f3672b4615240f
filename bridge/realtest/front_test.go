//go:build real

package realtest_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// front stands before a registry and does what it is told to.
type front struct {
	URL string

	mu     sync.Mutex // guards all below
	away   bool
	slow   time.Duration
	answer func(*http.Request) int // the status of an answer of its own; 0: the registry's
}

// newFront returns one that passes everything on.
func newFront(t *testing.T, target string) *front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{URL: "http://" + l.Addr().String() + to.Path}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(proxy, w, r) }), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return f
}

func (f *front) serve(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	away, slow, answer := f.away, f.slow, f.answer
	f.mu.Unlock()
	if away {
		panic(http.ErrAbortHandler) // net/http's way of breaking a connection off
	}
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return
	}
	if answer != nil {
		if status := answer(r); status != 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error_code":409,"message":"said by the front"}`)
			return
		}
	}
	proxy.ServeHTTP(w, r)
}

func (f *front) set(away bool, slow time.Duration, answer func(*http.Request) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away, f.slow, f.answer = away, slow, answer
}
