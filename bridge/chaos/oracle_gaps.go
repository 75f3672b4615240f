package chaos

import (
	"sort"
	"time"
)

// gap is a stretch for which teams.gaps says that a subscription was not alive.
type gap struct {
	span // To is zero while it is open
	id   string
}

// subscriptions looks that each wish lives at the end or a gap is open for it,
// and that a gap lies around each stretch in which it did not live (I9).
func (o *oracle) subscriptions() {
	gaps := o.gaps()
	lives := map[wish][]life{}
	for _, l := range o.lives {
		w := wish{l.TenantID, canonical(l.Resource)}
		lives[w] = append(lives[w], l)
	}
	o.out.Wishes = len(o.wishes)
	for _, w := range o.wishes {
		if len(lives[w]) == 0 {
			o.violate("subscription", "%s of %s never lived", w.Resource, w.Tenant)
			continue
		}
		for _, dead := range o.dead(lives[w]) {
			o.out.Deaths++
			switch open := dead.To.IsZero(); {
			case covered(gaps[w], dead, o.end):
				if open {
					o.out.OpenGaps++
				}
			case open && o.end.Sub(dead.From) < o.notice:
				o.out.Unnoticed++
			default:
				o.violate("gap", "%s of %s did not live from %s to %s, and no gap says so: %v", w.Resource, w.Tenant, dead.From.Format(clock), dead.To.Format(clock), words(gaps[w]))
			}
		}
		o.out.Renewals += renewals(lives[w])
	}
	for w, all := range gaps {
		o.out.Gaps += len(all)
		if len(lives[w]) == 0 {
			o.violate("gap", "one of %s of %s, which nobody desired", w.Resource, w.Tenant)
		}
	}
	o.out.Alive = o.out.Wishes - o.out.OpenGaps - o.out.Unnoticed
}

func renewals(all []life) (n int) {
	for _, l := range all {
		if l.Kind == "renewed" || l.Kind == "reauthorized" {
			n++
		}
	}
	return n
}

// gaps puts the records of teams.gaps together.
func (o *oracle) gaps() map[wish][]gap {
	all := map[wish][]gap{}
	at := map[string]int{}
	for _, r := range o.records {
		if r.Topic != "gaps" || r.Value == nil {
			continue
		}
		w := wish{r.text("tenant_id"), canonical(r.text("resource"))}
		id := r.text("gap_id")
		if i, again := at[id]; again {
			if to := r.instant("to"); !to.IsZero() {
				all[w][i].To = to
			}
			continue
		}
		at[id] = len(all[w])
		all[w] = append(all[w], gap{span{r.instant("from"), r.instant("to")}, id})
	}
	return all
}

// dead returns the stretches after a wish's first birth in which it did not
// live; the last may have no end.
func (o *oracle) dead(events []life) []span {
	var out []span
	alive := map[string]bool{}
	for _, e := range events {
		switch {
		case e.Kind == "created":
			if n := len(out); n > 0 && out[n-1].To.IsZero() {
				out[n-1].To = e.At
			}
			alive[e.SubscriptionID] = true
		case e.ends() && alive[e.SubscriptionID]:
			delete(alive, e.SubscriptionID)
			if len(alive) == 0 {
				out = append(out, span{From: e.At})
			}
		}
	}
	return out
}

// covered reports whether gaps leave nothing of dead out. Records know
// microseconds, cut off.
func covered(gaps []gap, dead span, end time.Time) bool {
	gaps = append([]gap(nil), gaps...)
	sort.Slice(gaps, func(i, j int) bool { return gaps[i].From.Before(gaps[j].From) })
	from, to := dead.From.Truncate(time.Microsecond), dead.To.Truncate(time.Microsecond)
	if dead.To.IsZero() {
		to = end
	}
	for _, g := range gaps {
		if g.From.After(from) {
			continue
		}
		switch {
		case g.To.IsZero() || !g.To.Before(to):
			return true
		case g.To.After(from):
			from = g.To
		}
	}
	return false
}

func words(gaps []gap) []string {
	var out []string
	for _, g := range gaps {
		out = append(out, g.From.Format(clock)+"-"+g.To.Format(clock))
	}
	return out
}
