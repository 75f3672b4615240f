package renewer

import (
	"cmp"
	"slices"
	"time"
)

// Plan returns what is due at now, urgent before comfortable, at most one action
// for each key and one List for each tenant that has orphans. It does not change
// what it is given. It looks at everything, in about a microsecond each; Planner
// answers the same question without.
//
// What is due depends on its arguments alone: planning again yields the same
// until Begin or Finish has changed a state.
func Plan(now time.Time, w *Wanted, actual map[Key]State, r Rules) []Action {
	in := newScene(w, &r)
	var due dueActions
	add := func(a Action, at int) {
		if a.due(now) {
			due.add(a, at)
		}
	}
	matched := 0
	for i := range w.Subscriptions {
		d := &w.Subscriptions[i]
		s, ok := actual[d.Key]
		if !ok {
			add(r.next(now, d, nil, in), i)
			continue
		}
		matched++
		in.note(&s)
		add(r.next(now, d, &s, in), i)
	}
	if matched < len(actual) {
		in.want(w)
		var undesired []State
		for k, s := range actual {
			if in.wish(k) == nil {
				in.count(&s)
				in.note(&s)
				undesired = append(undesired, s)
			}
		}
		for i := range undesired {
			add(r.next(now, nil, &undesired[i], in), -1)
		}
		due.order = slices.DeleteFunc(due.order, func(t turn) bool { return t.Kind == Create && in.leaving[t.place()] > 0 })
	}
	for tenant, at := range in.orphans {
		add(listAction(tenant, at), -1)
	}
	return due.sorted()
}

// dueActions gathers actions, which are large to move.
type dueActions struct {
	room  []Action // for the next ones
	order []turn
}

// turn is an action and what it is sorted by, its times in microseconds.
type turn struct {
	*Action
	deadline, due int64
	at            int // index of what is desired; -1: by the key
}

func (d *dueActions) add(a Action, at int) {
	if len(d.room) == cap(d.room) {
		d.room = make([]Action, 0, min(max(16, len(d.order)), 1024))
	}
	d.room = append(d.room, a)
	d.order = append(d.order, turn{&d.room[len(d.room)-1], a.Deadline.UnixMicro(), a.Due.UnixMicro(), at})
}

// sorted returns them in the order of before, but for those that differ by the
// key alone: thousands are created at once, and text is slow to compare.
func (d *dueActions) sorted() []Action {
	slices.SortFunc(d.order, func(a, b turn) int {
		switch {
		case a.rank != b.rank:
			return cmp.Compare(a.rank, b.rank)
		case a.deadline != b.deadline:
			return cmp.Compare(a.deadline, b.deadline)
		case a.due != b.due:
			return cmp.Compare(a.due, b.due)
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		}
		return compareKeys(a.Key, b.Key)
	})
	all := make([]Action, len(d.order))
	for i, t := range d.order {
		all[i] = *t.Action
	}
	return all
}

func listAction(tenant string, due time.Time) Action {
	return Action{
		Kind: List, Key: Key{TenantID: tenant}, Due: due, rank: rankRepair,
		Why: "a predecessor died while creating: what it made is looked for",
	}
}

// The order of actions. A renewal that is about to come too late goes before
// creations, since one call saves it, while a queue of creations may be long.
const (
	rankRepair = iota
	rankLapsing
	rankCreate
	rankAsked
	rankRenew
	rankReplace
	rankDelete
	rankRead
)

// before is the order of actions: by rank, then by deadline, then by how long
// they have been due.
func before(a, b *Action) int {
	if a.rank != b.rank {
		return cmp.Compare(a.rank, b.rank)
	}
	if c := a.Deadline.Compare(b.Deadline); c != 0 {
		return c
	}
	if c := a.Due.Compare(b.Due); c != 0 {
		return c
	}
	return compareKeys(a.Key, b.Key)
}
