package kafka

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// company lets records wait for others while some are under way, so that they share
// batches and requests: until nothing is under way any more, and never longer than
// longest. It is Nagle's rule (RFC 896) with an end: where little happens nobody
// waits, and one broker that is slow to answer holds up nothing for long.
//
// Records leave in the order in which they came; what is not held back never
// overtakes anything of its own sender.
type company struct {
	longest time.Duration
	due     chan struct{} // holds a token when those that wait may go
	timer   *time.Timer   // runs while some wait

	mu      sync.Mutex // guards all below
	waiting []Parcel
	away    int  // handed to the client and not answered yet
	ended   bool // nobody waits any more
}

// Parcel is one record to produce; see Produce for Done.
type Parcel struct {
	Record *kgo.Record
	Done   func(error)
}

func newCompany(longest time.Duration) *company {
	c := &company{longest: longest, due: make(chan struct{}, 1), timer: time.NewTimer(time.Hour), ended: longest == 0}
	c.timer.Stop()
	return c
}

// keeps reports whether those that come together were taken to wait for company. If
// not, they are to be handed to the client at once.
func (c *company) keeps(come []Parcel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.away == 0 && len(c.waiting) == 0 {
		c.away += len(come)
		return false
	}
	if len(c.waiting) == 0 {
		c.timer.Reset(c.longest)
	}
	c.waiting = append(c.waiting, come...)
	return true
}

// answered says that a record which was handed to the client has its answer.
func (c *company) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away--; c.away > 0 || len(c.waiting) == 0 {
		return
	}
	select {
	case c.due <- struct{}{}:
	default: // it is there
	}
}

// leave returns those that wait, for the caller to hand over; room is memory for
// those that come next.
func (c *company) leave(room []Parcel) []Parcel {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	left := c.waiting
	c.waiting = room
	c.away += len(left)
	return left
}

// end hands over those that wait, and has nobody wait from now on: both at once,
// lest somebody's next record overtake what waits of his. send never blocks, nor
// calls back before it returns.
func (c *company) end(send func(Parcel)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away += len(c.waiting)
	for _, w := range c.waiting {
		send(w)
	}
	c.waiting, c.ended = nil, true
}

// conduct hands over those that waited, until the producer closes.
func (p *Producer) conduct() {
	var room []Parcel
	for {
		select {
		case <-p.company.due:
		case <-p.company.timer.C:
		case <-p.closing:
			p.company.end(p.send)
			return
		}
		left := p.company.leave(room)
		for _, w := range left {
			p.send(w)
		}
		clear(left)
		room = left[:0]
	}
}
