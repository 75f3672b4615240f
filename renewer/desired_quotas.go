package renewer

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// organizationQuota is how many subscriptions a tenant may have for Teams
// resources, of all applications together (FACTS §4.4).
const organizationQuota = 10_000

// add desires d, unless it is desired already or Graph is sure to refuse it.
func (l *loader) add(n *yaml.Node, d Desired, known resource) {
	if line := l.keys[d.Key]; line > 0 {
		l.fault(n, "remove one of them", "%s of %s is asked for in line %d already", d.ChangeType, d.Resource, line)
		return
	}
	l.keys[d.Key] = int32(n.Line)
	at := d.place()
	if strings.HasPrefix(d.Resource, "solutions/virtualEvents/events") {
		at.resource = "solutions/virtualEvents/events" // with or without organizers: one of both
	}
	if had, twice := l.places[at]; twice && known.single {
		l.fault(n, fmt.Sprintf("ask for all in one, as in line %d: Graph allows an application one subscription there", had.line),
			"%s is subscribed to twice, for %s and %s", d.Resource, l.wanted.Subscriptions[had.at].ChangeType, d.ChangeType)
		return
	}
	l.places[at] = request{line: int32(n.Line), at: int32(len(l.wanted.Subscriptions))}
	if l.counts[d.TenantID]++; l.counts[d.TenantID] == organizationQuota+1 {
		l.fault(n, "subscribe to all of a kind at once, as - all: chat messages",
			"tenant %s has more than %d subscriptions, Graph's quota for an organization", d.TenantID, organizationQuota)
	}
	l.wanted.Subscriptions = append(l.wanted.Subscriptions, d)
}
