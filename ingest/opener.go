package ingest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"meetbridge/bridge/sealed"
)

const (
	// longestQueue is how long items may wait to be opened before further POSTs
	// with sealed items are refused at once: what waits longer would take its
	// answer towards the second in which Graph begins to look askance, and with
	// everything late nothing more is answered than with the surplus refused.
	longestQueue = 300 * time.Millisecond
	// firstGuess is what opening an item takes until one was opened: the private-key
	// operation of 2,048 bits with Go's library.
	firstGuess = time.Millisecond
)

// opener opens sealed items, so many at a time: each is a private-key operation
// and hardly anything else, and if all that came were begun at once, whatever else
// a POST needs would wait behind all of them.
type opener struct {
	ring   func() *sealed.Ring
	slots  chan struct{} // one token for each operation under way
	queued atomic.Int64  // items that wait for a slot or have one
	cost   atomic.Int64  // how long an item had its slot lately, ns
}

func newOpener(ring func() *sealed.Ring, atOnce int) *opener {
	o := &opener{ring: ring, slots: make(chan struct{}, atOnce)}
	o.cost.Store(int64(firstGuess))
	return o
}

// busy reports whether what is queued already takes longer than longestQueue.
func (o *opener) busy() bool { return o.wait() > longestQueue }

// wait returns how long an item that came now would wait.
func (o *opener) wait() time.Duration {
	return time.Duration(o.queued.Load() * o.cost.Load() / int64(cap(o.slots)))
}

// open decrypts the items, on all processors: a POST of a thousand would outlast
// its budget on one. Items that the deadline left unopened get errUnavailable;
// those opened before go on, so that each repetition of a POST gets further than
// the last.
func (o *opener) open(items []*work, deadline time.Time) {
	o.queued.Add(int64(len(items)))
	if len(items) == 1 {
		o.one(items[0], deadline)
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(cap(o.slots), len(items)) {
		wg.Go(func() {
			for n := next.Add(1); int(n) <= len(items); n = next.Add(1) {
				o.one(items[n-1], deadline)
			}
		})
	}
	wg.Wait()
}

// one decrypts w, which is queued, when its turn comes.
func (o *opener) one(w *work, deadline time.Time) {
	defer o.queued.Add(-1)
	o.slots <- struct{}{} // each holder lets go within an operation's time
	defer func() { <-o.slots }()
	begun := time.Now()
	// Behind all that can run now: reading a POST, answering one, a batch for Kafka
	// take microseconds each, and would otherwise wait for whole operations at each
	// of their steps, since whoever hands on a slot hands on the processor with it.
	runtime.Gosched()
	if !time.Now().Before(deadline) {
		w.err = errUnavailable
		return
	}
	w.payload, w.err = o.ring().Open(*w.item.EncryptedContent)
	last := o.cost.Load()
	o.cost.Store(last + (int64(time.Since(begun))-last)/16) // a lost update does not matter
}
