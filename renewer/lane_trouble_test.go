package renewer

import (
	"testing"
	"time"
)

// Calls that fail one after the other for reasons that are none of theirs make
// way for a probe now and then, until one is answered.
func TestTrouble(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var l trouble
	open := func() bool { _, ok := l.open(now); return ok }
	for range patience - 1 {
		l.begun(Renew)
		l.ended(Renew, ResultHandshake, now)
	}
	l.ended(Read, ResultServer, now) // reads call no URL of ours
	l.ended(Renew, ResultThrottled, now)
	if !open() {
		t.Fatal("trouble too early")
	}
	for range 32 { // a burst that was under way
		l.ended(Renew, ResultNoAnswer, now)
	}
	if next, ok := l.open(now); ok || next.Sub(now) != probeFirst {
		t.Fatalf("open = %v, %v", next.Sub(now), ok)
	}
	probes := 0
	for end := now.Add(30 * time.Hour); now.Before(end); now = now.Add(time.Second) {
		if !open() {
			continue
		}
		probes++
		l.begun(Create)
		if open() {
			t.Fatal("two probes at once")
		}
		l.ended(Create, ResultHandshake, now)
	}
	if most := 30 * 60 * 2; probes > most+5 || probes < most-5 {
		t.Errorf("%d probes in 30 hours", probes)
	}
	now = now.Add(probeLast)
	l.begun(Renew)
	l.ended(Renew, ResultDone, now)
	if l.is() || !open() {
		t.Error("a success does not end it")
	}
	for range patience {
		l.ended(Create, ResultToken, now)
	}
	now = now.Add(probeFirst)
	l.begun(Delete)
	l.ended(Delete, ResultDone, now)
	if !l.is() || !open() {
		t.Error("a deletion says nothing of it, and keeps no probe back")
	}
	l.ended(Renew, ResultBlocked, now)
	if l.is() {
		t.Error("Graph answered about one subscription, and it is trouble still")
	}
}
