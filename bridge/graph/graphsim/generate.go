package graphsim

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// linger is how long an item waits for company before its POST is cut short.
	linger = 250 * time.Millisecond
	// maxPostBytes is about what a POST may hold.
	maxPostBytes = 4 << 20
	// farthest is how many items later a held or repeated item comes at most.
	farthest = 8
)

// generator turns the world's history into POSTs: it duplicates, holds back,
// forges and batches. One goroutine uses it: Run.
type generator struct {
	sim   *Sim
	world *world
	rng   *rand.Rand // not the world's, so that faults leave the history alone

	epoch  time.Time
	step   time.Duration // of the world's time per item
	count  int           // genuine items taken
	forged int
	posts  int
	held   []heldItem
	open   map[*endpoint]*batch
	unsent []unsentPost // the run's context ended while they waited for room
}

type unsentPost struct {
	to *endpoint
	p  *post
}

// heldItem is an item, or a copy of one, that comes when count reaches due.
type heldItem struct {
	due int
	it  *item
}

// batch is a POST that is not full yet.
type batch struct {
	items       []*item
	size, bytes int
	since       time.Time
}

func newGenerator(s *Sim, w *world, epoch time.Time) *generator {
	step := 50 * time.Microsecond
	if r := s.cfg.Rate; r > 0 {
		step = max(time.Duration(float64(time.Second)/r), time.Microsecond)
	}
	return &generator{
		sim: s, world: w, epoch: epoch, step: step,
		rng:  rand.New(rand.NewPCG(s.cfg.Seed, 0x9e)),
		open: map[*endpoint]*batch{},
	}
}

// next takes one genuine item from the world and sends it on its way, with
// whatever faults and forgeries come with it.
func (g *generator) next(ctx context.Context) error {
	at := time.Duration(g.count)*g.step + time.Duration(g.world.rng.Int64N(int64(g.step)))
	g.world.now = g.epoch.Add(at.Truncate(100 * time.Nanosecond))
	it, err := g.world.take()
	if err != nil {
		return err
	}
	g.count++
	if it == nil {
		return g.alongside(ctx)
	}
	faults := g.sim.faults
	g.duplicate(it)
	if faults.take(ReorderItem) {
		g.hold(it, 1+g.rng.IntN(farthest))
	} else if err := g.put(ctx, it); err != nil {
		return err
	}
	return g.alongside(ctx)
}

// alongside lets go of what was held for so long, and forges.
func (g *generator) alongside(ctx context.Context) error {
	if err := g.release(ctx, g.count); err != nil {
		return err
	}
	faults := g.sim.faults
	for _, f := range faults.forgeries {
		if !faults.due(f) {
			continue
		}
		if done, err := g.forge(ctx, f); err != nil {
			return err
		} else if done {
			faults.fired(f)
		}
	}
	return nil
}

// duplicate lets the faults happen by which it comes more than once.
func (g *generator) duplicate(it *item) {
	again := func(it *item) {
		g.sim.ledger.copied(it.track)
		g.hold(it, g.rng.IntN(farthest+1))
	}
	faults := g.sim.faults
	if it.track.entry.Fresh {
		if faults.take(DuplicateUnidentified) {
			again(it)
		}
		return
	}
	if it.rich() && faults.take(DuplicateResealed) {
		other := *it
		again(&other)
		g.sim.ledger.unidentified(it.track)
	}
	if faults.take(DuplicateItem) {
		it.shared = &sealing{}
		again(it)
	}
}

func (g *generator) hold(it *item, later int) {
	g.held = append(g.held, heldItem{g.count + later, it})
}

// release lets go of what is held and due at count.
func (g *generator) release(ctx context.Context, count int) error {
	kept := g.held[:0]
	var err error
	for _, h := range g.held {
		if h.due > count || err != nil {
			kept = append(kept, h)
			continue
		}
		err = g.put(ctx, h.it)
	}
	g.held = kept
	return err
}

// put adds an item to the open POST of its endpoint and sends that when full.
func (g *generator) put(ctx context.Context, it *item) error {
	e := g.sim.notifications
	switch {
	case it.lifecycleEvent != "":
		e = g.sim.lifecycle
	case it.sub.to != nil:
		if e = it.sub.to; it.forgery == "" && g.world.registry.hold(it, time.Now()) {
			return nil
		}
	}
	b := g.open[e]
	if b == nil {
		b = &batch{size: 1, since: time.Now()}
		if g.rng.IntN(3) > 0 {
			b.size = 1 + g.rng.IntN(g.sim.cfg.BatchMax)
		}
		g.open[e] = b
	}
	b.items = append(b.items, it)
	b.bytes += 1024 + len(it.payload)*3/2
	if len(b.items) >= b.size || b.bytes > maxPostBytes {
		return g.send(ctx, e)
	}
	return nil
}

// flush sends the open POSTs that have been waiting since before or longer.
func (g *generator) flush(ctx context.Context, before time.Time) error {
	for _, e := range g.sim.endpoints.list() {
		if b := g.open[e]; b != nil && !b.since.After(before) {
			if err := g.send(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// send submits the open POST of e.
func (g *generator) send(ctx context.Context, e *endpoint) error {
	b := g.open[e]
	delete(g.open, e)
	return g.submit(ctx, e, &post{items: b.items})
}

// submit gives p its number and its faults and hands it over.
func (g *generator) submit(ctx context.Context, e *endpoint, p *post) error {
	g.posts++
	p.seq = g.posts
	faults := g.sim.faults
	p.cut = faults.take(CutPost)
	if faults.take(RepeatPost) {
		for _, it := range p.items {
			g.sim.ledger.copied(it.track)
		}
		p.repeat = &post{seq: p.seq, items: p.items, tokenForgery: p.tokenForgery}
	}
	if faults.take(RotateKeys) {
		g.sim.authority.rotate(time.Now(), true)
	}
	if faults.take(RotateKeysUnannounced) {
		g.sim.authority.rotate(time.Now(), false)
	}
	err := e.submit(ctx, p)
	if err != nil {
		g.unsent = append(g.unsent, unsentPost{e, p})
	}
	return err
}

// finish sends everything that is still held or open.
func (g *generator) finish(ctx context.Context) error {
	for len(g.unsent) > 0 {
		if err := g.unsent[0].to.submit(ctx, g.unsent[0].p); err != nil {
			return err
		}
		g.unsent = g.unsent[1:]
	}
	if err := g.release(ctx, g.count+farthest); err != nil {
		return err
	}
	return g.flush(ctx, time.Now())
}
