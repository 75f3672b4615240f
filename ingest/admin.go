package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin bounds one question of /readyz.
const readyWithin = time.Second

// check is one thing that must be usable before Graph may be answered. It
// returns a note ("3 keys"), or the error that says what to do.
type check struct {
	name string
	test func(context.Context) (note string, err error)
}

// newAdmin returns the server of the admin port, which is never public: it
// names what is wrong, and profiles.
func newAdmin(reg *prometheus.Registry, checks []check) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { readyz(w, r, checks) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}

// readyz asks all checks at once: 200 when all are well, else 503, each named.
func readyz(w http.ResponseWriter, r *http.Request, checks []check) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	type result struct {
		OK   bool   `json:"ok"`
		Note string `json:"note,omitempty"`
	}
	answer := struct {
		Ready  bool              `json:"ready"`
		Checks map[string]result `json:"checks"`
	}{true, map[string]result{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range checks {
		wg.Go(func() {
			note, err := c.test(ctx)
			if err != nil {
				note = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			answer.Checks[c.name] = result{err == nil, note}
			answer.Ready = answer.Ready && err == nil
		})
	}
	wg.Wait()
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(answer) // the asker went away
}

var (
	errDraining     = errors.New("shutting down")
	errUnregistered = errors.New("schemas are not registered yet: is the registry at --registry-url?")
	errTopics       = errors.New("topics are not verified yet: is Kafka at --kafka-brokers?")
	errNoKey        = errors.New("no usable decryption key: put <encryptionCertificateId>.pem into --decryption-keys (meetbridge keys new makes one)")
)
