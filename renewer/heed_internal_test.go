package renewer

import (
	"testing"
	"time"
)

// One subscription that Graph will not have renewed keeps its notice unheeded for
// days: what comes after it takes no memory, and all of it is done once that is.
func TestUnheeded(t *testing.T) {
	t.Parallel()
	o := unheeded{feed: &feed{heeded: map[int32]int64{}}, waiting: map[int32][]*pending{}}
	var first *pending
	const n = 5000
	for i := range n {
		p := o.add(received{Notice{SubscriptionID: "s", Event: eventReauthorize, ReceivedAt: time.Now()}, spot{0, int64(i)}})
		if p.done = i > 0; !p.done {
			first = p
		}
		if i%100 == 0 {
			o.settle()
		}
	}
	o.settle()
	if len(o.waiting[0]) != 2 || o.feed.heeded[0] != 0 {
		t.Errorf("%d notices wait, heeded up to %d", len(o.waiting[0]), o.feed.heeded[0])
	}
	first.done = true
	if o.settle(); len(o.waiting[0]) != 0 || o.feed.heeded[0] != n {
		t.Errorf("%d notices wait, heeded up to %d of %d", len(o.waiting[0]), o.feed.heeded[0], n)
	}
}
