package renewer_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// history drives a Planner against a modelGraph in virtual time: what the
// process does, without Kafka, limits and goroutines. What is written is kept
// apart from what is in memory, so that a crash can forget the latter.
type history struct {
	t       testing.TB
	rng     *rand.Rand
	graph   *modelGraph
	rules   renewer.Rules
	wanted  *renewer.Wanted
	planner *renewer.Planner
	now     time.Time     // the truth
	skew    time.Duration // what our clock is wrong by
	queue   events
	busy    map[renewer.Key]string // under way
	term    int                    // of leaders
	perStep int                    // actions begun in one instant at most; 0: all

	asked   map[string]bool // by subscription and time: what Graph wished to be reauthorized
	written map[renewer.Key]renewer.State
	gaps    []renewer.Gap
	begun   map[renewer.ActionKind]int
	latency time.Duration
	started []time.Time // when calls were begun
}

type event struct {
	at time.Time
	n  int
	do func()
}

type events struct {
	all []event
	n   int
}

func (e *events) Len() int { return len(e.all) }
func (e *events) Less(i, j int) bool {
	if !e.all[i].at.Equal(e.all[j].at) {
		return e.all[i].at.Before(e.all[j].at)
	}
	return e.all[i].n < e.all[j].n
}
func (e *events) Swap(i, j int) { e.all[i], e.all[j] = e.all[j], e.all[i] }
func (e *events) Push(x any)    { e.all = append(e.all, x.(event)) }
func (e *events) Pop() any {
	last := e.all[len(e.all)-1]
	e.all = e.all[:len(e.all)-1]
	return last
}

var modelStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newHistory(tb testing.TB, seed uint64, n int) *history {
	tb.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	h := &history{
		t: tb, rng: rng, graph: newModelGraph(rng), rules: renewer.DefaultRules(), wanted: modelWishes(n), now: modelStart,
		busy: map[renewer.Key]string{}, written: map[renewer.Key]renewer.State{}, begun: map[renewer.ActionKind]int{},
		latency: 200 * time.Millisecond, asked: map[string]bool{},
	}
	h.lead()
	return h
}

func (h *history) clock() time.Time { return h.now.Add(h.skew) }

// lead makes a new leader, who knows what was written.
func (h *history) lead() {
	h.term++
	clear(h.busy)
	h.planner = renewer.NewPlanner()
	for _, s := range h.written {
		h.planner.Set(renewer.TakeOver(s, h.clock()), h.clock())
	}
	h.planner.Want(h.wanted, h.rules, h.clock())
}

// at has do done in true time, if the leader of now still leads then.
func (h *history) at(when time.Time, do func()) {
	term := h.term
	h.always(when, func() {
		if term == h.term {
			do()
		}
	})
}

func (h *history) always(when time.Time, do func()) {
	h.queue.n++
	heap.Push(&h.queue, event{when, h.queue.n, do})
}

// write makes s and the gaps the last word.
func (h *history) write(s renewer.State, gaps []renewer.Gap) {
	if s.Status == renewer.Deleted {
		delete(h.written, s.Key)
	} else if s.Intent != renewer.Read {
		h.written[s.Key] = s
	}
	h.gaps = append(h.gaps, gaps...)
	h.planner.Set(s, h.clock())
}

// run lets time pass until end.
func (h *history) run(end time.Time) {
	for h.now.Before(end) {
		next := h.step()
		at := end
		if !next.IsZero() {
			at = minTime(at, next.Add(-h.skew))
		}
		if len(h.queue.all) > 0 {
			at = minTime(at, h.queue.all[0].at)
		}
		if at.After(h.now) {
			h.now = at
		} else {
			h.now = h.now.Add(time.Millisecond)
		}
		for len(h.queue.all) > 0 && !h.queue.all[0].at.After(h.now) {
			heap.Pop(&h.queue).(event).do()
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// step begins all that is due.
func (h *history) step() (next time.Time) {
	tenants, next := h.planner.Wake(h.clock())
	begun := 0
	for _, tenant := range tenants {
		for h.perStep == 0 || begun < h.perStep {
			a, ok := h.planner.Pop(tenant, h.clock())
			if !ok {
				break
			}
			h.begin(a)
			begun++
		}
	}
	if h.perStep > 0 && begun == h.perStep {
		return h.clock().Add(time.Second) // the limits have no room before
	}
	return next
}

func (h *history) begin(a renewer.Action) {
	h.begun[a.Kind]++
	if a.Kind != renewer.Forget {
		h.started = append(h.started, h.now)
	}
	if a.Kind == renewer.List {
		h.at(h.now.Add(h.latency), func() { h.listed(a) })
		return
	}
	if under := h.busy[a.Key]; under != "" {
		h.t.Fatalf("%s of %s while %s is under way", a.Kind, a.Key, under)
	}
	s, _ := h.planner.State(a.Key)
	s = renewer.Begin(s, a, h.clock())
	h.write(s, nil)
	if a.Kind == renewer.Forget {
		h.write(renewer.Finish(s, a, renewer.Outcome{}, h.clock(), h.rules))
		return
	}
	h.busy[a.Key] = string(a.Kind)
	h.at(h.now.Add(h.latency/2), func() {
		o := h.call(a)
		h.at(h.now.Add(h.latency/2), func() {
			delete(h.busy, a.Key)
			s, _ := h.planner.State(a.Key)
			h.write(renewer.Finish(s, a, o, h.clock(), h.rules))
		})
	})
}

func (h *history) call(a renewer.Action) (o renewer.Outcome) {
	switch a.Kind {
	case renewer.Create:
		h.create(a, &o)
	case renewer.Renew:
		if s, _ := h.planner.State(a.Key); !s.ReauthorizedAt.IsZero() && h.clock().Sub(s.ReauthorizedAt) < 10*time.Minute {
			h.t.Errorf("PATCH %s after a reauthorization", h.clock().Sub(s.ReauthorizedAt))
		}
		if over := a.Expires.Sub(h.clock()); over > 4320*time.Minute-5*time.Minute {
			h.t.Errorf("asked for a lifetime of %s", over)
		}
		o.Subscription, o.Err = h.graph.update(a.SubscriptionID, a.Patch(), h.now)
	case renewer.Replace:
		o.Err = h.graph.delete(a.SubscriptionID, h.now)
		o.Deleted = o.Err == nil
		if e, ok := o.Err.(*graph.Error); ok && e.Status == 404 { //nolint:errorlint // the model wraps nothing
			o.Gone = true
		}
		if o.Deleted || o.Gone {
			h.create(a, &o)
		}
	case renewer.Delete:
		o.Err = h.graph.delete(a.SubscriptionID, h.now)
	case renewer.Read:
		o.Subscription, o.Err = h.graph.get(a.SubscriptionID, h.now)
	default:
		h.t.Fatalf("an action of kind %q", a.Kind)
	}
	return o
}

func (h *history) create(a renewer.Action, o *renewer.Outcome) {
	o.Subscription, o.Err = h.graph.create(a.Outgoing("secret"), h.now)
	if e, ok := o.Err.(*graph.Error); ok && e.ExistingID != "" { //nolint:errorlint // the model wraps nothing
		if sub, err := h.graph.get(e.ExistingID, h.now); err == nil {
			o.Existing = &sub
		}
	}
}

func (h *history) listed(a renewer.Action) {
	subs, err := h.graph.list(h.now)
	for _, s := range h.planner.Orphans(a.TenantID) {
		if err != nil {
			h.write(renewer.Finish(s, a, renewer.Outcome{Err: err}, h.clock(), h.rules))
			continue
		}
		h.write(renewer.Repair(s, h.planner.Wish(s.Key), subs, h.clock(), h.clock(), h.rules))
	}
}

// notice tells of a lifecycle event of a subscription, as ingest would.
func (h *history) notice(key renewer.Key, n renewer.Notice) {
	n.TenantID = key.TenantID
	if n.Event == "reauthorizationRequired" {
		h.asked[n.SubscriptionID+n.ReceivedAt.String()] = true
	}
	if s, ok := h.planner.State(key); ok {
		if s, gaps, news := renewer.Heed(s, n, h.clock(), h.rules); news {
			h.write(s, gaps)
		}
	}
}

// want makes w what is desired.
func (h *history) want(w *renewer.Wanted) {
	h.wanted = w
	h.planner.Want(w, h.rules, h.clock())
}

// settled fails unless all that is desired lives as it should, nothing else
// does, and nothing is due.
func (h *history) settled() {
	h.t.Helper()
	if len(renewer.Plan(h.clock(), h.wanted, h.written, h.rules)) > 0 { // due this very moment
		h.run(h.now.Add(10 * time.Second))
	}
	h.graph.expire(h.now)
	wrong := 0
	complain := func(format string, args ...any) {
		h.t.Helper()
		if wrong++; wrong <= 5 {
			h.t.Errorf(format, args...)
		}
	}
	desired := map[string]bool{}
	for i := range h.wanted.Subscriptions {
		d := &h.wanted.Subscriptions[i]
		key := modelKey(d.Resource, d.ChangeType)
		desired[key] = true
		s, sub := h.written[d.Key], h.graph.byKey[key]
		switch {
		case sub == nil:
			complain("%s does not live: %+v", d.Key, s)
		case s.SubscriptionID != sub.ID || s.Status != renewer.Active || s.Gap.ID != "" || s.Intent != "":
			complain("%s lives as %s, state says %+v", d.Key, sub.ID, s)
		case sub.NotificationURL != d.NotificationURL || sub.LifecycleNotificationURL != d.LifecycleURL ||
			sub.IncludeResourceData != d.Rich:
			complain("%s is not as desired: %+v", d.Key, sub.Subscription)
		}
	}
	for key, sub := range h.graph.byKey {
		if !desired[key] {
			complain("%s lives as %s and is not desired", key, sub.ID)
		}
	}
	if due := renewer.Plan(h.clock(), h.wanted, h.written, h.rules); len(due) > 0 {
		complain("%d actions are due at once after all was done, first %+v", len(due), due[0])
	}
	for _, w := range h.graph.wrong {
		complain("%s", w)
	}
	if len(h.graph.living) != len(desired) {
		complain("%d live, %d are desired", len(h.graph.living), len(desired))
	}
}

// honest fails unless the gaps on record are those that were (I9).
func (h *history) honest() {
	h.t.Helper()
	if err := h.compareGaps(); err != nil {
		h.t.Error(err)
	}
}

func (h *history) compareGaps() error {
	type pair struct{ opened, closed *renewer.Gap }
	pairs := map[string]*pair{}
	byKey := map[string][]*pair{}
	for i := range h.gaps {
		g := &h.gaps[i]
		p := pairs[g.GapID]
		switch {
		case p == nil && g.To.IsZero():
			p = &pair{opened: g}
			pairs[g.GapID] = p
			key := modelKey(g.Key.Resource, g.Key.ChangeType)
			byKey[key] = append(byKey[key], p)
		case p == nil:
			return fmt.Errorf("gap %s closed and not opened", g.GapID)
		case g.To.IsZero():
			return fmt.Errorf("gap %s opened twice", g.GapID)
		case p.closed != nil:
			return fmt.Errorf("gap %s closed twice", g.GapID)
		case !g.From.Equal(p.opened.From) || g.To.Before(g.From) || g.EventID == p.opened.EventID:
			return fmt.Errorf("gap %s does not match its opening: %+v, %+v", g.GapID, g, p.opened)
		default:
			p.closed = g
		}
	}
	for i := range h.wanted.Subscriptions {
		d := &h.wanted.Subscriptions[i]
		key := modelKey(d.Resource, d.ChangeType)
		dead := h.graph.dead(key)
		for _, truth := range dead { // nothing is missing
			covered := false
			for _, p := range byKey[key] {
				if !p.opened.From.After(truth.start) && (p.closed == nil || !truth.end.IsZero() && !p.closed.To.Before(truth.end)) {
					covered = true
				}
			}
			if !covered {
				return fmt.Errorf("%s was dead from %s to %s, and no gap says so: %+v", key, truth.start, truth.end, byKey[key])
			}
		}
		for _, p := range byKey[key] { // nothing is invented
			was := p.opened.OldSubscriptionID == "" // the first creation failed
			if p.opened.Cause == renewer.CauseHeld {
				was = p.closed != nil && h.asked[p.opened.OldSubscriptionID+p.opened.From.String()] &&
					h.graph.heldTooLong(p.opened.OldSubscriptionID, p.opened.From, p.closed.To.Sub(p.closed.From))
			}
			for _, truth := range dead {
				if (p.closed == nil || truth.start.Before(p.closed.To)) && (truth.end.IsZero() || !truth.end.Before(p.opened.From)) {
					was = true
				}
			}
			if !was {
				return fmt.Errorf("%s has a gap from %s, %s (%s), and lived: %+v", key, p.opened.From, p.opened.Cause, p.opened.Evidence, dead)
			}
		}
	}
	return nil
}
