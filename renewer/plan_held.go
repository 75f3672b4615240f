package renewer

import (
	"fmt"
	"time"
)

// A file that was cut off, or made by a program that went wrong, asks for hardly
// anything, and by the letter of it everything else would be deleted, with all
// that happens until somebody sees it. So a file that drops more subscriptions
// of a tenant than it asks for there, and more than a few, is not believed: the
// removals are held back, and what would be removed is kept alive as it is, until
// a person says in the file that so many may go, or the file asks for them again.
//
// What is asked for is counted by the file, and what is dropped by the states, so
// that whoever leads comes to the same answer, today or after a restart; and as
// removals that are allowed are made, there is only less left to hold back.

// roll is what one tenant's subscriptions are counted by.
type roll struct {
	desired int // those that the file asks for
	dropped int // those that it asks for no longer
	allowed int // how many may be dropped, even if that is most of them
}

// held reports whether the removals are held back.
func (t *roll) held() bool { return t.dropped > t.allowed && t.dropped > t.desired }

// Held is what is held back in one tenant.
type Held struct {
	Removals int // subscriptions that the file asks for no longer
	Desired  int // those that it asks for
}

// desires counts what the file asks for.
func (in *scene) desires(d *Desired) {
	if t := in.tenants[d.TenantID]; t != nil {
		t.desired++
	}
}

// dropped reports whether s, which is not desired and whose tenant is listed,
// counts as dropped: it lives, or did, and nothing of its resource is desired.
// Other change types of the same resource are a change of mind, not a loss.
func (in *scene) dropped(s *State) bool {
	if s.SubscriptionID == "" && s.Status != Dead {
		return false
	}
	for _, types := range [...]string{
		"created", "deleted", "updated", "created,deleted", "created,updated", "deleted,updated", "created,deleted,updated",
	} {
		if in.wish(Key{s.TenantID, s.Resource, types}) != nil {
			return false
		}
	}
	return true
}

// spares reports whether s, which is not desired, is kept alive nevertheless.
func (in *scene) spares(s *State) bool {
	t := in.tenants[s.TenantID]
	return t != nil && t.held() && in.dropped(s)
}

// heldBack returns what is held back, by tenant; nil for nothing.
func (in *scene) heldBack() map[string]Held {
	var all map[string]Held
	for id, t := range in.tenants {
		if !t.held() {
			continue
		}
		if all == nil {
			all = map[string]Held{}
		}
		all[id] = Held{Removals: t.dropped, Desired: t.desired}
	}
	return all
}

// whySpared says what a person can do about it.
func (in *scene) whySpared(tenantID string) string {
	t := in.tenants[tenantID]
	return fmt.Sprintf("no longer desired, but held back: the file drops %d of this tenant and asks for %d; to let them go write %s: %d under the tenant",
		t.dropped, t.desired, keyMaxRemovals, t.dropped)
}

// spare keeps alive what is held back, just as it is. What has died is not made
// anew: its state does not say all that it was made with.
func (r *Rules) spare(now time.Time, s *State, in *scene) Action {
	if s.SubscriptionID == "" || r.lapsed(now, s) {
		return Action{}
	}
	a := r.keep(now, &Desired{
		Key: s.Key, Rich: s.Rich, Lifetime: s.ExpiresAt.Sub(s.RenewedAt), NotificationURL: s.NotificationURL, LifecycleURL: s.LifecycleURL,
		QueryOptions: s.QueryOptions, Version: s.Version, ApplicationID: s.ApplicationID,
		Certificate: Certificate{ID: s.CertificateID, Thumbprint: s.Thumbprint}, ClientStateKeyID: s.ClientStateKeyID,
	}, s)
	if a.due(now) {
		a.Why += ", and it is " + in.whySpared(s.TenantID)
	}
	return a
}
