package bridgetest

import (
	"fmt"
	"slices"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// Tolerance says how exact the gap records have to be.
type Tolerance struct {
	// Begin is how long after a wish is written its first creation may begin: what
	// was never tried is no gap. The file is looked at every 2 s.
	Begin time.Duration
	// Early is how long before a death its gap may begin: the renewer knows of
	// life by proofs, and between two of them by nothing. That is the time between
	// two readings and, when readings were prevented, as long as they were.
	Early time.Duration
	// Late is how long after its successor's birth a gap may end: the answer to
	// the call that made it, or where that was lost, the time until the next try
	// finds what stands in its way.
	Late time.Duration
}

// Found sums up what a Judge looked at, so that a test can see that there was
// something.
type Found struct {
	Stored, InGaps, NotYet int // events, for each wish that they are for
	Gaps, Deaths           int
	ByCause                map[string]int
}

// Judge compares what happened in the simulated world, and what lived there,
// with what a plain consumer finds in Kafka, which it returns, and returns every
// difference (I9, I10 and, by the function Judge, I1, I2, I3, I7 and I8):
//
//   - every event that a desired subscription is for has its record, or lies in
//     a gap of that subscription;
//   - every stretch for which a desired subscription was dead lies in a gap;
//   - every gap has such a stretch, or for "missed" Graph's word, or for "held"
//     a pause, begins and ends near it, and is closed by the end;
//   - the states and gaps of each shard were written by one leader after the
//     other.
func (s *System) Judge(tolerance Tolerance) (stored []Stored, diffs []string, found Found) {
	j := &systemJudge{
		system: s, tolerance: tolerance, end: time.Now(), histories: s.historiesOf(s.Graph.Lives()),
		acked: map[int]map[string]bool{}, missed: map[string][]graphsim.Span{}, found: Found{ByCause: map[string]int{}},
	}
	stored = s.Records()
	ledger := s.Graph.Ledger()
	j.diffs = Judge(ledger, stored, true)
	gaps, diffs := s.gapsOf(stored)
	j.gaps, j.diffs = gaps, append(j.diffs, diffs...)
	for _, e := range ledger {
		j.taken = max(j.taken, e.Event)
		switch {
		case e.LifecycleEvent == "missed":
			j.missed[e.SubscriptionID] = append(j.missed[e.SubscriptionID], graphsim.Span{From: e.First, To: e.Last})
		case e.Acked && e.Event > 0:
			if j.acked[e.Event] == nil {
				j.acked[e.Event] = map[string]bool{}
			}
			j.acked[e.Event][e.SubscriptionID] = true
		}
	}
	for w, d := range s.desired(j.end) {
		j.events(w, d)
		j.deaths(w, d)
	}
	for w, all := range j.gaps {
		for _, g := range all {
			j.gap(w, g)
		}
	}
	j.epochs(stored)
	slices.Sort(j.diffs)
	return stored, j.diffs, j.found
}

// desired returns when each Watch was desired.
func (s *System) desired(end time.Time) map[Watch][]graphsim.Span {
	out := map[Watch][]graphsim.Span{}
	for i, w := range s.wishes {
		until := end
		if i+1 < len(s.wishes) {
			until = s.wishes[i+1].from
		}
		for _, wish := range w.all {
			at := s.watch(wish.TenantID, wish.Resource, wish.ChangeType)
			if n := len(out[at]); n > 0 && out[at][n-1].To.Equal(w.from) {
				out[at][n-1].To = until
				continue
			}
			out[at] = append(out[at], graphsim.Span{From: w.from, To: until})
		}
	}
	return out
}

type systemJudge struct {
	system    *System
	tolerance Tolerance
	end       time.Time
	histories map[Watch]*history
	gaps      map[Watch][]Gap
	acked     map[int]map[string]bool    // by event, then subscription
	taken     int                        // number of the last event that items were made of
	missed    map[string][]graphsim.Span // when Graph said so, by subscription
	diffs     []string
	found     Found
}

func (j *systemJudge) differ(format string, args ...any) {
	j.diffs = append(j.diffs, fmt.Sprintf(format, args...))
}

// look is how long after a wish is written the last one may still be carried out.
const look = 3 * time.Second

// due returns the part of a dead stretch that a gap must cover, given that it
// was desired throughout desired; ok is false for none. What was dead when it
// came to be desired may first be tried.
func (j *systemJudge) due(dead, desired graphsim.Span) (graphsim.Span, bool) {
	if !dead.From.After(desired.From.Add(look)) {
		dead.From = desired.From.Add(j.tolerance.Begin)
	}
	dead.To = earliest(dead.To, desired.To)
	return dead, dead.From.Before(dead.To)
}

// deaths looks for a gap around every stretch in which w was dead.
func (j *systemJudge) deaths(w Watch, desired []graphsim.Span) {
	for _, d := range desired {
		for _, dead := range j.histories[w].dead(d.From, d.To) {
			must, ok := j.due(dead, d)
			if !ok {
				continue
			}
			j.found.Deaths++
			if !covers(j.gaps[w], must) {
				j.differ("%v was dead from %v to %v, and no gap says so: %v; %v", w, clock(dead.From), clock(dead.To), j.gaps[w], j.histories[w])
			}
		}
	}
}

// covers reports whether gaps, in the order of their beginning, leave nothing of
// must out.
func covers(gaps []Gap, must graphsim.Span) bool {
	for _, g := range gaps {
		if g.holds(must.From) {
			if g.holds(must.To) {
				return true
			}
			must.From = g.Span.To
		}
	}
	return false
}

// events looks for what became of all events that w is told of.
func (j *systemJudge) events(w Watch, desired []graphsim.Span) {
	h := j.histories[w]
	for _, e := range j.system.Graph.Events() {
		i := slices.IndexFunc(desired, func(d graphsim.Span) bool { return !e.At.Before(d.From) && e.At.Before(d.To) })
		if i < 0 || !w.tells(e) {
			continue
		}
		kept := h != nil && slices.ContainsFunc(h.lives, func(l graphsim.Life) bool { return j.acked[e.Seq][l.SubscriptionID] })
		switch {
		case kept:
			j.found.Stored++
		case slices.ContainsFunc(j.gaps[w], func(g Gap) bool { return g.holds(e.At) }):
			j.found.InGaps++
		case e.Seq >= j.taken: // Graph itself has not come to it
		case e.At.Before(desired[i].From.Add(j.tolerance.Begin)) && len(e.Told) == 0:
			j.found.NotYet++
		default:
			j.differ("lost: event %d at %v, %s %s %q, for %v: told to %v, held for %v; gaps %v", e.Seq, clock(e.At), e.Topic, e.ChangeType, e.Resource, w, e.Told, e.Held, j.gaps[w])
		}
	}
}

// gap looks for what g is about.
func (j *systemJudge) gap(w Watch, g Gap) {
	j.found.Gaps++
	j.found.ByCause[g.Cause]++
	to := g.Span.To
	if to.IsZero() {
		j.differ("gap %v of %v is open still", g, w)
		to = j.end
	}
	h := j.histories[w]
	if g.Cause == "missed" && slices.ContainsFunc(j.missed[g.Old], func(s graphsim.Span) bool {
		return !s.From.Truncate(time.Microsecond).After(to) && !s.To.Before(g.Span.From)
	}) {
		return
	}
	if g.Cause == "held" {
		j.held(w, g)
		return
	}
	// A creation whose answer was lost makes a gap from its beginning on, though
	// what it made may live since the next instant.
	dead := h.dead(g.Span.From, to)
	for _, at := range h.births(g.Span.From, to) {
		dead = append(dead, graphsim.Span{From: at, To: at})
	}
	if len(dead) == 0 {
		j.differ("gap %v of %v is invented: %v", g, w, h)
		return
	}
	slices.SortFunc(dead, func(a, b graphsim.Span) int { return a.To.Compare(b.To) })
	began := dead[0].From
	if paused := h.paused(g.Span.From, to); len(paused) > 0 {
		began = earliest(began, paused[0].From) // what was held back died with it
	}
	if early := began.Sub(g.Span.From); early > j.tolerance.Early {
		j.differ("gap %v of %v begins %v before the death: %v", g, w, early, h)
	}
	if late := to.Sub(dead[len(dead)-1].To); late > j.tolerance.Late {
		j.differ("gap %v of %v ends %v after the next birth: %v", g, w, late, h)
	}
}

// held looks for the pause that g is about. It begins when Graph asks to be told
// to go on, which is a while before it pauses, and ends where Graph has kept what
// came since; or with the subscription, with which that dies.
func (j *systemJudge) held(w Watch, g Gap) {
	h, kept := j.histories[w], j.system.Rules.Held
	paused := h.paused(g.Span.From, g.Span.To.Add(kept))
	if len(paused) != 1 || paused[0].From.Sub(g.Span.From) > j.tolerance.Early {
		j.differ("gap %v of %v is invented: %v paused; %v", g, w, paused, h)
		return
	}
	if slices.ContainsFunc(h.alive, func(a graphsim.Span) bool { return a.To.Equal(paused[0].To) }) {
		kept = 0
	}
	if late := g.Span.To.Add(kept).Sub(paused[0].To); late > j.tolerance.Late {
		j.differ("gap %v of %v ends %v late: %v; %v", g, w, late, paused, h)
	}
}

// epochs looks that no leader's records stand behind its successor's (I10).
func (j *systemJudge) epochs(stored []Stored) {
	type line struct {
		topic     string
		partition int32
		producer  int64
	}
	last := map[line]Stored{}
	for _, r := range stored {
		if r.Topic != "subscriptions" && r.Topic != "gaps" {
			continue
		}
		at := line{r.Topic, r.Partition, r.Producer}
		if before := last[at]; r.Producer < 0 || r.Epoch < before.Epoch {
			j.differ("%s/%d@%d: written in epoch %d of producer %d, after epoch %d", r.Topic, r.Partition, r.Offset, r.Epoch, r.Producer, before.Epoch)
		}
		last[at] = r
	}
}

// clock shows an instant of virtual time.
func clock(t time.Time) string { return t.Format("15:04:05.000") }
