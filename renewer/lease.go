package renewer

import (
	"sync/atomic"
	"time"
)

// Lease is the leadership of one shard: the holder of a partition of the state
// topic leads it, until another does. It is safe for concurrent use.
type Lease struct {
	Partition  int32
	Generation int32 // of the consumer group when the shard was won

	member *membership
	over   atomic.Bool // lost, or given back
}

// Fresh reports whether nobody else can lead the shard yet: the group's
// coordinator has confirmed us so lately that it cannot have given the shard
// away. Whatever must not be done by two is asked for on the line before it.
func (l *Lease) Fresh(now time.Time) bool { return !l.over.Load() && l.member.fresh(now) }

// membership knows when the coordinator last confirmed that we are a member of
// the group.
type membership struct {
	session time.Duration // what the coordinator waits for a heartbeat before it gives our shards away

	// confirmed is when the last heartbeat that was confirmed was sent, not when
	// its answer came: the coordinator counts from before the one, and the other
	// may have lain in a buffer while the process was stopped. nil: none was.
	confirmed atomic.Pointer[time.Time]
}

// margin is the part of the session that Fresh leaves unused: for the call that
// is begun on the next line to reach Graph, and for clocks that run unevenly.
func (m *membership) margin() time.Duration { return m.session / 4 }

func (m *membership) fresh(now time.Time) bool {
	sent := m.confirmed.Load()
	if sent == nil {
		return false
	}
	// The monotonic clock goes on while a process is stopped, and stands still
	// while its machine sleeps; the wall clock is the other way round, and may
	// jump. Whichever counts more decides: a jump forward costs a pause until the
	// next heartbeat.
	age := max(now.Sub(*sent), now.Round(0).Sub(sent.Round(0)))
	return age < m.session-m.margin()
}

// confirm notes that the coordinator confirmed a heartbeat sent then.
func (m *membership) confirm(sent time.Time) { m.confirmed.Store(&sent) }

// doubt forgets every confirmation.
func (m *membership) doubt() { m.confirmed.Store(nil) }
