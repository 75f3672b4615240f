package kafka

import (
	"context"
	"sync"
	"time"
)

// leaseEvery is how far apart the deadlines of neighbouring records are.
const leaseEvery = time.Second

// leases gives records their deadline. They share it, since a context and a
// timer for each record cost more than the record does.
//
// The client's own RecordDeliveryTimeout is of no use: it counts from the
// record's timestamp, which is when the event occurred, maybe hours ago.
type leases struct {
	mu    sync.Mutex // guards all below
	ctx   context.Context
	begun time.Time
}

// next returns a context that ends deliveryTimeout from now, at most leaseEvery
// earlier.
func (l *leases) next(now time.Time) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil || now.Sub(l.begun) >= leaseEvery {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(deliveryTimeout, cancel)
		l.ctx, l.begun = ctx, now
	}
	return l.ctx
}
