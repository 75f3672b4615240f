package ingest

import (
	"encoding/binary"
	"time"
)

const (
	// bucketIDs is how many ids a bucket holds. In large buckets less room is lost,
	// since they fill more evenly; in small ones less has to be looked through. Of
	// buckets of this size that are three quarters full on average, one in 1,000
	// overflows: so many of the ids that are nearly 4 h old are forgotten early.
	bucketIDs = 128
	// spans is how many stretches of time an idSet keeps apart, spanOf how long
	// each is: an id is kept for spans-1 of them at least and spans at most.
	spans  = 5
	spanOf = recallFor / (spans - 1)
)

// fingerprint is what is kept of an id: its first 12 bytes. The other four choose
// the bucket.
//
// Two ids are taken for one if they share bucket and fingerprint. Of an event id's
// 90 bits are SHA-256's (six are fixed in every UUID), and it is compared with
// those of one bucket: that another one of them looks like it has a chance of at
// most 128/2^90 = 2^-83. With 1,000 items a second for a hundred years, 3·10^12 of
// them, one is lost so with a chance below 10^-12 (I2).
type fingerprint [12]byte

// idSet is a set of ids in few bytes each: an array of buckets, each a ring of
// the fingerprints of the ids that fall to it, the latest in the place of the eldest.
// It is as large on its first day as it will ever be, and nothing in it is for
// the garbage collector to look at.
type idSet struct {
	prints  []fingerprint   // bucketIDs for each bucket
	written []uint32        // for each bucket, how many ids it ever got, mod 2^32
	marks   [spans][]uint32 // what written was when each of the last spans began; the eldest first
	since   time.Time       // when the last of them began
}

// newIDSet returns a set that recalls n ids for recallFor; 16 bytes for each.
func newIDSet(n int, now time.Time) *idSet {
	buckets := max((n+(n+2)/3+bucketIDs-1)/bucketIDs, 1)
	s := &idSet{prints: make([]fingerprint, buckets*bucketIDs), written: make([]uint32, buckets), since: now}
	for i := range s.marks {
		s.marks[i] = make([]uint32, buckets)
	}
	return s
}

// bucket returns the number of key's bucket and what is kept of key there.
func (s *idSet) bucket(key id) (int, fingerprint) {
	spread := uint64(binary.LittleEndian.Uint32(key[len(fingerprint{}):]))
	return int(spread * uint64(len(s.written)) >> 32), fingerprint(key[:len(fingerprint{})])
}

func (s *idSet) holds(key id) bool {
	b, p := s.bucket(key)
	ring := s.prints[b*bucketIDs:][:bucketIDs]
	last := s.written[b]
	for n := min(last-s.marks[0][b], bucketIDs); n > 0; n-- {
		last--
		if ring[last%bucketIDs] == p {
			return true
		}
	}
	return false
}

// add puts key into the set. One that is there already takes a second place.
func (s *idSet) add(key id) {
	b, p := s.bucket(key)
	s.prints[b*bucketIDs+int(s.written[b]%bucketIDs)] = p
	s.written[b]++
}

// turn forgets what is older than spans.
func (s *idSet) turn(now time.Time) {
	for range spans {
		if now.Sub(s.since) < spanOf {
			return
		}
		eldest := s.marks[0]
		copy(s.marks[:], s.marks[1:])
		copy(eldest, s.written)
		s.marks[spans-1] = eldest
		s.since = s.since.Add(spanOf)
	}
	if now.Sub(s.since) >= spanOf { // nobody came for long
		s.since = now
	}
}

// size returns how many ids are recalled.
func (s *idSet) size() int {
	n := 0
	for b, written := range s.written {
		n += int(min(written-s.marks[0][b], bucketIDs))
	}
	return n
}
