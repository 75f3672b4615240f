package bridge_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"meetbridge/bridge"
)

const (
	threadInMeetingID = "MSo5NzZmNGIzMS1mZDAxLTRlMGItOTE3OC0yOWNjNDBjMTQ0MzgqMCoqMTk6bWVldGluZ19abVl3WlRFeVlqY3RaakE1TVMwME9Ua3pMV0poTnpFdFl6RmlaRFZqTkdFME9HRmpAdGhyZWFkLnYy"
	threadKey         = "19:meeting_ZmYwZTEyYjctZjA5MS00OTkzLWJhNzEtYzFiZDVjNGE0OGFj@thread.v2"
	joinURLPath       = "communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_ZmYwZTEyYjctZjA5MS00OTkzLWJhNzEtYzFiZDVjNGE0OGFj%2540thread.v2%2F0%3Fcontext%3D%257b%257d')/meetingCallEvents"
)

// itemOf returns an item of that resource and change, with the same resource in
// its resourceData unless data says something else.
func itemOf(tb testing.TB, change, resource, data string) *bridge.Item {
	tb.Helper()
	path, err := json.Marshal(resource)
	if err != nil {
		tb.Fatal(err)
	}
	if data == "" {
		data = `{"@odata.id":` + string(path) + `}`
	}
	it, err := bridge.DecodeItem([]byte(`{"subscriptionId":"7ac50e0f-4526-44bc-8e75-834c16143e5d","tenantId":"F5B076C8-B508-4BA3-A1A7-19D1C0BCEF03",` +
		`"clientState":"secret","changeType":"` + change + `","resource":` + string(path) + `,"resourceData":` + data + `}`))
	if err != nil {
		tb.Fatal(err)
	}
	return it
}

// Payloads with every property that Graph's types have (FACTS §5.3) leave no
// field of their record null.
func TestEveryFieldIsFilled(t *testing.T) {
	t.Parallel()
	type source struct{ resource, payload string }
	for _, tc := range []struct {
		kind    bridge.Kind
		sources []source
		never   []string // fields that these payloads cannot fill
	}{
		{bridge.MeetingCallEvent, []source{{joinURLPath, "callEvent"}, {joinURLPath, "callEvent.legacy2022.ended"}}, nil},
		{bridge.CallRecording, []source{
			{"users/u/onlineMeetings('" + threadInMeetingID + "')/recordings('r')", "callRecording"}, {"users/u/adhocCalls/c/recordings/r", "callRecording"},
		}, nil},
		{bridge.CallTranscript, []source{
			{"users/u/onlineMeetings('" + threadInMeetingID + "')/transcripts('r')", "callTranscript"}, {"users/u/adhocCalls/c/transcripts/r", "callTranscript"},
		}, nil},
		{bridge.ChatMessage, []source{{"users/u/chats('c')/messages('m')", "chatMessage"}, {"teams('t')/channels('c')/messages('m')/replies('r')", "chatMessage"}}, nil},
		{bridge.Chat, []source{{"users/u/chats('c')", "chat"}}, nil},
		{bridge.Channel, []source{{"teams('t')/channels('c')", "channel"}}, nil},
		{bridge.Team, []source{{"teams('t')", "team"}}, nil},
		{bridge.ConversationMember, []source{{"teams('t')/channels('c')/members('m')", "conversationMember"}, {"chats('c')/members('m')", "conversationMember"}}, nil},
		{bridge.AppInstallation, []source{{"appCatalogs/teamsApps('a')/installations('i')", "teamsAppInstallation"}}, nil},
		{bridge.Webinar, []source{{"solutions/virtualEvents/townhalls/e", "virtualEvent"}}, nil},
		{bridge.WebinarSession, []source{{"solutions/virtualEvents/webinars/e/sessions/s", "virtualEventSession"}}, nil},
		{bridge.WebinarRegistration, []source{{"solutions/virtualEvents/webinars/e/registrations/r", "virtualEventRegistration"}}, nil},
		{bridge.WebinarAttendanceReport, []source{{"solutions/virtualEvents/webinars/e/sessions/s/attendanceReports/r", "meetingAttendanceReport"}}, nil},
		{bridge.Other, []source{{"some/thing", "channel"}}, []string{"odata_type", "id"}},
	} {
		filled := map[string]bool{}
		var want []string
		for _, s := range tc.sources {
			rec, _ := bridge.Normalize(itemOf(t, "updated", s.resource, ""), readFile(t, "payloads/"+s.payload), received, rules())
			if rec.Kind != tc.kind || rec.Misfit {
				t.Errorf("%s becomes %s, misfit %t, want %s", s.resource, rec.Kind, rec.Misfit, tc.kind)
			}
			note(reflect.ValueOf(rec.Value).Elem(), "", filled)
			want = fields(reflect.TypeOf(rec.Value).Elem(), "")
		}
		for _, f := range want {
			if !filled[f] && !slices.Contains(append(tc.never, "occurred_at", "resource_data"), f) {
				t.Errorf("%s: %s is never filled", tc.kind, f)
			}
		}
	}
}

// note adds the names of the fields of v that are not null to filled.
func note(v reflect.Value, prefix string, filled map[string]bool) {
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+v.Type().Field(i).Tag.Get("avro")
		if f.Kind() == reflect.Slice {
			for i := range f.Len() {
				if f.Index(i).Kind() == reflect.Struct {
					note(f.Index(i), name+".", filled)
				}
			}
		}
		if f.Kind() != reflect.Pointer && f.Kind() != reflect.Slice || !f.IsNil() {
			filled[name] = true
		}
	}
}

// fields returns the names of all fields of t.
func fields(t reflect.Type, prefix string) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("avro")
		names = append(names, name)
		if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && f.Type.Elem() != reflect.TypeFor[time.Time]() {
			names = append(names, fields(f.Type.Elem(), name+".")...)
		}
	}
	return names
}
