package ingest

import (
	"errors"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/sealed"
)

// What is queued is bounded by its time, not by its count (I5).
func TestOpenerIsBusy(t *testing.T) {
	t.Parallel()
	o := newOpener(func() *sealed.Ring { return &sealed.Ring{} }, 2)
	for _, c := range []struct {
		queued int64
		cost   time.Duration
		busy   bool
	}{
		{0, time.Hour, false}, // whatever one takes, it may come while nothing else is there
		{300, time.Millisecond, false},
		{2 * 401, time.Millisecond, true},
		{2 * 401, time.Millisecond / 4, false},
	} {
		o.queued.Store(c.queued)
		o.cost.Store(int64(c.cost))
		if o.busy() != c.busy {
			t.Errorf("%d queued at %v each: busy %v, want %v", c.queued, c.cost, o.busy(), c.busy)
		}
	}
}

// An item whose turn comes after the deadline is left for the next time, and each
// that was queued is counted off.
func TestOpenerAtTheDeadline(t *testing.T) {
	t.Parallel()
	o := newOpener(func() *sealed.Ring { return &sealed.Ring{} }, 2)
	late := &work{item: &bridge.Item{EncryptedContent: &bridge.EncryptedContent{}}}
	inTime := &work{item: late.item}
	o.open([]*work{late}, time.Now().Add(-time.Second))
	o.open([]*work{inTime}, time.Now().Add(time.Minute))
	many := []*work{{item: late.item}, {item: late.item}, {item: late.item}}
	o.open(many, time.Now().Add(time.Minute))
	var rejection *bridge.Rejection
	for _, w := range many {
		if !errors.As(w.err, &rejection) {
			t.Errorf("one of several: %v", w.err)
		}
	}
	if !errors.Is(late.err, errUnavailable) || !errors.As(inTime.err, &rejection) {
		t.Errorf("late: %v, in time: %v", late.err, inTime.err)
	}
	if o.queued.Load() != 0 || len(o.slots) != 0 {
		t.Errorf("%d still queued, %d slots taken", o.queued.Load(), len(o.slots))
	}
}
