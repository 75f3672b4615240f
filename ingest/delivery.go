package ingest

import (
	"sync/atomic"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// delivery is one item of a POST on its way into Kafka.
type delivery struct {
	post    *post
	kind    bridge.Kind
	outcome bridge.Outcome // what it becomes if Kafka acknowledges
	joined  []*delivery    // redeliveries that wait for it; guarded by recent.mu
	since   time.Time      // when it was under way; guarded by recent.mu
}

// join makes other wait for d. The caller holds recent.mu.
func (d *delivery) join(other *delivery) { d.joined = append(d.joined, other) }

// post is one POST waiting for its items. Its done channel closes when the last
// of them is settled; whoever answers may have gone by then (the budget ended),
// so nothing here may assume that somebody still listens.
type post struct {
	ticket  *ticket
	arrived time.Time
	batch   []kafka.Parcel // encoded, and not handed to the producer yet; the handler's alone
	open    atomic.Int64   // items not settled, plus one while more may come
	failed  atomic.Bool    // some item is not in Kafka
	done    chan struct{}
}

func newPost(t *ticket, arrived time.Time) *post {
	p := &post{ticket: t, arrived: arrived, done: make(chan struct{})}
	p.open.Store(1)
	return p
}

// expect adds an item to wait for.
func (p *post) expect() {
	p.open.Add(1)
	p.ticket.hold()
}

// settle ends an item that was expected.
func (p *post) settle(acknowledged bool) {
	if !acknowledged {
		p.failed.Store(true)
	}
	p.ticket.release()
	p.close()
}

// wait returns true when p is done, false if the deadline comes first.
func (p *post) wait(deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// close says that no more items come; called once by the handler.
func (p *post) close() {
	if p.open.Add(-1) == 0 {
		close(p.done)
	}
}
