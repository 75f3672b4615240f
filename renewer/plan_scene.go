package renewer

import "time"

// scene is what the plan for one key has to know of others.
type scene struct {
	tenants map[string]bool      // those that there are credentials for
	wanted  map[Key]*Desired     // all that is desired
	leaving map[place]int        // how many living subscriptions are about to be deleted
	orphans map[string]time.Time // tenants to be listed, with when that may be done
}

// place is what Graph's quotas count by: some resources allow an application one
// subscription, of whatever change types (FACTS §4.4).
type place struct{ tenantID, resource string }

func (k Key) place() place { return place{k.TenantID, k.Resource} }

// newScene returns the scene of the tenants in w, without its subscriptions.
func newScene(w *Wanted) *scene {
	in := &scene{tenants: make(map[string]bool, len(w.Tenants)), leaving: map[place]int{}, orphans: map[string]time.Time{}}
	for i := range w.Tenants {
		in.tenants[w.Tenants[i].ID] = true
	}
	return in
}

// want indexes the subscriptions in w.
func (in *scene) want(w *Wanted) {
	in.wanted = make(map[Key]*Desired, len(w.Subscriptions))
	for i := range w.Subscriptions {
		in.wanted[w.Subscriptions[i].Key] = &w.Subscriptions[i]
	}
}

// note counts s among those for which its tenant is to be listed, if it is one.
func (in *scene) note(s *State) {
	if in.orphaned(s) {
		in.orphans[s.TenantID] = later(in.orphans[s.TenantID], s.NextAttemptAt)
	}
}

// leaves reports whether s is about to be deleted, which comes before creating
// another one in its place. Once the deletion has failed, nothing waits for it.
func (in *scene) leaves(s *State) bool {
	return s.SubscriptionID != "" && s.Attempts == 0 && s.Status != Aside &&
		in.tenants[s.TenantID] && in.wanted[s.Key] == nil
}

// orphaned reports whether s waits for its tenant to be listed.
func (in *scene) orphaned(s *State) bool { return s.Orphan && in.tenants[s.TenantID] }
