package renewer

import (
	"iter"
	"strings"
	"time"
)

// Planner answers what Plan does without looking at everything each time: it
// keeps the states, and in order what is due and when what is not will be. It is
// for one goroutine. Times of states are kept to the microsecond.
//
// An action that Pop has handed out does not come again until Set says what has
// become of its state, or Return that nothing has.
type Planner struct {
	rules   Rules
	scene   *scene
	wanting bool // Want was called
	items   map[Key]*item
	ids     map[string]*item  // by the id, in lower case, of what lives
	waiting map[place][]*item // to be created once nothing is leaving there
	later   itemHeap          // items by when their action may change by itself
	tenants map[string]*queue
	state   State // of the item that is looked at
}

// queue is what is due in one tenant.
type queue struct {
	ready   itemHeap // all but reads
	reads   itemHeap
	orphans map[Key]*item
	listing bool // the action to list it is handed out
}

// of returns where actions of the kind wait.
func (q *queue) of(k ActionKind) *itemHeap {
	if k == Read {
		return &q.reads
	}
	return &q.ready
}

// drop takes it out, if it is in.
func (q *queue) drop(it *item) {
	if it.action != nil {
		q.of(it.action.Kind).drop(it)
	}
}

// NewPlanner returns a planner without states, for which nothing is due until
// Want has said what is desired. Many states are best Set before that.
func NewPlanner() *Planner {
	return &Planner{
		scene: newScene(&Wanted{}, &Rules{}),
		items: map[Key]*item{}, ids: map[string]*item{}, waiting: map[place][]*item{}, tenants: map[string]*queue{},
		later: newHeap(
			func(a, b *item) bool { return a.turn < b.turn },
			func(it *item) *int32 { return &it.at }),
	}
}

// Want makes w all that is desired, and plans anew with rules r. w must not
// change afterwards.
func (p *Planner) Want(w *Wanted, r Rules, now time.Time) {
	p.rules, p.scene, p.wanting = r, newScene(w, &r), true
	p.scene.wish = p.Wish
	clear(p.waiting)
	for _, it := range p.items {
		it.wish = nil
	}
	for i := range w.Subscriptions {
		d := &w.Subscriptions[i]
		it := p.item(d.Key)
		it.wish, it.key = d, d.Key
		p.items[d.Key] = it // so that the state's copy of the key's text is freed
		p.scene.desires(d)
	}
	for _, it := range p.items {
		switch {
		case it.wish != nil:
		case !it.known:
			p.remove(it)
		default:
			p.scene.count(p.load(it))
		}
	}
	for _, it := range p.items {
		p.plan(it, now)
	}
}

// Set makes s the state of its key. One that is deleted and not desired is
// forgotten.
func (p *Planner) Set(s State, now time.Time) {
	it := p.item(s.Key)
	q := p.queue(s.TenantID)
	var was, is standing
	if it.known {
		before := p.load(it)
		was = p.scene.standing(before)
		if before.Orphan {
			delete(q.orphans, s.Key)
			q.listing = false
		}
		p.unname(it)
	}
	if s.Status == Deleted && it.wish == nil {
		p.remove(it)
		it.known = false
	} else {
		it.state, it.known, it.out = pack(&s), true, false
		if s.Orphan {
			q.orphans[s.Key] = it
		}
		if s.SubscriptionID != "" {
			p.ids[strings.ToLower(s.SubscriptionID)] = it
		}
		is = p.scene.standing(&s)
	}
	if is.dropped != was.dropped {
		p.dropped(s.TenantID, is.dropped, now)
	}
	if it.known {
		p.plan(it, now)
	}
	if is.leaving != was.leaving {
		p.left(s.place(), is.leaving, now)
	}
}

// dropped counts what is no longer desired of a tenant, one more or one fewer,
// and looks at all of it again where that makes a difference.
func (p *Planner) dropped(tenantID string, more bool, now time.Time) {
	t := p.scene.tenants[tenantID]
	before := t.held()
	if t.dropped--; more {
		t.dropped += 2
	}
	if t.held() == before {
		return
	}
	for _, it := range p.items {
		if it.wish == nil && it.key.TenantID == tenantID {
			p.plan(it, now)
		}
	}
}

// left counts what is about to be deleted in a place, and lets go what has been
// waiting for the last of it.
func (p *Planner) left(at place, one bool, now time.Time) {
	if one {
		p.scene.leaving[at]++ // Pop sees it
		return
	}
	p.scene.leaving[at]--
	if p.scene.leaving[at] > 0 {
		return
	}
	delete(p.scene.leaving, at)
	waiting := p.waiting[at]
	delete(p.waiting, at)
	for _, it := range waiting {
		if p.items[it.key] == it {
			p.plan(it, now)
		}
	}
}

// Return takes back an action that Pop has handed out and nothing was done about.
func (p *Planner) Return(a Action, now time.Time) {
	if a.Kind == List {
		p.queue(a.TenantID).listing = false
		return
	}
	if it := p.items[a.Key]; it != nil {
		it.out = false
		p.plan(it, now)
	}
}

// State returns the state of k, if there is one.
func (p *Planner) State(k Key) (State, bool) {
	if it := p.items[k]; it != nil && it.known {
		return *p.load(it), true
	}
	return State{}, false
}

// Named returns the key whose state says that the subscription with this id
// lives, if there is one. Its letter case makes no difference.
func (p *Planner) Named(id string) (Key, bool) {
	if it := p.ids[strings.ToLower(id)]; it != nil {
		return it.key, true
	}
	return Key{}, false
}

// Wish returns what is desired of k, nil if nothing is.
func (p *Planner) Wish(k Key) *Desired {
	if it := p.items[k]; it != nil {
		return it.wish
	}
	return nil
}

// Held returns the removals that are held back, by tenant; nil for none.
func (p *Planner) Held() map[string]Held { return p.scene.heldBack() }

// States ranges over all states, in no order.
func (p *Planner) States() iter.Seq[State] {
	return func(yield func(State) bool) {
		for _, it := range p.items {
			if it.known && !yield(*p.load(it)) {
				return
			}
		}
	}
}

// Orphaned reports whether the tenant, or with "" any, has states that Repair is
// for.
func (p *Planner) Orphaned(tenantID string) bool {
	for tenant, q := range p.tenants {
		if len(q.orphans) > 0 && (tenantID == "" || strings.EqualFold(tenant, tenantID)) {
			return true
		}
	}
	return false
}

// Orphans returns the states of the tenant that Repair is for.
func (p *Planner) Orphans(tenantID string) []State {
	var all []State
	if q := p.tenants[tenantID]; q != nil {
		for _, it := range q.orphans {
			all = append(all, *p.load(it))
		}
	}
	return all
}

// Wake makes ready what is due at now. It returns the tenants that have
// something to Pop, in no order, and when more will be ready: zero for never.
func (p *Planner) Wake(now time.Time) (tenants []string, next time.Time) {
	for len(p.later.items) > 0 && !p.later.items[0].turn.time().After(now) {
		p.plan(p.later.items[0], now)
	}
	if len(p.later.items) > 0 {
		next = p.later.items[0].turn.time()
	}
	for tenant, q := range p.tenants {
		at, ok := p.listable(q)
		if ok && at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if ok && !at.After(now) || len(q.ready.items)+len(q.reads.items) > 0 {
			tenants = append(tenants, tenant)
		}
	}
	return tenants, next
}

// Pop hands out the tenant's first action that is due at now, ok being false if
// there is none. What lies ahead becomes due by Wake alone.
func (p *Planner) Pop(tenantID string, now time.Time) (a Action, ok bool) {
	q := p.tenants[tenantID]
	if q == nil {
		return Action{}, false
	}
	if at, ok := p.listable(q); ok && !at.After(now) {
		q.listing = true
		return listAction(tenantID, at), true
	}
	if a, ok := p.pop(&q.ready, now); ok {
		return a, true
	}
	return p.pop(&q.reads, now)
}

// PopRead is Pop for reads alone, which come last there, and which none of what
// keeps the others waiting need keep waiting.
func (p *Planner) PopRead(tenantID string, now time.Time) (a Action, ok bool) {
	if q := p.tenants[tenantID]; q != nil {
		return p.pop(&q.reads, now)
	}
	return Action{}, false
}

func (p *Planner) pop(from *itemHeap, now time.Time) (a Action, ok bool) {
	for len(from.items) > 0 {
		it := from.items[0]
		p.plan(it, now) // it may have waited for long
		if len(from.items) == 0 || from.items[0] != it {
			continue // it is no longer due, or no longer the first
		}
		p.later.drop(it)
		from.drop(it)
		it.out = true
		return *it.action, true
	}
	return Action{}, false
}

// listable reports whether q is to be listed, and from when on.
func (p *Planner) listable(q *queue) (at time.Time, ok bool) {
	if q.listing {
		return at, false
	}
	for _, it := range q.orphans {
		if s := p.load(it); p.scene.orphaned(s) {
			at, ok = later(at, s.NextAttemptAt), true
		}
	}
	return at, ok
}

// plan puts it where it belongs at now.
func (p *Planner) plan(it *item, now time.Time) {
	if it.out || !p.wanting {
		return
	}
	var s *State
	if it.known {
		s = p.load(it)
	}
	a := p.rules.next(now, it.wish, s, p.scene)
	q := p.queue(it.key.TenantID)
	q.drop(it)
	p.later.drop(it)
	it.action = nil
	if a.Kind == "" {
		if it.wish != nil && p.scene.leaving[it.key.place()] > 0 {
			p.waiting[it.key.place()] = append(p.waiting[it.key.place()], it)
		}
		return
	}
	if a.due(now) {
		ready := a // so that only what is due is allocated
		it.action = &ready
		q.of(a.Kind).put(it)
	}
	if turn := p.rules.turn(now, s, a); !turn.IsZero() {
		it.turn = atOrAfter(turn)
		p.later.put(it)
	}
}

// load returns the state of it, which is good until the next call.
func (p *Planner) load(it *item) *State {
	it.state.unpack(it.key, &p.state)
	return &p.state
}

// turn returns the next instant after now at which the answer of next, which was
// a at now, may change by itself; zero for never.
func (r *Rules) turn(now time.Time, s *State, a Action) (t time.Time) {
	first := func(at time.Time) {
		if at.After(now) && (t.IsZero() || at.Before(t)) {
			t = at
		}
	}
	first(a.Due)
	if s != nil && s.SubscriptionID != "" {
		for _, at := range [...]time.Time{
			r.renewalDue(s, s.chance()), r.lapsing(s).Add(1), s.ExpiresAt, s.ExpiresAt.Add(r.Slack), s.AskedAt, s.NextAttemptAt, s.ReauthorizedAt.Add(r.Quiet),
		} {
			first(at)
		}
	}
	return t
}

func (p *Planner) item(k Key) *item {
	it := p.items[k]
	if it == nil {
		it = &item{key: k, at: -1, ready: -1}
		p.items[k] = it
	}
	return it
}

func (p *Planner) queue(tenantID string) *queue {
	q := p.tenants[tenantID]
	if q == nil {
		due := newHeap(
			func(a, b *item) bool { return before(a.action, b.action) < 0 },
			func(it *item) *int32 { return &it.ready })
		q = &queue{orphans: map[Key]*item{}, ready: due, reads: due}
		p.tenants[tenantID] = q
	}
	return q
}

func (p *Planner) remove(it *item) {
	q := p.queue(it.key.TenantID)
	q.drop(it)
	delete(q.orphans, it.key)
	p.unname(it)
	p.later.drop(it)
	delete(p.items, it.key)
}

// unname forgets the id of what lived of it.
func (p *Planner) unname(it *item) {
	if id := strings.ToLower(it.state.id); p.ids[id] == it {
		delete(p.ids, id)
	}
}
