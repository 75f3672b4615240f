package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/ingest/token"
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

// What was acknowledged is news once, in bounded number (I11); what was learned or
// not acknowledged is none.
func TestRecentNews(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	r := newRecent(10, now)
	r.settle(key(0), true, now)
	if ids, missed := r.takeNews(); len(ids) != 0 || missed != 0 {
		t.Errorf("%d news and %d missed where nobody is told", len(ids), missed)
	}
	r.some = make(chan struct{}, 1)
	r.settle(key(1), false, now)
	r.remember(key(2), now)
	if fresh := r.learn([]id{key(3), key(3), key(4)}, false, now); fresh != 2 {
		t.Errorf("%d of 2 ids were learned", fresh)
	}
	if len(r.some) != 0 {
		t.Error("what is no news is told")
	}
	for n := range mostNews + 5 {
		r.settle(key(n%100), true, now)
	}
	if ids, missed := r.takeNews(); len(r.some) != 1 || len(ids) != mostNews || missed != 5 || ids[0] != key(0) {
		t.Errorf("%d news and %d missed, want %d and 5", len(ids), missed, mostNews)
	}
	if ids, missed := r.takeNews(); len(ids) != 0 || missed != 0 {
		t.Errorf("%d news and %d missed for the second time", len(ids), missed)
	}
	for n := range 100 { // many more than one that learns so many at once
		if !r.seen(key(n), now) {
			t.Errorf("%d is not recognised", n)
		}
	}
}

// A sealed item whose record another replica produced is opened once more, and not
// a third time: else a POST of more of them than can be opened in time would never
// get further here.
func TestRecogniseSealed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := &outlet{recent: newRecent(10, now), metrics: newMetrics(prometheus.NewRegistry())}
	o.recent.learn([]id{key(1)}, true, now)
	p := newPost((&admission{maxRequests: 1, maxBytes: 1}).newTicket(), time.Now())
	p.expect()
	rec := bridge.Record{Kind: bridge.Chat, EventID: uuid.UUID(key(1)).String()}
	o.produce(p, &work{item: &bridge.Item{}, digest: key(2)}, rec, true, token.Verdict{}, "")
	p.close()
	if !p.wait(now.Add(time.Second)) || p.failed.Load() {
		t.Error("what Kafka holds is produced again")
	}
	if !o.recent.seen(key(2), now) {
		t.Error("the sealed item would be opened again")
	}
}

// A process is not ready before it has read what was announced before its start,
// but not for longer than hearWithin, nor where Kafka has nothing to read.
func TestGossipReadiness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		began             time.Duration // ago; 0: not yet
		hearing, caughtUp bool
		ready, note       bool
	}{
		{name: "Before"},
		{name: "Reading", began: hearWithin / 2},
		{name: "Slow", began: hearWithin, ready: true, note: true},
		{name: "Read", began: time.Second, hearing: true, caughtUp: true, ready: true},
		{name: "Refused", began: time.Second, caughtUp: true, ready: true, note: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &gossip{}
			g.hearing.Store(c.hearing)
			g.caughtUp.Store(c.caughtUp)
			if c.began > 0 {
				g.began.Store(time.Now().Add(-c.began).UnixNano())
			}
			if note, err := g.check(t.Context()); (err == nil) != c.ready || (note != "") != c.note {
				t.Errorf("ready=%v note=%q", err == nil, note)
			}
		})
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

// I1: what the Kafka client never answers is produced again by a later
// redelivery, which takes those that waited with it, and whichever is answered
// first stands.
func TestRecentOverdue(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	r := newRecent(100, now)
	lost, waiting, second, third := &delivery{}, &delivery{}, &delivery{}, &delivery{}
	r.claim(key(1), lost, now)
	if _, joined := r.claim(key(1), waiting, now.Add(overdue-time.Second)); !joined {
		t.Error("a redelivery did not wait for the one under way")
	}
	if seen, joined := r.claim(key(1), second, now.Add(overdue)); seen || joined {
		t.Errorf("after %s: seen=%v joined=%v", overdue, seen, joined)
	}
	r.claim(key(1), third, now.Add(overdue+time.Second))
	if got := r.settle(key(1), true, now.Add(overdue+2*time.Second)); len(got) != 2 || got[0] != waiting || got[1] != third {
		t.Errorf("%d wait for the one under way, want two", len(got))
	}
	if got := r.settle(key(1), true, now.Add(overdue+3*time.Second)); len(got) != 0 {
		t.Errorf("%d were settled twice", len(got))
	}
}
