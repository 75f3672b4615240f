package bridge_test

import (
	"testing"

	"meetbridge/bridge"
)

// The kind comes from the path of the resource, refined by @odata.id and, where
// no path is known, by @odata.type; the key from the paths, else the payload,
// else the resource (DESIGN §5).
func TestKindAndKey(t *testing.T) {
	t.Parallel()
	const unknown = "some/thing"
	for _, tc := range []struct {
		name, resource, data, payload string
		kind                          bridge.Kind
		key                           string
	}{
		{"call event by join URL", joinURLPath, "", `{}`, bridge.MeetingCallEvent, threadKey},
		{"recording by meeting id", "users/u/onlineMeetings('" + threadInMeetingID + "')/recordings('r')", "", `{}`, bridge.CallRecording, threadKey},
		{"transcript by the payload's meeting id", "communications/onlineMeetings/getAllTranscripts", "", `{"meetingId":"` + threadInMeetingID + `"}`, bridge.CallTranscript, threadKey},
		{"a readable meeting id beats one that is not", "users/u/onlineMeetings('x')/transcripts('r')", "", `{"meetingId":"` + threadInMeetingID + `"}`, bridge.CallTranscript, threadKey},
		{"ad hoc recording by its own id", "users/u/adhocCalls/getAllRecordings", "", `{"id":"MyMjMTk6ODA4MTExMTNiYWQzNDNhYzkzNGI2YTVmYzc1ZThmZGJAdGhyZWFkLnYyIyM1MTYwNzQ4MC1kM2FjLTRlZTQtOTQ3NS1lYjM2NTk5MjM4ZDYtMTc1MzM0NTA2OC1UcmFuc2NyaXB0VjI="}`, bridge.CallRecording, "19:80811113bad343ac934b6a5fc75e8fdb@thread.v2"},
		{"meeting chat message", "chats('" + threadKey + "')/messages('1')", "", `{}`, bridge.ChatMessage, threadKey},
		{"message by the payload's chat", "chats/getAllMessages", "", `{"chatId":"` + threadKey + `"}`, bridge.ChatMessage, threadKey},
		{"message by the payload's channel", "teams/getAllMessages", "", `{"channelIdentity":{"teamId":"t","channelId":"19:c@thread.tacv2"}}`, bridge.ChatMessage, "19:c@thread.tacv2"},
		{"chat by the payload's id", "chats", "", `{"id":"` + threadKey + `"}`, bridge.Chat, threadKey},
		{"channel by the payload's id", "teams/getAllChannels", "", `{"id":"19:c@thread.tacv2"}`, bridge.Channel, "19:c@thread.tacv2"},
		{"team by the payload's id", "teams", "", `{"id":"t"}`, bridge.Team, "t"},
		{"members of a meeting's chat", "chats('" + threadKey + "')/members('1')", "", `{}`, bridge.ConversationMember, threadKey},
		{"app in a chat", "appCatalogs/teamsApps('a')/installations('i')", "", `{"scopeInfo":{"scope":"groupChat","chatId":"` + threadKey + `"}}`, bridge.AppInstallation, threadKey},
		{"app in a team", "appCatalogs/teamsApps('a')/installations('i')", "", `{"scopeInfo":{"scope":"team","teamId":"t"}}`, bridge.AppInstallation, "t"},
		{"app of a user", "appCatalogs/teamsApps('a')/installations('i')", "", `{"scopeInfo":{"scope":"personal","userId":"u"}}`, bridge.AppInstallation, "u"},
		{"app of nobody told", "appCatalogs/teamsApps('a')/installations('i')", "", ``, bridge.AppInstallation, "appCatalogs/teamsApps('a')/installations('i')"},
		{"webinar created", "solutions/virtualEvents/events/", `{"@odata.id":"solutions/virtualEvents/webinars/w/"}`, ``, bridge.Webinar, "w"},
		{"webinar told by the id alone", "solutions/virtualEvents/events", `{"id":"solutions/virtualEvents/webinars/w/"}`, ``, bridge.Webinar, "w"},
		{"on demand video", "solutions/virtualEvents/webinars/w/getVideoOnDemandPublication", `{"@odata.id":"solutions/virtualEvents/webinars/w/sessions/s"}`, ``, bridge.WebinarSession, "w"},
		{"attendance report", "solutions/virtualEvents/townhalls/w/getAttendanceReports", `{"@odata.id":"solutions/virtualEvents/townhalls/w/sessions/s/attendanceReports/r","id":"r"}`, ``, bridge.WebinarAttendanceReport, "w"},
		{"unknown path, known @odata.id", unknown, `{"@odata.id":"chats('c')/messages('m')"}`, ``, bridge.ChatMessage, "c"},
		{"unknown path, known type", unknown, `{"@odata.type":"#Microsoft.Graph.ChatMessage"}`, `{"chatId":"c"}`, bridge.ChatMessage, "c"},
		{"unknown path, type in the payload", unknown, `{}`, `{"@odata.type":"#microsoft.graph.team","id":"t"}`, bridge.Team, "t"},
		{"unknown path, derived member type", unknown, `{"@odata.type":"#microsoft.graph.skypeUserConversationMember"}`, ``, bridge.ConversationMember, unknown},
		{"unknown all through", unknown, `{"@odata.type":"#microsoft.graph.presence"}`, ``, bridge.Other, unknown},
		{"an @odata.id of another kind changes nothing", "chats('c')/messages('m')", `{"@odata.id":"teams('t')"}`, ``, bridge.ChatMessage, "c"},
		{"no resource at all", "", `null`, ``, bridge.Other, "7ac50e0f-4526-44bc-8e75-834c16143e5d"},
	} {
		var payload []byte
		if tc.payload != "" {
			payload = []byte(tc.payload)
		}
		rec, _ := bridge.Normalize(itemOf(t, "created", tc.resource, tc.data), payload, received, rules())
		if rec.Kind != tc.kind || rec.Key != tc.key || rec.Misfit {
			t.Errorf("%s: %s under %q (misfit %t), want %s under %q", tc.name, rec.Kind, rec.Key, rec.Misfit, tc.kind, tc.key)
		}
	}
}

// The same notification has the same id however often it comes; another has
// another. Where nothing tells two apart, the id is fresh (I2 before I8).
func TestEventID(t *testing.T) {
	t.Parallel()
	const chat, calls = "chats('c')/messages('m')", "communications/callRecords/x"
	base := itemOf(t, "updated", chat, "")
	id := func(it *bridge.Item, payload string) (string, bool) {
		var p []byte
		if payload != "" {
			p = []byte(payload)
		}
		rec, lasting := bridge.Normalize(it, p, received, rules())
		return rec.EventID, lasting
	}
	first, lasting := id(base, `{"id":"1"}`)
	// Made by hand from the same parts: an id must not change from one version of
	// Meetbridge to the next.
	if want := "822e3966-a59a-828d-9052-26adc618908a"; first != want || !lasting {
		t.Errorf("id %s, lasting %t, want %s, true", first, lasting, want)
	}
	changed := func(change func(it *bridge.Item)) *bridge.Item {
		it := *base
		change(&it)
		return &it
	}
	for _, tc := range []struct {
		name    string
		it      *bridge.Item
		payload string
		same    bool
		lasting bool
	}{
		{"redelivered", itemOf(t, "updated", chat, ""), `{"id":"1"}`, true, true},
		{"in other letter case", changed(func(it *bridge.Item) { it.ChangeType, it.TenantID = "UPDATED", "f5b076c8-b508-4ba3-a1a7-19d1c0bcef03" }), `{"id":"1"}`, true, true},
		{"another clientState", changed(func(it *bridge.Item) { it.ClientState = "rotated" }), `{"id":"1"}`, true, true},
		{"another payload", base, `{"id":"2"}`, false, true},
		{"another subscription", changed(func(it *bridge.Item) { it.SubscriptionID = "s" }), `{"id":"1"}`, false, true},
		{"another tenant", changed(func(it *bridge.Item) { it.TenantID = "t" }), `{"id":"1"}`, false, true},
		{"another change", changed(func(it *bridge.Item) { it.ChangeType = "deleted" }), `{"id":"1"}`, false, true},
		{"another resource", changed(func(it *bridge.Item) { it.Resource = "chats('d')/messages('m')" }), `{"id":"1"}`, false, true},
		{"members moved between neighbours", changed(func(it *bridge.Item) {
			it.TenantID, it.SubscriptionID = it.TenantID+it.SubscriptionID[:1], it.SubscriptionID[1:]
		}), `{"id":"1"}`, false, true},
		{"with an id of its own", changed(func(it *bridge.Item) { it.ID = "n" }), `{"id":"1"}`, false, true},
		{"basic and updated", base, ``, false, false},
		{"basic and created", changed(func(it *bridge.Item) { it.ChangeType = "created" }), ``, false, true},
		{"basic and deleted", changed(func(it *bridge.Item) { it.ChangeType = "deleted" }), ``, false, true},
		{"basic, updated, with an id of its own", changed(func(it *bridge.Item) { it.ID = "n" }), ``, false, true},
		{"basic and created, nothing but a collection", itemOf(t, "created", "chats/getAllMessages", `{}`), ``, false, false},
		{"basic and created, nothing but a path", itemOf(t, "created", chat, `{}`), ``, false, true},
		{"basic and created, nothing but an unknown path", itemOf(t, "created", calls, `null`), ``, false, false},
	} {
		got, lasting := id(tc.it, tc.payload)
		if (got == first) != tc.same || lasting != tc.lasting || (got == freshID) == lasting {
			t.Errorf("%s: id %s, lasting %t, want the same %t, lasting %t", tc.name, got, lasting, tc.same, tc.lasting)
		}
		if again, _ := id(tc.it, tc.payload); again != got {
			t.Errorf("%s: id %s, then %s", tc.name, got, again)
		}
	}
	notice := changed(func(it *bridge.Item) { it.LifecycleEvent = "missed" })
	if got, lasting := id(notice, ""); got != freshID || lasting {
		t.Errorf("a notice without an id: %s, lasting %t, want a fresh one", got, lasting)
	}
	notice.ID = "n"
	if got, lasting := id(notice, ""); got == freshID || !lasting {
		t.Errorf("a notice with an id: %s, lasting %t, want a lasting one", got, lasting)
	}
	if rec, lasting := bridge.Normalize(base, nil, received, bridge.Rules{}); rec.EventID == "" || lasting {
		t.Errorf("without a source of ids: %q, lasting %t", rec.EventID, lasting)
	}
}
