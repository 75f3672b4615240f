package renewer

import "time"

// scene is what the plan for one key has to know of others.
type scene struct {
	tenants map[string]*roll     // those that there are credentials for
	wish    func(Key) *Desired   // what is desired of a key, nil for nothing
	leaving map[place]int        // how many living subscriptions are about to be deleted
	orphans map[string]time.Time // tenants to be listed, with when that may be done
}

// place is what Graph's quotas count by: some resources allow an application one
// subscription, of whatever change types (FACTS §4.4).
type place struct{ tenantID, resource string }

func (k Key) place() place { return place{k.TenantID, k.Resource} }

// newScene returns the scene of the tenants in w, without its subscriptions.
func newScene(w *Wanted, r *Rules) *scene {
	in := &scene{
		tenants: make(map[string]*roll, len(w.Tenants)), wish: func(Key) *Desired { return nil },
		leaving: map[place]int{}, orphans: map[string]time.Time{},
	}
	for i := range w.Tenants {
		in.tenants[w.Tenants[i].ID] = &roll{allowed: max(r.Removals, w.Tenants[i].Removals)}
	}
	return in
}

// want indexes the subscriptions in w.
func (in *scene) want(w *Wanted) {
	wanted := make(map[Key]*Desired, len(w.Subscriptions))
	for i := range w.Subscriptions {
		d := &w.Subscriptions[i]
		wanted[d.Key] = d
		in.desires(d)
	}
	in.wish = func(k Key) *Desired { return wanted[k] }
}

// standing is what a state that is not desired is counted as.
type standing struct{ leaving, dropped bool }

func (in *scene) standing(s *State) standing {
	if s.Status == Aside || in.tenants[s.TenantID] == nil || in.wish(s.Key) != nil {
		return standing{}
	}
	return standing{
		// What is about to be deleted is so before another one is created in its
		// place. Once the deletion has failed, nothing waits for it.
		leaving: s.SubscriptionID != "" && s.Attempts == 0,
		dropped: in.dropped(s),
	}
}

// count counts a state that is not desired.
func (in *scene) count(s *State) {
	now := in.standing(s)
	if now.leaving {
		in.leaving[s.place()]++
	}
	if now.dropped {
		in.tenants[s.TenantID].dropped++
	}
}

// note counts s among those for which its tenant is to be listed, if it is one.
func (in *scene) note(s *State) {
	if in.orphaned(s) {
		in.orphans[s.TenantID] = later(in.orphans[s.TenantID], s.NextAttemptAt)
	}
}

// orphaned reports whether s waits for its tenant to be listed.
func (in *scene) orphaned(s *State) bool { return s.Orphan && in.tenants[s.TenantID] != nil }
