package graphsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Errors of Run.
var (
	// ErrPending is returned when the drain ended before every item was
	// acknowledged or dropped.
	ErrPending = errors.New("graphsim: items pending")
	// ErrStopped is returned when Stop came first, or Start never did.
	ErrStopped = errors.New("graphsim: not running")
)

// Sim is a simulated Microsoft Graph. Use New, Start, Run as often as wanted,
// Stop.
type Sim struct {
	cfg       Config
	faults    *faultPlan
	ledger    *ledger
	authority *authority
	tokens    *tokenMaker

	notifications, lifecycle *endpoint // the same one where the URLs are equal; nil with the API
	endpoints                *endpointSet
	api                      *apiServer // nil without Config.API

	run sync.Mutex // held by Run
	gen *generator // guarded by run

	mu      sync.Mutex
	servers []*http.Server
	tenants []Tenant           // as they were at the start
	cancel  context.CancelFunc // nil before Start and after Stop
	ctx     context.Context    // the life of the goroutines between Start and Stop
	group   *group
}

// New checks cfg. It starts nothing.
func New(cfg Config) (*Sim, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Sim{cfg: cfg, faults: newFaultPlan(cfg.Faults, cfg), ledger: newLedger(cfg.OnEntry), group: &group{}}
	s.authority = newAuthority(cfg, s.faults)
	s.tokens = &tokenMaker{authority: s.authority, objectID: "1e7d79fa-7893-4d50-bdde-164260d9c5ba"}
	f := &forger{cfg: cfg, tokens: s.tokens}
	s.endpoints = &endpointSet{byURL: map[string]*endpoint{}, group: s.group, make: func(url string) *endpoint {
		return newEndpoint(url, cfg, s.ledger, f, s.group)
	}}
	if cfg.API != nil {
		r := newRegistry(cfg, s.ledger, s.faults, s.endpoints.find)
		var err error
		s.api, err = newAPIServer(cfg, r, s.authority, s.ask)
		return s, err
	}
	var err, err2 error
	s.notifications, err = s.endpoints.find(cfg.NotificationURL)
	s.lifecycle, err2 = s.endpoints.find(cfg.LifecycleURL)
	return s, errors.Join(err, err2)
}

// Start makes the world at Epoch and serves the authority, if there is a
// Listener. Making the signing keys takes some hundred milliseconds, unless
// nothing is to be signed or published. What Start starts lives until Stop,
// whatever becomes of ctx.
func (s *Sim) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil {
		return errors.New("start simulator: it was started before")
	}
	if !s.cfg.Basic || s.cfg.Listener != nil || s.api != nil {
		if err := s.authority.makeKeys(time.Now()); err != nil {
			return err
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	epoch := s.cfg.Epoch
	if epoch.IsZero() {
		epoch = time.Now()
	}
	w := newWorld(s.cfg, s.ledger, s.faults, epoch)
	for _, t := range w.tenants {
		s.tenants = append(s.tenants, t.describe())
	}
	s.endpoints.begin(s.ctx)
	if s.cfg.Listener != nil {
		s.serve("graphsim-authority", &http.Server{Handler: s.authority.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}, s.cfg.Listener, (*http.Server).Serve)
	}
	if s.api != nil {
		s.beginAPI(w)
	}
	s.gen = newGenerator(s, w, epoch)
	s.cfg.Log.Info("simulated graph started", "seed", s.cfg.Seed, "tenants", s.cfg.Tenants, "authority", s.cfg.AuthorityURL)
	return nil
}

// serve runs a server on l until Stop.
func (s *Sim) serve(name string, server *http.Server, l net.Listener, how func(*http.Server, net.Listener) error) {
	s.servers = append(s.servers, server)
	s.group.run(s.ctx, name, func(context.Context) {
		if err := how(server, l); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("server stopped serving", "server", name, "error", err)
		}
	})
}

// Run lets the world live until limit, or until ctx ends, which is no error;
// then it waits, at most Config.Drain, until all that was sent is acknowledged
// or dropped. It returns ErrPending if that did not come to pass, ErrStopped if
// Stop did. A further Run goes on where the last one ended.
func (s *Sim) Run(ctx context.Context, limit Limit) error {
	s.run.Lock()
	defer s.run.Unlock()
	s.mu.Lock()
	life, stopped := s.ctx, s.cancel == nil
	s.mu.Unlock()
	if stopped {
		return ErrStopped
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	if err := s.generate(ctx, limit); err != nil {
		return fmt.Errorf("run world: %w", err)
	}
	drain, cancelDrain := context.WithTimeout(life, s.cfg.Drain)
	defer cancelDrain()
	// What the world told before ctx ended is still owed.
	err := s.gen.finish(drain)
	pending := 0
	for _, e := range s.endpoints.list() {
		pending += e.drain(drain)
	}
	switch {
	case life.Err() != nil:
		return ErrStopped
	case pending > 0 || err != nil:
		return fmt.Errorf("%w: %d POSTs unacknowledged after %s", ErrPending, pending, s.cfg.Drain)
	}
	return nil
}

// generate plays the world at the configured rate until limit or ctx end.
func (s *Sim) generate(ctx context.Context, limit Limit) error {
	if limit.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit.For)
		defer cancel()
	}
	start, rate := time.Now(), s.cfg.Rate
	for n := 0; (limit.Items == 0 || n < limit.Items) && ctx.Err() == nil; n++ {
		for rate > 0 && ctx.Err() == nil {
			now := time.Now()
			ahead := now.Sub(start) - time.Duration(float64(n)/rate*float64(time.Second))
			if ahead > time.Second+time.Duration(float64(time.Second)/rate) {
				start = start.Add(ahead) // it stood still: no burst afterwards
			}
			if err := s.gen.flush(ctx, now.Add(-linger)); err != nil {
				break
			}
			if ahead >= 0 {
				break
			}
			if len(s.gen.open) > 0 {
				ahead = max(ahead, -linger)
			}
			sleep(ctx, -ahead)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := s.gen.next(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// sleep waits for d or until ctx ends. Short waits are rounded up, so that a
// high rate does not mean a timer per item.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(max(d, 5*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Stop ends everything at once: what is under way is broken off and stays
// pending. It waits for all goroutines, at most until ctx ends, and may be
// called at any time and again.
func (s *Sim) Stop(ctx context.Context) error {
	s.mu.Lock()
	cancel := s.cancel
	s.cancel = nil
	started := s.ctx != nil
	servers := s.servers
	s.servers = nil
	s.mu.Unlock()
	var errs []error
	for _, server := range servers {
		errs = append(errs, server.Close())
	}
	if !started {
		s.closeListeners()
	}
	if cancel == nil {
		return errors.Join(errs...)
	}
	cancel()
	done := make(chan struct{})
	go func() {
		s.run.Lock() // Run returns soon: its contexts have ended
		defer s.run.Unlock()
		s.group.wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("stop simulator: %w", ctx.Err()))
	}
	s.ledger.close()
	s.cfg.Client.CloseIdleConnections()
	return errors.Join(errs...)
}

// closeListeners closes what no server took over.
func (s *Sim) closeListeners() {
	if s.cfg.Listener != nil {
		_ = s.cfg.Listener.Close()
	}
	if s.cfg.API != nil && s.cfg.API.Listener != nil {
		_ = s.cfg.API.Listener.Close()
	}
}

// Summary returns what was sent so far and what became of it. It may be called
// at any time.
func (s *Sim) Summary() Summary {
	out := Summary{Seed: s.cfg.Seed, Answers: map[string]int{}, Faults: s.faults.counts(), Authority: s.authority.requests()}
	s.ledger.summarize(&out)
	h := hdrhistogram.New(1, 60_000_000, 3)
	for _, e := range s.endpoints.list() {
		e.summarize(&out, h)
	}
	if s.api != nil {
		out.API = s.api.summarize()
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	out.Latency = Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max()) * time.Microsecond}
	return out
}

// Ledger returns a copy of every entry in order; nothing with Config.OnEntry.
func (s *Sim) Ledger() []Entry { return s.ledger.entries() }

// AuthorityURL returns the base URL of the openid configurations, STSURL that
// of the v1.0 issuers: what the bridge's --entra-authority and --entra-sts are
// to be.
func (s *Sim) AuthorityURL() string { return s.cfg.AuthorityURL }

// STSURL returns the base URL of the issuers of v1.0 tokens.
func (s *Sim) STSURL() string { return s.cfg.STSURL }

// AppIDs returns the apps that own subscriptions: the audiences of the tokens.
func (s *Sim) AppIDs() []string { return slices.Clone(s.cfg.AppIDs) }

// group is the goroutines of a simulator.
type group struct{ wg sync.WaitGroup }

// run starts fn in a goroutine that profiles show under name.
func (g *group) run(ctx context.Context, name string, fn func(context.Context)) {
	g.wg.Go(func() { pprof.Do(ctx, pprof.Labels("goroutine", name), fn) })
}

func (g *group) wait() { g.wg.Wait() }
