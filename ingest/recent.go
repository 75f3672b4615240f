package ingest

import (
	"sync"
	"time"
)

const (
	// recallFor is how long a redelivery is recognised: as long as Graph retries
	// (FACTS §1.3).
	recallFor = 4 * time.Hour
	// overdue is when a delivery is given up that Kafka's client has neither
	// acknowledged nor failed, though it has 10 s for either: it is produced again, or
	// each redelivery would wait for it in vain until Graph gives up.
	overdue = 30 * time.Second
	// strangeShare is how much smaller than the memory of what is genuine that of
	// what anybody can provoke is.
	strangeShare = 16
	// mostNews bounds the ids that wait to be announced.
	mostNews = 1 << 16
	// learnAtOnce is how many ids are learned before a POST gets its turn.
	learnAtOnce = 64
)

// id is the identity of something delivered: an event id's 16 bytes, or as many
// of the digest of a sealed item. Its bits are as good as random.
type id = [16]byte

// recent remembers what Kafka holds already, so that a redelivery is produced
// once (I8), and what is on its way there, so that a redelivery meanwhile waits
// for the same acknowledgement instead of being produced beside it.
//
// Memory is bounded by count: see idSet. What is forgotten is produced again, with
// the same event id: consumers dedupe on that for certainty.
type recent struct {
	mu      sync.Mutex // guards all below
	known   *idSet
	pending map[id]*delivery // produced and not acknowledged yet
	news    []id             // acknowledged and not announced yet
	missed  int              // that news had no room for, since it was last asked

	some chan struct{} // holds a token once there are news; nil: nobody is told
}

// newRecent returns one that recalls n ids and gathers no news.
func newRecent(n int, now time.Time) *recent {
	return &recent{known: newIDSet(n, now), pending: map[id]*delivery{}}
}

// claim says what to do with d, whose identity is key: produced already (seen),
// on its way (joined: d's POST was made to wait for the delivery under way), or
// neither, and then d is the delivery under way until settle.
func (r *recent) claim(key id, d *delivery, now time.Time) (seen, joined bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.turn(now)
	if r.known.holds(key) {
		return true, false
	}
	if first := r.pending[key]; first != nil {
		if now.Sub(first.since) < overdue {
			first.join(d)
			return false, true
		}
		d.joined, first.joined = first.joined, nil // or their POSTs would hold their places for ever
	}
	d.since = now
	r.pending[key] = d
	return false, false
}

// settle ends the delivery under way of key and returns the POSTs' deliveries
// that joined it. Only one that Kafka acknowledged is remembered, and news.
func (r *recent) settle(key id, acknowledged bool, now time.Time) (joined []*delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.pending[key]; d != nil {
		joined = d.joined
		delete(r.pending, key)
	}
	if !acknowledged {
		return joined
	}
	r.known.turn(now)
	r.known.add(key)
	switch {
	case r.some == nil:
	case len(r.news) == mostNews:
		r.missed++
	default:
		r.news = append(r.news, key)
		select {
		case r.some <- struct{}{}:
		default: // it is there
		}
	}
	return joined
}

// remember notes an identity that is of no use to other replicas.
func (r *recent) remember(key id, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.turn(now)
	r.known.add(key)
}

// learn notes what replicas announced, and returns how much of it was new. unseen
// says that all of it is: the look whether it is there takes ten times as long as
// putting it there, and an id that is there twice costs its room and no more.
func (r *recent) learn(ids []id, unseen bool, now time.Time) (fresh int) {
	for len(ids) > 0 {
		n := min(len(ids), learnAtOnce)
		fresh += r.learnSome(ids[:n], unseen, now)
		ids = ids[n:]
	}
	return fresh
}

func (r *recent) learnSome(ids []id, unseen bool, now time.Time) (fresh int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.turn(now)
	for _, key := range ids {
		if unseen || !r.known.holds(key) {
			r.known.add(key)
			fresh++
		}
	}
	return fresh
}

// takeNews returns the ids that were acknowledged since it was last called, and
// how many more there were than it remembers.
func (r *recent) takeNews() (ids []id, missed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, missed = r.news, r.missed
	r.news, r.missed = make([]id, 0, len(ids)), 0
	return ids, missed
}

// seen reports whether key is remembered.
func (r *recent) seen(key id, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.turn(now)
	return r.known.holds(key)
}

// size returns how many identities are remembered.
func (r *recent) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known.size()
}
