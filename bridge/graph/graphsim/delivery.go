package graphsim

import (
	"container/heap"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// endpoint delivers to one URL by Graph's rules. Its state is the endpoint's,
// over all subscriptions that name it (FACTS §1.4).
type endpoint struct {
	url        string
	rules      Rules
	maxPending int
	client     *http.Client
	ledger     *ledger
	forger     *forger
	log        *slog.Logger
	group      *group

	wake  chan struct{} // something to look at for the scheduler; holds one
	space chan struct{} // something left pending; holds one, passed on by who needs it no longer

	mu       sync.Mutex
	health   health
	queue    postQueue
	running  int
	pending  int // queued or running
	posts    int
	copies   int
	attempts int
	late     int
	answers  map[string]int
	latency  *hdrhistogram.Histogram // µs
}

func newEndpoint(url string, c Config, l *ledger, f *forger, g *group) *endpoint {
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &endpoint{
		url: url, rules: c.Rules, maxPending: c.MaxPending, client: &client,
		ledger: l, forger: f, log: c.Log, group: g,
		wake: make(chan struct{}, 1), space: make(chan struct{}, 1),
		health:  health{rules: c.Rules, state: healthy},
		answers: map[string]int{},
		latency: hdrhistogram.New(1, 60_000_000, 3),
	}
}

// submit queues p, or drops it if that is the endpoint's state. It waits while
// too much is pending, and returns ctx's error if that ends first.
func (e *endpoint) submit(ctx context.Context, p *post) error {
	for {
		e.mu.Lock()
		if e.pending < e.maxPending {
			break
		}
		e.mu.Unlock()
		select {
		case <-e.space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.posts++
	e.copies += len(p.items)
	a := e.health.admit(time.Now())
	if a.drop {
		e.mu.Unlock()
		e.drop(p)
		return nil
	}
	p.due, p.probe = a.due, a.probe
	e.pending++
	more := e.pending < e.maxPending
	heap.Push(&e.queue, p)
	e.mu.Unlock()
	signal(e.wake)
	if more {
		signal(e.space) // the world and the clerk may both have been waiting
	}
	return nil
}

// schedule starts attempts as they come due until ctx ends.
func (e *endpoint) schedule(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		wait := time.Hour
		e.mu.Lock()
		for len(e.queue) > 0 && e.running < e.rules.Concurrency {
			if d := e.queue[0].due.Sub(now); d > 0 {
				wait = d
				break
			}
			p := heap.Pop(&e.queue).(*post)
			e.running++
			e.group.run(ctx, "graphsim-post", func(ctx context.Context) { e.attempt(ctx, p) })
		}
		e.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-e.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// attempt sends p once and decides what follows.
func (e *endpoint) attempt(ctx context.Context, p *post) {
	if p.body == nil {
		body, err := p.render(e.forger, time.Now())
		if err != nil {
			e.log.Error("post could not be written", "error", err)
			e.finish(p, false)
			return
		}
		p.body = body
	}
	timeout := e.rules.RetryTimeout
	if p.attempts == 0 && p.probe == 0 {
		timeout = e.rules.FirstTimeout
	}
	if p.attempts == 0 {
		p.first = time.Now()
	}
	cut := p.cut && p.attempts == 0
	p.attempts++
	e.ledger.attempted(p.items, time.Now())
	a := send(ctx, e.client, e.url, p.body, cut, timeout)
	if ctx.Err() != nil && !a.ok {
		e.abandon(p) // the run ends; the item stays pending
		return
	}
	e.judge(p, a, timeout)
	if a.ok {
		e.finish(p, true)
		return
	}
	e.retry(p, a)
}

// judge enters the answer into the sums and the endpoint's health.
func (e *endpoint) judge(p *post, a answer, timeout time.Duration) {
	now := time.Now()
	e.mu.Lock()
	e.attempts++
	e.answers[a.kind]++
	answered := a.kind[0] >= '0' && a.kind[0] <= '9'
	if answered {
		_ = e.latency.RecordValue(max(min(a.took.Microseconds(), 60_000_000), 1)) // always in range
	}
	if a.timedOut || answered && a.took > lateAfter {
		e.late++
	}
	var changed bool
	if a.timedOut || answered {
		overFirst := a.took >= e.rules.FirstTimeout
		changed = e.health.answered(now, overFirst, a.timedOut && timeout >= e.rules.RetryTimeout, p.probe)
	} else if p.probe != 0 {
		// A refused probe is no proof of recovery.
		changed = e.health.answered(now, true, true, p.probe)
	}
	state := e.health.state
	e.mu.Unlock()
	p.probe = 0
	if changed {
		e.log.Warn("endpoint state changed", "state", string(state))
	}
	if !a.ok {
		e.log.Debug("post not acknowledged", "answer", a.kind, "took", a.took, "attempt", p.attempts)
	}
}

// retry queues p again after a pause that doubles each time, or gives it up.
func (e *endpoint) retry(p *post, a answer) {
	pause := e.rules.BackoffMin << min(p.attempts-1, 30)
	if pause <= 0 || pause > e.rules.BackoffMax {
		pause = e.rules.BackoffMax
	}
	// Up to a fifth more or less, the same for the same post and attempt.
	jitter := rand.New(rand.NewPCG(uint64(p.seq), uint64(p.attempts))).Float64()
	pause = pause*4/5 + time.Duration(float64(pause)*2/5*jitter)
	p.due = time.Now().Add(max(pause, a.retryAfter))
	if p.due.Sub(p.first) > e.rules.GiveUpAfter {
		e.finish(p, false)
		return
	}
	e.mu.Lock()
	e.running--
	heap.Push(&e.queue, p)
	e.mu.Unlock()
	signal(e.wake)
}

// finish ends the delivery of p, acknowledged or given up.
func (e *endpoint) finish(p *post, acked bool) {
	p.body = nil
	if acked {
		e.ledger.delivered(p.items)
	} else {
		e.drop(p)
	}
	e.mu.Lock()
	e.running--
	if acked && p.repeat != nil {
		e.posts++
		e.copies += len(p.repeat.items)
		p.repeat.due = time.Now()
		heap.Push(&e.queue, p.repeat)
	} else {
		e.pending--
	}
	e.mu.Unlock()
	signal(e.wake)
	signal(e.space)
}

// drop enters that p, and what was to follow it, is lost.
func (e *endpoint) drop(p *post) {
	e.ledger.dropped(p.items)
	if p.repeat != nil {
		e.ledger.dropped(p.repeat.items)
	}
}

// abandon leaves p pending for ever: the simulator stops.
func (e *endpoint) abandon(*post) {
	e.mu.Lock()
	e.running--
	e.mu.Unlock()
}

// drain waits until nothing is pending, and returns how much was when ctx ended.
func (e *endpoint) drain(ctx context.Context) int {
	for {
		e.mu.Lock()
		n := e.pending
		e.mu.Unlock()
		if n == 0 {
			signal(e.space)
			return 0
		}
		select {
		case <-e.space:
		case <-ctx.Done():
			return n
		}
	}
}

// summarize adds the endpoint's part to s and its latencies to h.
func (e *endpoint) summarize(s *Summary, h *hdrhistogram.Histogram) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Posts += e.posts
	s.Copies += e.copies
	s.Attempts += e.attempts
	s.Late += e.late
	s.Slow += e.health.slowed
	s.Drop += e.health.dropped
	for k, n := range maps.All(e.answers) {
		s.Answers[k] += n
	}
	h.Merge(e.latency)
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// postQueue is a heap of posts by due time, then sequence.
type postQueue []*post

func (q postQueue) Len() int { return len(q) }
func (q postQueue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].seq < q[j].seq
}
func (q postQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *postQueue) Push(x any)   { *q = append(*q, x.(*post)) }
func (q *postQueue) Pop() any {
	old := *q
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return p
}
