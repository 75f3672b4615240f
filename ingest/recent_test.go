package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"

	"meetbridge/bridge"
)

// key returns the nth id: like all, a piece of a digest.
func key(n int) id {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return bridgeID(sum)
}

// bridgeID returns the id of a digest as bridge.DerivedID makes it: with the bits
// fixed that say that it is a UUID.
func bridgeID(sum [sha256.Size]byte) id {
	return id(uuid.MustParse(bridge.DerivedID(sum)))
}

// I8: what Kafka acknowledged is recalled for at least recallFor, and what it
// did not is not.
func TestRecentRecalls(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	r := newRecent(1000, start)
	acked, failed := &delivery{}, &delivery{}
	for n, d := range map[int]*delivery{1: acked, 2: failed} {
		if seen, joined := r.claim(key(n), d, start); seen || joined {
			t.Fatalf("%d: a first delivery is seen=%v joined=%v", n, seen, joined)
		}
		r.settle(key(n), d == acked, start)
	}
	for _, c := range []struct {
		after time.Duration
		n     int
		seen  bool
	}{
		{0, 1, true},
		{0, 2, false},
		{recallFor - time.Second, 1, true},
		{recallFor, 1, true},
		{2*recallFor + time.Second, 1, false},
	} {
		d := &delivery{}
		seen, joined := r.claim(key(c.n), d, start.Add(c.after))
		if seen != c.seen || joined {
			t.Errorf("%d after %s: seen=%v joined=%v, want seen=%v", c.n, c.after, seen, joined, c.seen)
		}
		r.settle(key(c.n), false, start.Add(c.after))
	}
}

// A redelivery that comes while the first is on its way waits for it, whatever
// becomes of it.
func TestRecentJoins(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	for _, acked := range []bool{true, false} {
		r := newRecent(10, now)
		first, second, third := &delivery{}, &delivery{}, &delivery{}
		r.claim(key(1), first, now)
		for _, d := range []*delivery{second, third} {
			if seen, joined := r.claim(key(1), d, now); seen || !joined {
				t.Fatalf("redelivery meanwhile: seen=%v joined=%v", seen, joined)
			}
		}
		got := r.settle(key(1), acked, now)
		if len(got) != 2 || got[0] != second || got[1] != third {
			t.Fatalf("settle returned %d deliveries", len(got))
		}
		if seen, joined := r.claim(key(1), &delivery{}, now); seen != acked || joined {
			t.Errorf("after settle(%v): seen=%v joined=%v", acked, seen, joined)
		}
	}
}

func TestAdmissionBounds(t *testing.T) {
	t.Parallel()
	a := &admission{maxRequests: 2, maxBytes: 100}
	one, two, three := a.newTicket(), a.newTicket(), a.newTicket()
	if !one.grow(60) || two.grow(41) || !two.grow(40) {
		t.Fatal("bytes are not bounded at 100")
	}
	if !one.enter() || !two.enter() || three.enter() {
		t.Fatal("requests are not bounded at 2")
	}
	one.hold() // a record that the producer still has
	one.release()
	if got := a.bytes.Load(); got != 100 {
		t.Errorf("%d bytes under way while a record holds them, want 100", got)
	}
	one.release()
	two.release()
	three.release()
	if a.bytes.Load() != 0 || a.requests.Load() != 0 {
		t.Errorf("%d bytes and %d requests left over", a.bytes.Load(), a.requests.Load())
	}
}
