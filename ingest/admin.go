package ingest

import (
	"errors"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newAdmin returns the server of the admin port, which is never public: it
// names what is wrong, and profiles.
func newAdmin(reg *prometheus.Registry, ready *readiness) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready.answer(w, r) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}

var (
	errDraining     = errors.New("shutting down")
	errUnregistered = errors.New("schemas are not registered yet: is the registry at --registry-url?")
	errTopics       = errors.New("topics are not verified yet: is Kafka at --kafka-brokers?")
	errNoKey        = errors.New("no usable decryption key: put <encryptionCertificateId>.pem into --decryption-keys (meetbridge keys new makes one)")
)
