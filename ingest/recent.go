package ingest

import (
	"sync"
	"time"
)

// recallFor is how long a redelivery is recognised: as long as Graph retries
// (FACTS §1.3).
const recallFor = 4 * time.Hour

// id is the identity of something delivered: an event id's 16 bytes, or as many
// of the digest of a sealed item.
type id [16]byte

// recent remembers what Kafka holds already, so that a redelivery is produced
// once (I8), and what is on its way there, so that a redelivery meanwhile waits
// for the same acknowledgement instead of being produced beside it.
//
// Memory is bounded by count: two generations of at most half the bound each.
// When the younger is full or recallFor old, the elder is forgotten and the
// younger takes its place: an id is recalled for at least recallFor, or until
// half the bound of others came after it. What is forgotten is produced again,
// with the same event id: consumers dedupe on that for certainty.
type recent struct {
	half int

	mu      sync.Mutex // guards all below
	young   map[id]struct{}
	old     map[id]struct{}
	since   time.Time        // when young began
	pending map[id]*delivery // produced and not acknowledged yet
}

func newRecent(bound int, now time.Time) *recent {
	return &recent{
		half: max(bound/2, 1), since: now,
		young: map[id]struct{}{}, old: map[id]struct{}{}, pending: map[id]*delivery{},
	}
}

// claim says what to do with d, whose identity is key: produced already (seen),
// on its way (joined: d's POST was made to wait for the delivery under way), or
// neither, and then d is the delivery under way until settle.
func (r *recent) claim(key id, d *delivery, now time.Time) (seen, joined bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	if r.holds(key) {
		return true, false
	}
	if first := r.pending[key]; first != nil {
		first.join(d)
		return false, true
	}
	r.pending[key] = d
	return false, false
}

// settle ends the delivery under way of key and returns the POSTs' deliveries
// that joined it. Only one that Kafka acknowledged is remembered.
func (r *recent) settle(key id, acknowledged bool, now time.Time) (joined []*delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.pending[key]; d != nil {
		joined = d.joined
		delete(r.pending, key)
	}
	if acknowledged {
		r.turn(now)
		r.young[key] = struct{}{}
	}
	return joined
}

// remember notes an identity that needs no delivery of its own.
func (r *recent) remember(key id, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	r.young[key] = struct{}{}
}

// seen reports whether key was remembered.
func (r *recent) seen(key id) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds(key)
}

// size returns how many identities are remembered.
func (r *recent) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.young) + len(r.old)
}

func (r *recent) holds(key id) bool {
	if _, ok := r.young[key]; ok {
		return true
	}
	_, ok := r.old[key]
	return ok
}

// turn begins a new generation when it is time. The eldest's memory serves the
// youngest: a new map would grow beside both.
func (r *recent) turn(now time.Time) {
	if age := now.Sub(r.since); len(r.young) >= r.half || age >= recallFor {
		clear(r.old)
		r.old, r.young, r.since = r.young, r.old, now
		if age >= 2*recallFor {
			clear(r.old)
		}
	}
}
