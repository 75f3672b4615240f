package renewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/process"
	"meetbridge/schemas"
)

// Renewer is one process that keeps subscriptions alive, or stands by to: New,
// Start, then Stop. Nothing is done before Start; the listener is bound by New,
// so that port 0 can be asked for.
type Renewer struct {
	cfg     Config
	bare    *slog.Logger // the packages below name themselves
	log     *slog.Logger
	life    *process.Lifecycle
	metrics *metrics
	limits  *limits
	ingest  *ingestKeys
	states  *process.Watched[*bridge.ClientStateKeys]
	desired *desiredFile

	registry   *kafka.Registry
	written    *journal      // set before registered closes
	registered chan struct{} // closed once the registry has given its ids

	admin       *http.Server
	adminListen net.Listener

	wish     atomic.Pointer[wish]
	topicsOK atomic.Bool
	election atomic.Pointer[election] // nil before Start and once it stops

	mu  sync.Mutex // guards led
	led map[*leading]chan<- struct{}

	once sync.Once
	done chan struct{} // closed when the process has ended, by Stop or by failing
	err  error         // why it failed; written before done closes
}

// New returns a renewer made of cfg, or the error that names the setting to
// mend. It reads the configured files and binds the listener, and asks nothing
// of Kafka, the registry or Graph yet: they may come up later.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Renewer, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r := &Renewer{
		cfg: cfg, bare: log, log: log.With("component", "renewer"), limits: newLimits(),
		registered: make(chan struct{}), led: map[*leading]chan<- struct{}{}, done: make(chan struct{}),
	}
	r.life = process.NewLifecycle(r.log)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.life.Stop(ctx))
		}
	}()
	reg := cfg.Metrics
	if reg == nil {
		reg = prometheus.NewRegistry()
		reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	r.metrics = newMetrics(reg)
	r.ingest = &ingestKeys{prefix: cfg.TopicPrefix, log: r.log}
	if r.registry, err = kafka.NewRegistry(cfg.Registry, log); err != nil {
		return nil, err
	}
	if r.states, err = cfg.loadClientStates(); err != nil {
		return nil, err
	}
	if r.desired, err = loadDesiredFile(cfg.Subscriptions); err != nil {
		return nil, err
	}
	if err := r.adopt(ctx); err != nil {
		return nil, err
	}
	if r.adminListen, err = process.Listen(ctx, cfg.AdminListener, cfg.AdminListen, "--admin-listen"); err != nil {
		return nil, err
	}
	r.life.OnStop("admin listener", process.Closer(r.adminListen))
	r.gauges(reg)
	r.admin = process.NewAdmin(reg, r.readiness())
	return r, nil
}

// Start joins the election and serves the admin port. It returns at once; what
// fails later ends the process: see Done.
func (r *Renewer) Start() {
	go func() {
		if err := r.admin.Serve(r.adminListen); !errors.Is(err, http.ErrServerClosed) {
			r.fail(fmt.Errorf("serve admin port: %w", err))
		}
	}()
	r.life.OnStop("admin server", func(ctx context.Context) error {
		if err := r.admin.Shutdown(ctx); err != nil {
			return errors.Join(err, r.admin.Close())
		}
		return nil
	})
	r.life.GoUntil("registration", r.register)
	r.life.GoUntil("client-state keys", func(ctx context.Context) { r.states.Run(ctx, r.log) })
	r.life.GoUntil("files", r.watch)
	r.life.GoUntil("announced keys", r.announcements)
	r.life.GoUntil("tokens", r.warm)
	r.life.GoUntil("election", r.stand)
	r.log.Info("started", "admin", r.AdminAddr())
}

// AdminAddr returns the address of the admin port.
func (r *Renewer) AdminAddr() string { return r.adminListen.Addr().String() }

// Done is closed when the renewer has failed or was stopped.
func (r *Renewer) Done() <-chan struct{} { return r.done }

// Err returns why the renewer failed; nil while it runs and after Stop.
func (r *Renewer) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

func (r *Renewer) fail(err error) {
	if err != nil {
		r.once.Do(func() { r.err = err; close(r.done) })
	}
}

// Stop gives every shard back, so that others lead them within a second, and
// ends everything, within ctx. A second call does nothing.
func (r *Renewer) Stop(ctx context.Context) error {
	err := r.life.Stop(ctx)
	r.once.Do(func() { close(r.done) })
	return err
}

// stand stands for election once the topics are there, until ctx ends.
func (r *Renewer) stand(ctx context.Context) {
	if !r.awaitTopics(ctx) {
		return
	}
	e, err := elect(electorate{
		kafka: r.cfg.Kafka, group: electionGroup(r.cfg.TopicPrefix), topic: r.cfg.TopicPrefix + bridge.SubscriptionState.Topic(),
		session: r.cfg.SessionTimeout, heartbeat: r.cfg.Heartbeat,
	}, r.bare, r.lead)
	if err != nil {
		r.fail(err)
		return
	}
	r.election.Store(e)
	<-ctx.Done()
	r.election.Store(nil)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), yieldWithin)
	defer cancel()
	if err := e.stop(stopCtx); err != nil {
		r.log.WarnContext(ctx, "left the election without saying so, others wait for the session to end", "error", err)
	}
}

// awaitTopics returns true once the topics that are needed exist, false if ctx
// ends before.
func (r *Renewer) awaitTopics(ctx context.Context) bool {
	needed := []string{
		r.cfg.TopicPrefix + bridge.SubscriptionState.Topic(), r.cfg.TopicPrefix + bridge.Gap.Topic(), r.cfg.TopicPrefix + bridge.Lifecycle.Topic(),
	}
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		try, cancel := context.WithTimeout(ctx, takeOverWithin)
		_, err := kafka.Describe(try, r.cfg.Kafka, needed, r.bare)
		cancel()
		if err == nil {
			r.topicsOK.Store(true)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		r.log.WarnContext(ctx, "topics not usable yet", "error", err, "retry_in", wait)
		if sleep(ctx, wait); ctx.Err() != nil {
			return false
		}
	}
}

// register registers the schemas that are written, trying until the registry
// answers or ctx ends.
func (r *Renewer) register(ctx context.Context) {
	codec, err := schemas.NewCodec()
	if err != nil {
		r.fail(err)
		return
	}
	var own []schemas.Schema
	for _, s := range schemas.All() {
		if s.Topic == bridge.SubscriptionState.Topic() || s.Topic == bridge.Gap.Topic() {
			own = append(own, s)
		}
	}
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ids, err := r.registry.RegisterAll(ctx, r.cfg.TopicPrefix, own)
		if err == nil {
			byTopic := map[string]uint32{}
			for topic, id := range ids {
				byTopic[topic] = uint32(id)
			}
			r.written = &journal{
				kafka: r.cfg.Kafka, prefix: r.cfg.TopicPrefix, codec: codec, reader: newReader(codec, byTopic, r.registry), log: r.log, counted: r.metrics,
			}
			close(r.registered)
			return
		}
		if errors.Is(err, kafka.ErrIncompatible) {
			r.fail(fmt.Errorf("register schemas: %w", err))
			return
		}
		r.log.WarnContext(ctx, "schemas not registered yet", "error", err, "retry_in", wait)
		if sleep(ctx, wait); ctx.Err() != nil {
			return
		}
	}
}
