package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewAdmin returns the server of the admin port, which is never public: it
// names what is wrong, and profiles.
func NewAdmin(reg *prometheus.Registry, ready *Readiness) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", ready.answer)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}

// Listen returns given, or a listener on addr if that is nil. An error names
// the flag that addr comes from.
func Listen(ctx context.Context, given net.Listener, addr, flag string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: choose another with %s", err, flag)
		}
		return nil, fmt.Errorf("listen on %s %q: %w", flag, addr, err)
	}
	return l, nil
}

// CheckListen returns what is wrong with an address to listen on.
func CheckListen(flag, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port) // by a table, without network
	}
	if err != nil {
		return fmt.Errorf("%s is %q: must be HOST:PORT or :PORT, such as :8080", flag, addr)
	}
	return nil
}

// Closer returns a step that closes l, unless its server has.
func Closer(l net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
