package bridge_test

import (
	"testing"
	"time"

	"meetbridge/bridge"
)

// I2 before I8: what can happen twice just as it did before is never taken for a
// redelivery, and what cannot is recognised however it was sealed.
func TestRecurringEventsAreTwo(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 15, 31, 0, time.UTC)
	fresh := 0
	rules := bridge.Rules{FreshID: func() string { fresh++; return time.Duration(fresh).String() }}
	const (
		member  = `{"id":"m","roles":["owner"],"displayName":"Test user"}`
		channel = `{"id":"c","displayName":"A","createdDateTime":"2026-01-01T00:00:00Z"}`
		message = `{"id":"1","etag":"2","lastModifiedDateTime":"2026-01-01T00:00:00Z"}`
	)
	for _, c := range []struct {
		name, resource, change, payload string
		same                            bool
	}{
		{"a member added, removed and added again", "teams('t')/members('m')", "created", member, false},
		{"the same, basic", "teams('t')/members('m')", "created", "", false},
		{"an app installed again", "appCatalogs/teamsApps('a')/installations('i')", "created", `{"id":"i"}`, false},
		{"a channel renamed there and back", "teams('t')/channels('19:x@thread.tacv2')", "updated", channel, false},
		{"an unknown resource", "presences('p')", "created", `{"id":"p"}`, false},
		{"a channel created", "teams('t')/channels('19:x@thread.tacv2')", "created", channel, true},
		{"a message edited", "chats('19:x@thread.v2')/messages('1')", "updated", message, true},
		{"a message written, basic", "chats('19:x@thread.v2')/messages('1')", "created", "", true},
		{"a webinar updated, basic", "solutions/virtualEvents/webinars/w", "updated", "", false},
	} {
		id := func(sealing string) string {
			it := &bridge.Item{SubscriptionID: "s", TenantID: "t", ChangeType: c.change, Resource: c.resource}
			var payload []byte
			if c.payload != "" {
				payload, it.EncryptedContent = []byte(c.payload), &bridge.EncryptedContent{Data: sealing}
			}
			rec, _ := bridge.Normalize(it, payload, at, rules)
			return rec.EventID
		}
		if got := id("one") == id("two"); got != c.same {
			t.Errorf("%s: taken for the same: %v, want %v", c.name, got, c.same)
		}
		if first, second := id("one"), id("one"); c.payload != "" && first != second {
			t.Errorf("%s: the very same delivery has two ids", c.name)
		}
	}
}
