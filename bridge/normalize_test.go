package bridge_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/schemas"
)

// Every kind has a schema for its topic, and every schema a kind.
func TestKindsHaveSchemas(t *testing.T) {
	t.Parallel()
	topics := map[string]bool{}
	for _, k := range bridge.Kinds() {
		topics[k.Topic] = true
	}
	all := schemas.All()
	for _, s := range all {
		if !topics[s.Topic] {
			t.Errorf("schema %s has no kind", s.Topic)
		}
	}
	if len(all) != len(topics) {
		t.Errorf("%d schemas for %d kinds", len(all), len(topics))
	}
}

func TestOccurredAt(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	never := time.Time{}
	for _, tc := range []struct {
		name, change, resource, payload string
		want                            time.Time
	}{
		{"call event", "updated", joinURLPath, "callEvent", at("2026-03-02T09:15:30.123456Z")},
		{"recording created", "created", "users/u/onlineMeetings('m')/recordings('r')", "callRecording", at("2026-03-02T09:15:30.85022Z")},
		{"recording created without a time", "created", "users/u/adhocCalls/c/recordings/r", "callRecording.adhoc", at("2025-07-24T17:10:12.1Z")},
		{"recording deleted", "deleted", "users/u/onlineMeetings('m')/recordings('r')", "callRecording", never},
		{"message created", "Created", "chats('c')/messages('m')", "chatMessage", at("2026-03-02T09:15:30.123Z")},
		{"message updated", "updated", "chats('c')/messages('m')", "chatMessage", at("2026-03-02T09:16:30.123Z")},
		{"message deleted", "deleted", "chats('c')/messages('m')", "chatMessage", at("2026-03-02T09:17:30.5Z")},
		{"message of a new change", "archived", "chats('c')/messages('m')", "chatMessage", never},
		{"chat created", "created", "chats('c')", "chat", at("2026-03-01T09:15:30.123Z")},
		{"chat updated", "updated", "chats('c')", "chat", at("2026-03-02T09:15:30.123Z")},
		{"channel created", "created", "teams('t')/channels('c')", "channel", at("2026-03-01T09:15:30.123Z")},
		{"channel updated", "updated", "teams('t')/channels('c')", "channel", never},
		{"team created", "created", "teams('t')", "team", at("2026-03-01T09:15:30.123Z")},
		{"team deleted", "deleted", "teams('t')", "team", never},
		{"member created", "created", "teams('t')/members('m')", "conversationMember", never},
		{"registration created", "created", "solutions/virtualEvents/webinars/e/registrations/r", "virtualEventRegistration", at("2026-03-02T09:15:30.123Z")},
		{"registration updated", "updated", "solutions/virtualEvents/webinars/e/registrations/r", "virtualEventRegistration", at("2026-03-03T09:15:30.123Z")},
		{"report created", "created", "solutions/virtualEvents/webinars/e/sessions/s/attendanceReports/r", "meetingAttendanceReport", never},
	} {
		rec, _ := bridge.Normalize(itemOf(t, tc.change, tc.resource, ""), readFile(t, "payloads/"+tc.payload), received, rules())
		if !rec.OccurredAt.Equal(tc.want) || rec.Misfit {
			t.Errorf("%s: occurred at %v (misfit %t), want %v", tc.name, rec.OccurredAt, rec.Misfit, tc.want)
		}
		field := reflect.ValueOf(rec.Value).Elem().FieldByName("OccurredAt").Interface().(*time.Time)
		if field == nil != tc.want.IsZero() || field != nil && !field.Equal(tc.want) {
			t.Errorf("%s: occurred_at is %v, want %v", tc.name, field, tc.want)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{`"2026-03-02T09:15:30.1234567Z"`, "2026-03-02T09:15:30.123456Z"},
		{`"2026-03-02T10:15:30.1234567+01:00"`, "2026-03-02T09:15:30.123456Z"},
		{`"2026-03-02T01:15:30-08:00"`, "2026-03-02T09:15:30Z"},
		{`"2026-03-02T09:15:30.5Z"`, "2026-03-02T09:15:30.5Z"},
		{`"2026-03-02T09:15:30Z"`, "2026-03-02T09:15:30Z"},
		{`"2026-03-02T09\u003a15:30Z"`, "2026-03-02T09:15:30Z"},
		{`"1969-12-31T23:59:59.999999Z"`, "1969-12-31T23:59:59.999999Z"},
		{`"9999-12-31T23:59:59.9999999Z"`, "9999-12-31T23:59:59.999999Z"},
		{`"0001-01-01T00:00:00Z"`, ""},
		{`"0001-01-01T00:00:00+14:00"`, ""},
		{`"2026-03-02T09:15:30"`, ""},
		{`"2026-03-02"`, ""},
		{`"NA"`, ""},
		{`""`, ""},
		{`null`, ""},
	} {
		rec, _ := bridge.Normalize(itemOf(t, "updated", joinURLPath, ""), []byte(`{"eventDateTime":`+tc.text+`}`), received, rules())
		got := ""
		if at := rec.Value.(*schemas.MeetingCallEvent).EventDateTime; at != nil {
			got = at.Format(time.RFC3339Nano)
		}
		if got != tc.want || rec.Misfit {
			t.Errorf("%s: %q (misfit %t), want %q", tc.text, got, rec.Misfit, tc.want)
		}
	}
}

// A payload that does not fit its type is a record all the same: envelope, key
// and payload.
func TestMisfit(t *testing.T) {
	t.Parallel()
	message, members := "chats('19:x@thread.v2')/messages('1')", "chats('19:x@thread.v2')/members('1')"
	for _, tc := range []struct{ name, resource, payload string }{
		{"a number where an object belongs", message, `{"id":"1","body":5}`},
		{"a string where an object belongs", message, `{"id":"1","body":"x"}`},
		{"an object where a text belongs", message, `{"id":{}}`},
		{"a number where a time belongs", message, `{"createdDateTime":1700000000}`},
		{"an object where a list belongs", message, `{"mentions":{}}`},
		{"a number in a list of objects", message, `{"mentions":[1]}`},
		{"a number over 32 bits", message, `{"mentions":[{"id":4294967296}]}`},
		{"a text where an identity belongs", message, `{"from":{"user":"u"}}`},
		{"a list where an identity set belongs", message, `{"from":[]}`},
		{"a text for event details", message, `{"eventDetail":"x"}`},
		{"a text where a flag belongs", joinURLPath, `{"participants@delta":[{"isInLobby":"no"}]}`},
		{"an object among texts", members, `{"roles":[{}]}`},
		{"a type of no kind", "some/thing", `{"@odata.type":5}`},
	} {
		rec, _ := bridge.Normalize(itemOf(t, "updated", tc.resource, ""), []byte(tc.payload), received, rules())
		if !rec.Misfit || rec.Key == "" || rec.Key == rec.EventID {
			t.Errorf("%s: misfit %t, key %q", tc.name, rec.Misfit, rec.Key)
		}
		filled := map[string]bool{}
		note(reflect.ValueOf(rec.Value).Elem(), "", filled)
		for _, f := range []string{"event_id", "tenant_id", "subscription_id", "change_type", "resource", "received_at", "payload"} {
			if !filled[f] {
				t.Errorf("%s: %s is not filled", tc.name, f)
			}
			delete(filled, f)
		}
		if len(filled) > 0 {
			t.Errorf("%s: %v are filled", tc.name, filled)
		}
		if got := *reflect.ValueOf(rec.Value).Elem().FieldByName("Payload").Interface().(*string); got != tc.payload {
			t.Errorf("%s: payload is %q (I7)", tc.name, got)
		}
	}
	basic := itemOf(t, "created", message, `["no","object"]`)
	if rec, _ := bridge.Normalize(basic, nil, received, rules()); !rec.Misfit || rec.Kind != bridge.ChatMessage {
		t.Errorf("resourceData that is no object: misfit %t, kind %s", rec.Misfit, rec.Kind)
	}
}

// What Graph may grow, and what people write, is no misfit.
func TestTolerance(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, payload, want string }{
		{"members in another letter case", `{"Body":{"CONTENT":"x"}}`, "x"},
		{"unknown members", `{"new":{"deep":[1,2]},"body":{"content":"x","more":7}}`, "x"},
		{"nulls for all", `{"from":null,"mentions":null,"attachments":null,"eventDetail":null,"policyViolation":null,"body":{"content":"x"}}`, "x"},
		{"a member that stands twice", `{"body":{"content":"y"},"body":{"content":"x"}}`, "x"},
		{"a lone surrogate", `{"body":{"content":"x\ud83d"}}`, "x\uFFFD"},
		{"an unknown kind of identity", `{"from":{"robot":{"id":"r"},"count":3},"body":{"content":"x"}}`, "x"},
		{"an enumeration that grew", `{"messageType":"hologram","importance":"apocalyptic","body":{"content":"x"}}`, "x"},
		{"white space", " {\n\"body\" : { \"content\":\t\"x\" } } ", "x"},
	} {
		rec, _ := bridge.Normalize(itemOf(t, "created", "chats('c')/messages('m')", ""), []byte(tc.payload), received, rules())
		m := rec.Value.(*schemas.ChatMessage)
		if rec.Misfit || m.BodyContent == nil || *m.BodyContent != tc.want {
			t.Errorf("%s: misfit %t, body %v, want %q", tc.name, rec.Misfit, m.BodyContent, tc.want)
		}
		if *m.Payload != tc.payload {
			t.Errorf("%s: payload is %q (I7)", tc.name, *m.Payload)
		}
	}
}

func TestIdentitySet(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ set, kind, id string }{
		{`{"user":{"id":"u"}}`, "user", "u"},
		{`{"application":null,"device":null,"user":{"id":"u"}}`, "user", "u"},
		{`{"application":{"id":"a"},"user":{"id":"u"}}`, "user", "u"},
		{`{"user":{"id":"u"},"application":{"id":"a"}}`, "user", "u"},
		{`{"application":{"id":"a"},"device":{"id":"d"}}`, "application", "a"},
		{`{"AzureCommunicationServicesUser":{"Id":"8:acs"}}`, "azureCommunicationServicesUser", "8:acs"},
		{`{"@odata.type":"#x","endpointType":"default","phone":{"id":"+49"}}`, "phone", "+49"},
		{`{"user":{}}`, "user", ""},
		{`{}`, "", ""},
		{`null`, "", ""},
	} {
		rec, _ := bridge.Normalize(itemOf(t, "created", "chats('c')/messages('m')", ""), []byte(`{"from":`+tc.set+`}`), received, rules())
		m := rec.Value.(*schemas.ChatMessage)
		if got := text(m.FromKind) + " " + text(m.FromID); got != tc.kind+" "+tc.id || rec.Misfit {
			t.Errorf("%s: %q (misfit %t), want %q", tc.set, got, rec.Misfit, tc.kind+" "+tc.id)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestDropPayload(t *testing.T) {
	t.Parallel()
	drop := rules()
	drop.DropPayload = true
	it, payload := itemOf(t, "created", "chats('c')", ""), readFile(t, "payloads/chat")
	kept, _ := bridge.Normalize(it, payload, received, rules())
	dropped, lasting := bridge.Normalize(it, payload, received, drop)
	c := dropped.Value.(*schemas.Chat)
	if c.Payload != nil || text(c.Topic) != "Weekly" || !lasting || dropped.EventID != kept.EventID {
		t.Errorf("payload %v, topic %q, id %s, want none, Weekly, %s", c.Payload, text(c.Topic), dropped.EventID, kept.EventID)
	}
	it.LifecycleEvent = "missed"
	if rec, _ := bridge.Normalize(it, nil, received, drop); rec.Value.(*schemas.LifecycleNotice).Payload != nil {
		t.Error("a lifecycle notice keeps its payload")
	}
}

// No clientState leaves in a record (I4).
func TestClientStateStaysOut(t *testing.T) {
	t.Parallel()
	it := itemOf(t, "created", "chats('c')", "")
	it.LifecycleEvent = "subscriptionRemoved"
	rec, _ := bridge.Normalize(it, nil, received, rules())
	n := rec.Value.(*schemas.LifecycleNotice)
	if n.Payload == nil || strings.Contains(*n.Payload, "secret") || !strings.Contains(*n.Payload, "7ac50e0f") {
		t.Errorf("payload is %q", text(n.Payload))
	}
	if rec.Kind != bridge.Lifecycle || rec.Key != it.SubscriptionID || text(n.ChangeType) != "created" || text(n.Resource) != "chats('c')" {
		t.Errorf("record is %+v with %+v", rec, n)
	}
}
