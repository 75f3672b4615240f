package ingest

import (
	"fmt"
	"math"
	"testing"
	"time"
	"unsafe"
)

// I11: memory is what was promised, whatever comes, and as many ids as were asked
// for are recalled of a stream that does not end.
func TestIDSetIsBounded(t *testing.T) {
	t.Parallel()
	const bound = 50_000
	now := time.Unix(1_700_000_000, 0)
	s := newIDSet(bound, now)
	bytes := len(s.prints) * int(unsafe.Sizeof(s.prints[0]))
	if each := float64(bytes) / bound; each > 16.2 {
		t.Errorf("%.1f bytes an id, want 16", each)
	}
	for n := range 4 * bound {
		s.add(key(n))
	}
	if got := s.size(); got < bound || got > len(s.prints) {
		t.Errorf("%d are recalled of %d, want from %d to %d", got, 4*bound, bound, len(s.prints))
	}
	lost := 0
	for back := range bound {
		if !s.holds(key(4*bound - 1 - back)) {
			lost++
		}
	}
	if lost > bound/10_000 {
		t.Errorf("%d of the last %d are forgotten", lost, bound)
	}
	if got := len(s.prints) * int(unsafe.Sizeof(s.prints[0])); got != bytes {
		t.Errorf("%d bytes became %d", bytes, got)
	}
}

// I2: what was never added is never held, however full the set is; also what
// differs in one bit only, or was there and has been displaced.
func TestIDSetHoldsNothingElse(t *testing.T) {
	t.Parallel()
	const bound = 20_000
	s := newIDSet(bound, time.Unix(1_700_000_000, 0))
	for n := range bound {
		s.add(key(n))
	}
	for n := bound; n < 20*bound; n++ {
		if s.holds(key(n)) {
			t.Fatalf("%d is held and was never added", n)
		}
	}
	for bit := range 96 { // the others choose the bucket, of which there are few
		like := key(bit)
		like[bit/8] ^= 1 << (bit % 8)
		if s.holds(like) {
			t.Errorf("an id that differs in bit %d is taken for another", bit)
		}
	}
}

// An id is recalled for recallFor, and forgotten a span later, at the latest; also
// by a set that nobody asked for long.
func TestIDSetForgets(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	for _, at := range []time.Duration{0, spanOf / 2, spanOf - 1, 3*spanOf + 7} {
		for _, step := range []time.Duration{time.Second, time.Minute, spanOf, 3 * spanOf, 40 * spanOf} {
			s := newIDSet(100, start)
			s.turn(start.Add(at))
			s.add(key(1))
			for later := time.Duration(0); later <= 7*spanOf; later += step {
				s.turn(start.Add(at + later))
				held := s.holds(key(1))
				if later <= recallFor && !held || later > recallFor+spanOf && held {
					t.Errorf("added after %s, looked at every %s: held=%v after %s", at, step, held, later)
				}
			}
			if step > 7*spanOf {
				if s.turn(start.Add(at + step)); s.holds(key(1)) || s.size() != 0 {
					t.Errorf("held after %s of silence", step)
				}
			}
		}
	}
}

// The counters of a bucket may pass 2^32: that takes years.
func TestIDSetCountsOn(t *testing.T) {
	t.Parallel()
	s := newIDSet(100, time.Unix(1_700_000_000, 0))
	s.written[0] = math.MaxUint32 - 100
	for i := range s.marks {
		s.marks[i][0] = s.written[0]
	}
	for n := range 200 {
		s.add(key(n))
	}
	if s.size() != 200 {
		t.Errorf("%d of 200 ids are recalled", s.size())
	}
	for n := range 200 {
		if !s.holds(key(n)) {
			t.Errorf("%d is forgotten", n)
		}
	}
}

// BenchmarkIDSet is what an item costs: one look for an id that is not there, in a
// set that holds all that it shall, and putting it in.
func BenchmarkIDSet(b *testing.B) {
	for _, bound := range []int{1_000_000, 14_400_000} {
		b.Run(fmt.Sprint(bound), func(b *testing.B) {
			keys := make([]id, 1<<16)
			for n := range keys {
				keys[n] = key(n)
			}
			s := newIDSet(bound, time.Now())
			for n := range bound {
				k := keys[n%len(keys)]
				k[0], k[1], k[12], k[13], k[14] = byte(n), byte(n>>8), k[12]^byte(n>>16), k[13]^byte(n>>8), k[14]^byte(n)
				s.add(k)
			}
			n := 0
			for b.Loop() {
				k := keys[n%len(keys)]
				k[3] ^= byte(n >> 16)
				k[5] ^= byte(n >> 24)
				n++
				if !s.holds(k) {
					s.add(k)
				}
			}
			b.ReportMetric(float64(len(s.prints)*len(fingerprint{}))/float64(bound), "B/id")
		})
	}
}
