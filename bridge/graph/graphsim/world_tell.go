package graphsim

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// tell writes c down for each of its subscriptions, or with the API for each
// living one that covers it. An error can only be one of our own types refusing
// to be written; it ends the run.
func (w *world) tell(c change) {
	if c.odataID == "" {
		c.odataID = c.resource
	}
	if w.registry == nil {
		for _, s := range c.subs {
			w.tellOne(&c, s, 0)
		}
		return
	}
	now := time.Now()
	readers, event := w.registry.audience(Event{
		TenantID: c.tenant, Topic: c.topic, ChangeType: c.changeType, Resource: c.resource, Covers: c.covers, Facet: c.facet,
	}, c.minor, now)
	for _, r := range readers {
		w.tellOne(&c, r.sub, event)
	}
}

// tellOne writes c down for s.
func (w *world) tellOne(c *change, s *subscription, event int) {
	it := &item{
		sub: s, changeType: c.changeType, resource: c.resource,
		odataID: c.odataID, odataType: c.odataType, id: c.id,
		tenantID: s.tenantID, expires: s.expiry(), organization: c.organization,
	}
	if s.rich() && c.payload != nil {
		if c.written == nil {
			var err error
			if c.written, err = json.Marshal(c.payload); err != nil {
				w.err = fmt.Errorf("write payload for %s: %w", c.topic, err)
				return
			}
		}
		it.payload = w.spoil(c.written)
	}
	it.capital = c.capital && w.oddly(8)
	if it.capital {
		it.changeType = strings.ToUpper(it.changeType[:1]) + it.changeType[1:]
	}
	it.nullContent = !it.rich() && w.oddly(6)
	if c.identified && w.oddly(2) || w.oddly(60) {
		it.notificationID = drawGUID(w.manner)
	}
	if c.noTenant {
		it.tenantID = ""
	}
	key := c.key
	if c.topic == "app-installations" && !it.rich() {
		key = "" // only the payload says where
	}
	it.entry = &Entry{
		Topic: c.topic, Genuine: true, Event: event,
		Fresh:    !it.rich() && it.notificationID == "" && (c.changeType == "updated" || recurs(c.topic)),
		TenantID: it.tenantID, SubscriptionID: s.id, ChangeType: it.changeType,
		Resource: it.resource, ODataID: it.odataID, ODataType: it.odataType, ResourceID: it.id,
		NotificationID: it.notificationID, MeetingOrEventKey: key,
	}
	w.told = append(w.told, it)
}

// oddly reports true once in n times.
func (w *world) oddly(n int) bool { return w.manner.IntN(n) == 0 }

// recurs reports whether resources of the topic can go and come again under the
// same id, so that a basic notice of their creation may be told twice in truth.
func recurs(topic string) bool {
	return topic == "conversation-members" || topic == "app-installations" || topic == "other"
}

// spoil lets the payload faults happen to a payload.
func (w *world) spoil(payload []byte) []byte {
	if w.faults.take(GrownPayload) {
		payload = grow(payload, w.revision())
	}
	if w.faults.due(MisfitPayload) {
		if changed, ok := misfit(payload); ok {
			w.faults.fired(MisfitPayload)
			payload = changed
		}
	}
	if w.faults.take(BigPayload) {
		end := len(payload) - 1
		payload = fmt.Appendf(payload[:end:end], `,"bigProperty":%q}`, strings.Repeat("0123456789", 10_000))
	}
	return payload
}

// tellLifecycle writes a lifecycle notice of s down.
func (w *world) tellLifecycle(s *subscription, event string) {
	it := &item{sub: s, lifecycleEvent: event, tenantID: s.tenantID, expires: s.expiry()}
	it.entry = &Entry{
		Topic: "lifecycle", Genuine: true, Fresh: true, LifecycleEvent: event,
		TenantID: s.tenantID, SubscriptionID: s.id, MeetingOrEventKey: s.id,
	}
	w.told = append(w.told, it)
}
