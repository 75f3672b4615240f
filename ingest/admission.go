package ingest

import "sync/atomic"

// admission bounds what is under way: POSTs by count, and bytes of their bodies
// until Kafka has acknowledged (or given up) what they became, also when their
// answer was 503 long before. So memory stays bounded while Kafka is away.
type admission struct {
	maxRequests, maxBytes int64
	requests, bytes       atomic.Int64
}

// ticket is one POST's share. It is given back when the last of its holders
// lets go: the handler, and each record that the producer still holds.
type ticket struct {
	a       *admission
	bytes   int64 // owned by the handler until entered, constant after
	entered bool
	holders atomic.Int64
}

func (a *admission) newTicket() *ticket {
	t := &ticket{a: a}
	t.holders.Store(1)
	return t
}

// grow reserves n more bytes of body; false: the bound is reached, and nothing
// was reserved.
func (t *ticket) grow(n int64) bool {
	if t.a.bytes.Add(n) > t.a.maxBytes {
		t.a.bytes.Add(-n)
		return false
	}
	t.bytes += n
	return true
}

// enter counts the POST as under way; false: the bound is reached. A POST
// enters once its body is there, so that slow senders take no places.
func (t *ticket) enter() bool {
	if t.a.requests.Add(1) > t.a.maxRequests {
		t.a.requests.Add(-1)
		return false
	}
	t.entered = true
	return true
}

// hold adds a holder; each must call release once.
func (t *ticket) hold() { t.holders.Add(1) }

func (t *ticket) release() {
	if t.holders.Add(-1) > 0 {
		return
	}
	t.a.bytes.Add(-t.bytes)
	if t.entered {
		t.a.requests.Add(-1)
	}
}
