package renewer

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// DifferenceKind is the word for what would be done about one subscription.
type DifferenceKind string

// The kinds of differences, in the order in which a plan shows them.
const (
	WouldCreate  DifferenceKind = "create"
	WouldAdopt   DifferenceKind = "adopt"   // Graph has what is desired, and it is ours, though no state says so
	WouldReplace DifferenceKind = "replace" // deleted and created anew
	WouldChange  DifferenceKind = "change"  // by a PATCH, now or with the next renewal
	WouldRenew   DifferenceKind = "renew"
	WouldDelete  DifferenceKind = "delete"
	WouldRetry   DifferenceKind = "retry" // refused so far
	LeftAlone    DifferenceKind = "leave" // somebody else's, or nothing that can be helped
)

// DifferenceKinds returns all kinds in order.
func DifferenceKinds() []DifferenceKind {
	return []DifferenceKind{WouldCreate, WouldAdopt, WouldReplace, WouldChange, WouldRenew, WouldDelete, WouldRetry, LeftAlone}
}

// Difference is one line of the plan that people read: desired against actual.
type Difference struct {
	Kind           DifferenceKind `json:"kind"`
	TenantID       string         `json:"tenant_id"`
	Resource       string         `json:"resource"`
	ChangeType     string         `json:"change_type"`
	SubscriptionID string         `json:"subscription_id,omitzero"`
	Fields         []FieldChange  `json:"fields,omitzero"`
	Why            string         `json:"why"`
	Due            time.Time      `json:"due,omitzero"`     // when it would be done; zero is now
	Expires        time.Time      `json:"expires,omitzero"` // when what lives now ends
	Where          string         `json:"where,omitzero"`   // file:line that asks for it
	// Stuck tells that trying again will not help: somebody has to mend what Why
	// says.
	Stuck bool `json:"stuck,omitzero"`
}

// FieldChange is one property that is not as desired.
type FieldChange struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
	// Patchable tells that the living subscription can be changed.
	Patchable bool `json:"patchable"`
}

// Differences returns what separates actual from desired at now, by kind and then
// by key; nothing for what is as it should be. listed is what Graph has in the
// tenants, if it was asked: with it, the plan knows what would be adopted and
// what belongs to others.
func Differences(now time.Time, w *Wanted, actual map[Key]State, listed map[string][]graph.Subscription, r Rules) []Difference {
	in := newScene(w, &r)
	in.want(w)
	known := map[string]bool{} // ids
	for k := range actual {
		s := actual[k]
		known[s.SubscriptionID] = true
		if in.wish(k) == nil {
			in.count(&s)
		}
	}
	var all []Difference
	for i := range w.Subscriptions {
		d := &w.Subscriptions[i]
		s, has := actual[d.Key]
		diff := Difference{TenantID: d.TenantID, Resource: d.Resource, ChangeType: d.ChangeType, Where: fmt.Sprintf("%s:%d", w.File, d.Line)}
		if has && s.SubscriptionID != "" {
			diff.SubscriptionID, diff.Expires = s.SubscriptionID, s.ExpiresAt
		}
		switch {
		case has && s.Status == Aside:
			diff.Kind, diff.Stuck, diff.Why = LeftAlone, true, "its state was written by another version, or is broken"
		case has && s.Intent != "":
			diff.Kind, diff.Why = LeftAlone, "the renewer is about to "+string(s.Intent)+" it"
		case !has || s.SubscriptionID == "":
			r.absent(&diff, d, &s, listed[d.TenantID], known)
		default:
			r.present(&diff, now, d, &s, in)
		}
		if diff.Kind != "" {
			all = append(all, diff)
		}
	}
	for k := range actual {
		if s := actual[k]; in.wish(k) == nil && s.Status != Deleted {
			all = append(all, r.undesired(now, &s, in))
		}
	}
	for tenant, subs := range listed {
		for _, sub := range subs {
			if !known[sub.ID] && sub.ExpirationDateTime.After(now) {
				all = append(all, foreign(w, tenant, sub))
			}
		}
	}
	order := DifferenceKinds()
	slices.SortFunc(all, func(a, b Difference) int {
		if a.Kind != b.Kind {
			return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
		}
		return compareKeys(Key{a.TenantID, a.Resource, a.ChangeType}, Key{b.TenantID, b.Resource, b.ChangeType})
	})
	return all
}

// absent says what would be done about what is desired and does not live. What
// is adopted, or in the way, counts as known.
func (r *Rules) absent(diff *Difference, d *Desired, s *State, listed []graph.Subscription, known map[string]bool) {
	diff.Kind, diff.Why = WouldCreate, "there is none"
	if s.Gap.ID != "" {
		diff.Why = fmt.Sprintf("there is none since %s: %s", s.Gap.From.Format(time.RFC3339), s.Gap.Cause)
	}
	if s.Attempts > 0 {
		diff.Kind, diff.Stuck, diff.Why, diff.Due = WouldRetry, s.stuck(), s.failures(), s.NextAttemptAt
	}
	for _, sub := range listed {
		switch {
		case d.is(sub):
			diff.Kind, diff.Stuck, diff.SubscriptionID, diff.Expires, diff.Due = WouldAdopt, false, sub.ID, sub.ExpirationDateTime, time.Time{}
			diff.Why = "Graph has it already, with our notification URL"
			known[sub.ID] = true
			return
		case d.collides(sub):
			known[sub.ID] = true
			diff.Kind, diff.Stuck = WouldRetry, true
			diff.Why = fmt.Sprintf("in its way is %s, which notifies %s: delete it, or desire it from there alone", sub.ID, hostOf(sub.NotificationURL))
		}
	}
}

// collides reports whether Graph would refuse d because of sub.
func (d *Desired) collides(sub graph.Subscription) bool {
	anywhere := *d
	anywhere.NotificationURL = sub.NotificationURL
	return anywhere.is(sub)
}

// present says what would be done about what is desired and lives.
func (r *Rules) present(diff *Difference, now time.Time, d *Desired, s *State, in *scene) {
	a := r.next(now, d, s, in)
	diff.Fields, diff.Why = fields(d, s), a.Why
	waits := len(diff.Fields) > 0 && (a.Kind == Read || !a.due(now)) // for the renewal
	if waits {
		diff.Why = "with the next renewal"
	}
	switch {
	case a.Kind == Create:
		diff.Kind = WouldCreate
	case slices.ContainsFunc(diff.Fields, func(f FieldChange) bool { return !f.Patchable }):
		diff.Kind = WouldReplace
		diff.Why += ": deleted and created anew, with a gap of about a second"
	case len(diff.Fields) > 0:
		diff.Kind = WouldChange
	case a.Kind == Renew && a.due(now):
		diff.Kind = WouldRenew
	case s.Attempts > 0:
		diff.Kind, diff.Why = WouldRetry, ""
	}
	if s.Attempts > 0 {
		diff.Stuck, diff.Why = s.stuck(), strings.TrimPrefix(diff.Why+"; "+s.failures(), "; ")
	}
	switch {
	case waits:
		diff.Due = later(r.renewalDue(s, s.chance()), s.NextAttemptAt)
	case !a.due(now):
		diff.Due = a.Due
	}
}

// fields returns what of s is not as desired.
func fields(d *Desired, s *State) []FieldChange {
	kind := map[bool]string{true: "rich", false: "basic"}
	var all []FieldChange
	for _, f := range [...]struct {
		FieldChange
		differs bool
	}{
		{FieldChange{"notification_url", s.NotificationURL, d.NotificationURL, true}, !sameURL(s.NotificationURL, d.NotificationURL)},
		{FieldChange{"certificate", s.CertificateID, d.Certificate.ID, true}, s.otherCertificate(d)},
		{FieldChange{"lifecycle_url", s.LifecycleURL, d.LifecycleURL, false}, !sameURL(s.LifecycleURL, d.LifecycleURL)},
		{FieldChange{"notifications", kind[s.Rich], kind[d.Rich], false}, s.Rich != d.Rich},
		{FieldChange{"query_options", s.QueryOptions, d.QueryOptions, false}, s.QueryOptions != d.QueryOptions},
		{FieldChange{"api_version", string(s.Version), string(d.Version), false}, s.Version != "" && s.Version != d.Version},
		{FieldChange{"client_state_key", s.ClientStateKeyID, d.ClientStateKeyID, false}, d.ClientStateKeyID != "" && s.ClientStateKeyID != d.ClientStateKeyID},
		{FieldChange{"application", s.ApplicationID, d.ApplicationID, false}, s.otherApplication(d)},
	} {
		if f.differs {
			all = append(all, f.FieldChange)
		}
	}
	return all
}

// undesired says what would be done about what is known and not desired.
func (r *Rules) undesired(now time.Time, s *State, in *scene) Difference {
	diff := Difference{
		Kind: WouldDelete, TenantID: s.TenantID, Resource: s.Resource, ChangeType: s.ChangeType,
		SubscriptionID: s.SubscriptionID, Expires: s.ExpiresAt, Why: "no longer desired",
	}
	switch a := r.next(now, nil, s, in); {
	case s.Status == Aside:
		diff.Kind, diff.Stuck, diff.Why = LeftAlone, true, "its state was written by another version, or is broken"
	case s.Intent != "":
		diff.Kind, diff.Why = LeftAlone, "the renewer is about to "+string(s.Intent)+" it"
	case in.spares(s):
		diff.Kind, diff.Why = LeftAlone, in.whySpared(s.TenantID)
	case a.Kind == Forget && s.SubscriptionID != "" && !a.due(now):
		diff.Kind, diff.Why = LeftAlone, a.Why
	case a.Kind == Forget:
		diff.Why = "no longer desired, and none lives: its record goes"
	case s.Attempts > 0:
		diff.Stuck, diff.Why, diff.Due = s.stuck(), "no longer desired; "+s.failures(), s.NextAttemptAt
	}
	return diff
}

// foreign is what Graph has of the application that nothing of ours knows.
func foreign(w *Wanted, tenant string, sub graph.Subscription) Difference {
	why := "not ours: it notifies " + hostOf(sub.NotificationURL)
	if slices.ContainsFunc(w.Tenants, func(t Tenant) bool { return t.ID == tenant && sameURL(t.NotificationURL, sub.NotificationURL) }) {
		// FACTS §4.2: lists show expired ones.
		why = "it notifies us, and nobody desires it: it is gone already, though Graph lists it, or lapses at its time"
	}
	return Difference{
		Kind: LeftAlone, TenantID: tenant, Resource: strings.TrimPrefix(sub.Resource, "/"), ChangeType: changeTypes(sub.ChangeType),
		SubscriptionID: sub.ID, Expires: sub.ExpirationDateTime, Why: why,
	}
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return "an unknown place"
}
