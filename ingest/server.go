package ingest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/time/rate"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/process"
	"meetbridge/bridge/sealed"
	"meetbridge/schemas"
)

// Server is one ingest process: New, Start, then Stop. Nothing is served before
// Start; the listeners are bound by New, so that port 0 can be asked for.
type Server struct {
	handler *handler
	outlet  *outlet
	gossip  *gossip
	life    *process.Lifecycle
	log     *slog.Logger

	public, admin         *http.Server
	listener, adminListen net.Listener
	background            []func() // started by Start

	topicsOK atomic.Bool
	once     sync.Once
	done     chan struct{} // closed when the server has ended, by Stop or by failing
	err      error         // why it failed; written before done closes
}

// New returns a server made of cfg, or the error that names the setting to
// mend. It reads the configured files and binds the listeners, and asks nothing
// of Kafka, the registry or the authority yet: they may come up later.
//
// It is one straight line on purpose: each resource with its end beside it, in
// the order in which they must be undone.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Server, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	bare := log // the packages below name themselves
	log = bare.With("component", "ingest")
	s := &Server{life: process.NewLifecycle(log), log: log, done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.life.Stop(ctx))
		}
	}()

	reg := cfg.Metrics
	if reg == nil {
		reg = prometheus.NewRegistry()
		reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	m := newMetrics(reg)

	wrap, stopTracing, err := tracing(ctx, cfg.OTLPEndpoint, log)
	if err != nil {
		return nil, err
	}
	s.life.OnStop("tracing", stopTracing)

	cfg.Producer.Registerer = reg
	producer, err := kafka.NewProducer(cfg.Kafka, cfg.Producer, bare)
	if err != nil {
		return nil, err
	}
	s.life.OnStop("kafka producer", func(ctx context.Context) error {
		// What Kafka never acknowledged was answered with 503: nothing is lost.
		if err := producer.Close(ctx); err != nil {
			log.WarnContext(ctx, "records given up, Graph was told to send them again", "error", err)
		}
		return nil
	})
	registry, err := kafka.NewRegistry(cfg.Registry, bare)
	if err != nil {
		return nil, err
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, err
	}
	s.outlet = &outlet{
		encoder:  newEncoder(cfg.TopicPrefix, codec),
		producer: producer, kafka: &pulse{buffered: producer.Buffered, log: log},
		recent: newRecent(cfg.RecentIDs, time.Now()), strange: newRecent(cfg.RecentIDs/strangeShare, time.Now()),
		forged: rate.NewLimiter(rate.Limit(cfg.QuarantineRate), 64*int(cfg.QuarantineRate)), metrics: m, log: log, busy: rate.Sometimes{Interval: time.Minute},
	}

	s.gossip = newGossip(cfg, s.outlet, bare)

	states, err := loadClientStates(cfg.Trust)
	if err != nil {
		return nil, err
	}
	s.background = append(s.background, func() {
		s.life.GoUntil("client states", func(ctx context.Context) { states.Run(ctx, log) })
	})

	verifier, err := cfg.Verifier(bare)
	if err != nil {
		return nil, err
	}
	ring := func() *sealed.Ring { return &sealed.Ring{} }
	checks := []process.Check{
		{Name: "kafka", Test: s.checkKafka(producer)},
		{Name: "registry", Test: s.checkRegistry},
		{Name: "recent_ids", Test: s.gossip.check},
		{Name: "client_states", Test: checkStates(states)},
		{Name: "drain", Test: s.checkDrain},
	}
	if cfg.DecryptionKeys != "" {
		watch, err := sealed.Watch(ctx, cfg.DecryptionKeys, bare)
		if err != nil {
			return nil, fmt.Errorf("watch --decryption-keys: %w", err)
		}
		s.life.OnStop("decryption keys", func(context.Context) error { watch.Close(); return nil })
		ring = watch.Ring
		s.background = append(s.background, func() {
			verifier.Start(context.WithoutCancel(ctx))
			s.life.OnStop("key sets", func(context.Context) error { verifier.Close(); return nil })
		})
		checks = append(checks,
			process.Check{Name: "decryption_keys", Test: checkRing(ring)},
			process.Check{Name: "key_set", Test: func(context.Context) (string, error) { return "", verifier.Ready() }})
	} else {
		log.WarnContext(ctx, "no decryption keys configured, sealed notifications go to quarantine")
	}

	s.handler = &handler{
		pipeline: &pipeline{
			clientStates: states, tokens: verifier, opener: newOpener(ring, cmp.Or(cfg.OpenAtOnce, runtime.GOMAXPROCS(0))), out: s.outlet, metrics: m, log: log,
			rules: bridge.Rules{DropPayload: cfg.Payload == "drop", FreshID: freshID},
		},
		admission: &admission{maxRequests: int64(cfg.MaxInFlight), maxBytes: int64(cfg.MaxInFlightBytes)},
		maxBody:   int64(cfg.MaxBody), budget: cfg.AnswerWithin, metrics: m, log: log,
	}
	s.gauges(reg, ring, verifier)
	s.background = append(s.background, func() {
		s.life.GoUntil("registration", func(ctx context.Context) { s.fail(s.outlet.register(ctx, registry)) })
		s.life.GoUntil("announcements", s.gossip.speak)
		s.life.GoUntil("topics", func(ctx context.Context) {
			if err := s.prepareTopics(ctx, cfg, bare); err != nil {
				s.fail(err)
				return
			}
			s.gossip.hear(ctx)
		})
		s.life.GoUntil("announced keys", func(ctx context.Context) { s.fail(s.announce(ctx, cfg, ring, states, bare)) })
	})
	return s, s.bind(ctx, cfg, reg, wrap, checks)
}

// bind makes the two HTTP servers and their listeners.
func (s *Server) bind(ctx context.Context, cfg Config, reg *prometheus.Registry, wrap func(http.Handler) http.Handler, checks []process.Check) error {
	var err error
	if s.listener, err = process.Listen(ctx, cfg.Listener, cfg.Listen, "--listen"); err != nil {
		return err
	}
	s.life.OnStop("public listener", process.Closer(s.listener))
	open := bounded(s.listener, cfg.MaxInFlight)
	s.listener = open
	s.background = append(s.background, func() { s.life.GoUntil("deadlines", open.sweep) })
	gauge(reg, "connections", "Connections of the public port that are open.", func() float64 { return float64(open.count()) })
	if s.adminListen, err = process.Listen(ctx, cfg.AdminListener, cfg.AdminListen, "--admin-listen"); err != nil {
		return err
	}
	s.life.OnStop("admin listener", process.Closer(s.adminListen))
	s.public = newPublic(s.handler, wrap, cfg.AnswerWithin, s.log)
	ready := process.NewReadiness(s.log, checks...)
	s.background = append(s.background, func() { s.life.GoUntil("readiness", ready.Await) })
	s.admin = process.NewAdmin(reg, ready)
	if cfg.TLSCert == "" {
		return nil
	}
	pair, err := loadKeyPair(cfg)
	if err != nil {
		return err
	}
	s.background = append(s.background, func() {
		s.life.GoUntil("TLS key pair", func(ctx context.Context) { pair.Run(ctx, s.log) })
	})
	s.public.TLSConfig = tlsConfig(pair)
	s.listener = tls.NewListener(s.listener, s.public.TLSConfig)
	return nil
}

// Start serves. It returns at once; what fails later ends the server: see Done.
func (s *Server) Start() {
	for _, begin := range s.background {
		begin()
	}
	s.serve("admin server", s.admin, s.adminListen)
	s.serve("public server", s.public, s.listener)
	s.log.Info("serving", "listen", s.Addr(), "admin", s.AdminAddr())
}

func (s *Server) serve(name string, srv *http.Server, l net.Listener) {
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve %s: %w", name, err))
		}
	}()
	s.life.OnStop(name, func(ctx context.Context) error {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(err, srv.Close())
		}
		return nil
	})
}

// Addr returns the address of the public port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// AdminAddr returns the address of the admin port.
func (s *Server) AdminAddr() string { return s.adminListen.Addr().String() }

// Done is closed when the server has failed or was stopped.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the server failed; nil while it runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

func (s *Server) fail(err error) {
	if err != nil {
		s.once.Do(func() { s.err = err; close(s.done) })
	}
}

// Stop answers what was accepted, refuses what comes new, waits for Kafka, and
// ends everything, within ctx. A second call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if !s.handler.draining.Swap(true) {
		s.log.InfoContext(ctx, "draining")
	}
	err := s.life.Stop(ctx)
	s.once.Do(func() { close(s.done) })
	return err
}

func freshID() string { return uuid.Must(uuid.NewV7()).String() }

func loadClientStates(t Trust) (*process.Watched[bridge.ClientStateKeys], error) {
	return process.Load(parseClientStates,
		process.File{Flag: "--client-state-keys", Path: t.ClientStateKeys}, process.File{Flag: "--client-states", Path: t.ClientStates})
}

// parseClientStates is the parser of the watched files of --client-state-keys
// and --client-states. Files that hold none are refused: they would have every
// genuine item set aside as forged.
func parseClientStates(files [][]byte) (bridge.ClientStateKeys, error) {
	states, err := bridge.ParseClientStateKeys(files[0], files[1])
	if keys, literals := states.Len(); err == nil && keys+literals == 0 {
		err = errors.New("no client-state key and no literal value: name the file that holds them, or make a key with meetbridge keys new where there is none yet")
	}
	return states, err
}
