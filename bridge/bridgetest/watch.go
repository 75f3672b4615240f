package bridgetest

import (
	"fmt"
	"slices"
	"strings"

	"meetbridge/bridge/graph/graphsim"
)

// Watch is what a subscription is for, whatever its id and however it is
// spelt: what Graph allows an application to have once (FACTS §4.2).
type Watch struct {
	TenantID   string
	Resource   string // as graphsim.ResourceKey has it
	ChangeType string // sorted csv, lower case
}

// watch returns the Watch of these words.
func (r *Rig) watch(tenant, resource, changes string) Watch {
	r.tb.Helper()
	key, err := graphsim.ResourceKey(resource)
	if err != nil {
		r.tb.Fatalf("%q: %v", resource, err)
	}
	types := strings.Split(strings.ToLower(changes), ",")
	slices.Sort(types)
	return Watch{tenant, key, strings.Join(types, ",")}
}

// String returns the watch as one short text.
func (w Watch) String() string {
	resource := w.Resource
	if len(resource) > 60 {
		resource = resource[:20] + "…" + resource[len(resource)-38:]
	}
	return fmt.Sprintf("%.8s %s %s", w.TenantID, resource, w.ChangeType)
}

// tells reports whether an event is one that a subscription of w is told of.
func (w Watch) tells(e graphsim.Event) bool {
	return w.TenantID == e.TenantID && slices.Contains(e.Covers, w.Resource) && slices.Contains(strings.Split(w.ChangeType, ","), e.ChangeType)
}
