package bridgetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// Gap is a stretch of time for which teams.gaps says that a subscription was
// not alive: its records, put together.
type Gap struct {
	ID       string
	Cause    string
	Span     graphsim.Span // To is zero while it is open
	Old, New string        // subscription ids
}

// holds reports whether at lies in the gap, its ends included. Records know
// microseconds.
func (g Gap) holds(at time.Time) bool {
	at = at.Truncate(time.Microsecond)
	return !at.Before(g.Span.From) && (g.Span.To.IsZero() || !at.After(g.Span.To))
}

// gapsOf puts the records of teams.gaps together, by what they are of and in the
// order of their beginning, and returns what is wrong with the records
// themselves: each gap has one that opens it and then, perhaps, one that closes
// it, and no two gaps of one subscription overlap.
func (s *System) gapsOf(stored []Stored) (gaps map[Watch][]Gap, diffs []string) {
	gaps = map[Watch][]Gap{}
	for _, r := range stored {
		if r.Topic != "gaps" {
			continue
		}
		w := s.watch(r.Text("tenant_id"), r.Text("resource"), r.Text("change_type"))
		id, from, to := r.Text("gap_id"), r.Instant("from"), r.Instant("to")
		i := slices.IndexFunc(gaps[w], func(g Gap) bool { return g.ID == id })
		switch {
		case i < 0 && !to.IsZero():
			diffs = append(diffs, fmt.Sprintf("gap %s of %v closes and never opened", id, w))
		case i < 0:
			gaps[w] = append(gaps[w], Gap{ID: id, Cause: r.Text("cause"), Span: graphsim.Span{From: from}, Old: r.Text("old_subscription_id")})
		case to.IsZero() || !gaps[w][i].Span.To.IsZero():
			diffs = append(diffs, fmt.Sprintf("gap %s of %v has a record too many", id, w))
		case !from.Equal(gaps[w][i].Span.From) || gaps[w][i].Cause != r.Text("cause") || to.Before(from):
			diffs = append(diffs, fmt.Sprintf("gap %s of %v closes otherwise than it opened: %v, then %v to %v", id, w, gaps[w][i], from, to))
		default:
			gaps[w][i].Span.To, gaps[w][i].New = to, r.Text("new_subscription_id")
		}
		if r.Key != r.Text("resource") || r.Headers["ce_id"] != r.Text("event_id") {
			diffs = append(diffs, fmt.Sprintf("gap %s of %v: key %q, ce_id %q", id, w, r.Key, r.Headers["ce_id"]))
		}
	}
	for w, all := range gaps {
		slices.SortStableFunc(all, func(a, b Gap) int { return a.Span.From.Compare(b.Span.From) })
		for i := 1; i < len(all); i++ {
			if before := all[i-1].Span.To; before.IsZero() || all[i].Span.From.Before(before) {
				diffs = append(diffs, fmt.Sprintf("gaps %v and %v of %v overlap", all[i-1], all[i], w))
			}
		}
	}
	return gaps, diffs
}

// history is what Graph knows of one Watch.
type history struct {
	lives []graphsim.Life
	alive []graphsim.Span // disjoint, oldest first
}

// String returns the gap as one short text.
func (g Gap) String() string {
	to := "now"
	if !g.Span.To.IsZero() {
		to = clock(g.Span.To)
	}
	return fmt.Sprintf("%s %s-%s (%.8s, %.8s)", g.Cause, clock(g.Span.From), to, g.Old, g.New)
}

// historiesOf sorts the lives at Graph by what they are of.
func (s *System) historiesOf(lives []graphsim.Life) map[Watch]*history {
	all := map[Watch]*history{}
	for _, l := range lives {
		w := s.watch(l.TenantID, l.Resource, l.ChangeType)
		h := all[w]
		if h == nil {
			h = &history{}
			all[w] = h
		}
		h.lives = append(h.lives, l)
		h.alive = append(h.alive, l.Alive()) // Graph has one at a time (409)
	}
	return all
}

// String returns when which lived.
func (h *history) String() string {
	if h == nil {
		return "never"
	}
	var b strings.Builder
	for i, l := range h.lives {
		to := "now"
		if at := h.alive[i].To; !at.IsZero() {
			to = clock(at)
		}
		fmt.Fprintf(&b, "[%.8s %s-%s %s] ", l.SubscriptionID, clock(h.alive[i].From), to, l.Events[len(l.Events)-1].Kind)
	}
	return b.String()
}

// births returns when subscriptions were made between from and to.
func (h *history) births(from, to time.Time) (at []time.Time) {
	if h == nil {
		return nil
	}
	for _, a := range h.alive {
		if born := a.From.Truncate(time.Microsecond); !born.Before(from) && !born.After(to) {
			at = append(at, a.From)
		}
	}
	return at
}

// dead returns the stretches between from and to in which none lived.
func (h *history) dead(from, to time.Time) []graphsim.Span {
	var out []graphsim.Span
	if h != nil {
		for _, a := range h.alive {
			if a.From.After(from) && from.Before(to) {
				out = append(out, graphsim.Span{From: from, To: earliest(a.From, to)})
			}
			if a.To.IsZero() {
				return out
			}
			if a.To.After(from) {
				from = a.To
			}
		}
	}
	if from.Before(to) {
		out = append(out, graphsim.Span{From: from, To: to})
	}
	return out
}

// paused returns the stretches between from and to in which one lived and
// delivered nothing.
func (h *history) paused(from, to time.Time) []graphsim.Span {
	if h == nil {
		return nil
	}
	var out []graphsim.Span
	for i, l := range h.lives {
		since := h.alive[i].From // when it last stopped delivering
		for _, d := range append(l.Delivered(), graphsim.Span{From: h.alive[i].To}) {
			p := graphsim.Span{From: latest(since, from), To: to}
			if !d.From.IsZero() {
				p.To = earliest(d.From, to)
			}
			if p.From.Before(p.To) {
				out = append(out, p)
			}
			if since = d.To; since.IsZero() {
				break
			}
		}
	}
	return out
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
