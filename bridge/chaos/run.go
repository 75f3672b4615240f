package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrSkipped says that this machine has nothing to run a cluster with.
var ErrSkipped = errors.New("chaos: skipped: there are no scripts that start Kafka and a registry")

// Config says what to run and how much goes wrong.
type Config struct {
	Seed   uint64        // decides the plan and what happens in the simulated world
	Faults int           // how many in the run
	Most   time.Duration // the longest that one lasts; at least 1 s
	Rate   float64       // items a second that happen in the simulated world
	// Lifetime of the subscriptions, which the renewers therefore renew all the
	// time.
	Lifetime time.Duration
	Drain    time.Duration // how long Graph may go on repeating at the end
	Binary   string        // of meetbridge
	Dir      string        // gets everything that the run writes; made if missing
	// Scripts is the directory with the scripts kafka and registry, ScriptsHome
	// where they keep their data.
	Scripts, ScriptsHome string
	// Enough, once closed, keeps further faults from happening: everything is put
	// right, and what happened is judged.
	Enough <-chan struct{}
	Log    func(format string, args ...any) // a line each
}

// run is what a run notes while it goes on.
type run struct {
	*site
	began time.Time

	mu      sync.Mutex // guards the rest
	faults  []Fault
	windows []span         // in which two brokers of three were away
	excuses map[int][]span // by ingest: when it could not answer the front in time
	stalls  []span         // when the machine itself stood still
}

// span is from From to To.
type span struct{ From, To time.Time }

func (s span) overlaps(from, to time.Time) bool { return !s.From.After(to) && !from.After(s.To) }

// Fault is one fault as it came to pass.
type Fault struct {
	step
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"`
	Victim string        `json:"victim"`
	Proof  string        `json:"proof,omitempty"` // that it fired
	Error  string        `json:"error,omitempty"` // why there is none
	Skip   bool          `json:"skip,omitempty"`  // it cannot be had on this machine
}

func (r *run) below(from, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows = append(r.windows, span{from, to})
}

func (r *run) excused(n int, from, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.excuses[n] = append(r.excuses[n], span{from, to})
}

// Run starts the system, lets go wrong what the plan says, puts everything right
// and judges. Result is complete when the error is nil, whatever it says.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return Result{}, err
	}
	plan := makePlan(cfg.Seed, cfg.Faults, cfg.Most, kinds())
	cfg.Log("seed %d: %d faults, files in %s", cfg.Seed, cfg.Faults, cfg.Dir)
	for _, l := range lanes() {
		for _, s := range plan[l] {
			cfg.Log("plan: %s", s)
		}
	}
	s, err := newSite(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	r := &run{site: s, began: time.Now(), excuses: map[int][]span{}}
	err = within(ctx, 5*time.Minute, "records flow and every subscription lives", either(steadily(calm, r.settled), func() bool { return s.fallen() != nil }))
	if err := errors.Join(err, s.fallen()); err != nil {
		return Result{}, err
	}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { r.watchMachine(watching) })
	defer func() { stop(); watch.Wait() }()
	cfg.Log("all is well: it begins to go wrong")
	began := time.Now()
	var wg sync.WaitGroup
	for _, l := range lanes() {
		wg.Go(func() { r.lane(ctx, plan[l]) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	cfg.Log("the last fault is over after %s: everything is put right", time.Since(began).Round(time.Second))
	healed := r.heal(ctx)
	code, err := r.drain()
	if err != nil {
		return Result{}, err
	}
	cfg.Log("Graph has nothing left to send (graphsim: exit code %d)", code)
	return r.judge(ctx, healed)
}

// Possible returns ErrSkipped if the scripts of cfg are not there.
func Possible(cfg Config) error {
	if _, err := os.Stat(filepath.Join(cfg.Scripts, "kafka")); err != nil {
		return fmt.Errorf("%w in %s", ErrSkipped, cfg.Scripts)
	}
	return nil
}

// calm is how long all has to be well before it counts: a renewer that has just
// been elected looks around first.
const calm = 10 * time.Second

func either(a, b func() bool) func() bool { return func() bool { return a() || b() } }

// settled reports whether the system does what it is for.
func (r *run) settled() bool {
	acknowledged := 0
	for _, p := range r.front.passed() {
		if p.Status == 202 {
			acknowledged++
		}
	}
	for _, b := range r.front.backends {
		if !b.ready.Load() {
			return false
		}
	}
	return acknowledged > 20 && r.kept()
}

// kept reports whether a renewer leads for which no gap is open and that has
// every subscription.
func (r *run) kept() bool {
	for _, p := range r.renewers {
		if p.leads() {
			return p.figure("open_gaps", "") == 0 && int(p.figure("subscriptions", `status="active"`)) == len(r.wishes)
		}
	}
	return false
}

// lane has the steps of one lane happen, one after the other.
func (r *run) lane(ctx context.Context, steps []step) {
	for _, s := range steps {
		select {
		case <-ctx.Done():
			return
		case <-r.cfg.Enough:
			return
		case <-time.After(s.Before):
		}
		f := &faulted{site: r.site, step: s, ctx: ctx, run: r}
		at := time.Now()
		proof, err := s.kind.do(f)
		done := Fault{step: s, At: at, Took: time.Since(at), Victim: f.victim, Proof: proof, Skip: errors.Is(err, errSkip)}
		switch {
		case done.Skip:
			r.cfg.Log("%s", fmt.Sprintf("%s %d/%d: %s: skipped", s.Lane, s.N, len(steps), s.Kind))
		case err != nil:
			done.Error = err.Error()
			r.cfg.Log("%s %d/%d: %s: %s: NOT PROVED: %v", s.Lane, s.N, len(steps), s.Kind, f.victim, err)
		default:
			r.cfg.Log("%s %d/%d: %s: %s: %s", s.Lane, s.N, len(steps), s.Kind, f.victim, proof)
		}
		r.mu.Lock()
		r.faults = append(r.faults, done)
		r.mu.Unlock()
	}
}

// stall is how late a sleeper may wake on a machine that is merely busy.
const stall = 400 * time.Millisecond

// watchMachine notes when nothing ran, not even a sleeper.
func (r *run) watchMachine(ctx context.Context) {
	const nap = 50 * time.Millisecond
	for last := time.Now(); ctx.Err() == nil; {
		time.Sleep(nap)
		now := time.Now()
		if now.Sub(last) > nap+stall {
			r.mu.Lock()
			r.stalls = append(r.stalls, span{last, now})
			r.mu.Unlock()
		}
		last = now
	}
}

// heal starts what is down and waits until all is as it should be. It returns
// what is not.
func (r *run) heal(ctx context.Context) (wrong []string) {
	for _, v := range append([]*server{r.registry}, r.cluster.nodes...) {
		if err := v.start(ctx); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	note := func(err error) {
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	note(within(ctx, 4*time.Minute, "every replica of every partition is in sync", func() bool {
		n, err := r.cluster.lagging(ctx)
		return err == nil && n == 0
	}))
	note(within(ctx, 5*time.Minute, "every ingest is ready, a renewer leads, and every subscription lives", steadily(calm, r.settled)))
	return wrong
}

// drain lets the simulated Graph send what it still owes, and ends the bridge.
func (r *run) drain() (int, error) {
	if err := syscall.Kill(r.graphsim.pid(), syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("end graphsim: %w", err)
	}
	code, err := r.graphsim.wait(r.cfg.Drain + time.Minute)
	if err != nil {
		return 0, err
	}
	for _, p := range r.renewers {
		if _, err := p.end(syscall.SIGTERM, drainWithin); err != nil {
			return code, err
		}
	}
	for _, p := range r.ingests {
		if _, err := p.end(syscall.SIGTERM, drainWithin); err != nil {
			return code, err
		}
	}
	return code, nil
}
