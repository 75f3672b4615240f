package bridge_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"meetbridge/bridge"
)

const (
	organizerID   = "16e0b7bb-93d5-4352-99e0-23ee5f2fffe2"
	channelThread = "19:kDmBJDXVlaitAhGqPvK0mDLYluSZrnoMV_S1xSdN4141@thread.tacv2"
	rootMessage   = "1660758607740"
	// The online meeting id and the join URL of one real channel meeting.
	channelMeetingID = "MSoxNmUwYjdiYi05M2Q1LTQzNTItOTllMC0yM2VlNWYyZmZmZTIqMTY2MDc1ODYwNzc0MCoqMTk6a0RtQkpEWFZsYWl0QWhHcVB2SzBtRExZbHVTWnJub01WX1MxeFNkTjQxNDFAdGhyZWFkLnRhY3Yy"
	channelJoinURL   = "https://teams.microsoft.com/l/meetup-join/19%3akDmBJDXVlaitAhGqPvK0mDLYluSZrnoMV_S1xSdN4141%40thread.tacv2/1660758607740?context=%7b%22Tid%22%3a%229f044231-b634-4bdd-b29d-2776e3dbd699%22%2c%22Oid%22%3a%2216e0b7bb-93d5-4352-99e0-23ee5f2fffe2%22%7d"
)

// Everything that can be heard of a meeting has the same key (DESIGN §5).
func TestMeetingHasOneKey(t *testing.T) {
	t.Parallel()
	scheduled := "1*" + userID + "*0**" + threadID
	inChannel := "1*" + organizerID + "*0**" + channelThread + ";messageid=" + rootMessage
	meetings := map[string]struct {
		key   string
		paths []string
	}{
		"scheduled meeting": {threadID, []string{
			callEventAt,
			"communications/onlineMeetings(joinWebUrl='" + joinWebURL + "')/meetingCallEvents",
			"communications/onlineMeetings?$filter=joinWebUrl+eq+'" + encodedURL + "'",
			"users/" + userID + "/onlineMeetings('" + meetingID + "')/recordings('VjI...')",
			"users/" + userID + "/onlineMeetings('" + meetingID + "')/transcripts('MSMj')",
			"communications/onlineMeetings/" + base64.StdEncoding.EncodeToString([]byte(scheduled)) + "/transcripts",
			"chats('" + threadID + "')",
			"chats('" + threadID + "')/messages('" + messageID + "')",
			"chats('" + threadID + "')/members('" + memberID + "')",
			"/chats/" + url.PathEscape(threadID) + "/messages/" + messageID,
		}},
		"channel meeting": {channelThread + "/" + rootMessage, []string{
			"communications/onlineMeetings(joinWebUrl='" + url.QueryEscape(channelJoinURL) + "')/meetingCallEvents",
			"communications/onlineMeetings('" + channelMeetingID + "')/recordings('VjI...')",
			"communications/onlineMeetings('" + channelMeetingID + "')/transcripts('MSMj')",
			"communications/onlineMeetings('" + base64.URLEncoding.EncodeToString([]byte(inChannel)) + "')/transcripts('MSMj')",
		}},
		"ad hoc call": {"19:80811113bad343ac934b6a5fc75e8fdb@thread.v2", []string{
			"users/{user-id}/adhoccalls('" + adhocID + "')/recordings('" + artifactID + "')",
			"users/{user-id}/adhoccalls('" + adhocID + "')/recordings(" + artifactID + ")",
			"users/" + userID + "/adhocCalls/" + adhocID + "/transcripts/" + strings.TrimRight(artifactID, "="),
			"chats('19:80811113bad343ac934b6a5fc75e8fdb@thread.v2')/messages('" + messageID + "')",
		}},
	}
	for name, m := range meetings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range m.paths {
				if got := bridge.ParseResource(path).Key(); got != m.key {
					t.Errorf("key of %q\n got %q\nwant %q", path, got, m.key)
				}
			}
		})
	}
}

func TestResourceKey(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"teams('T')/channels('C')/messages('M')/replies('R')":               "C",
		"users('U')/chats('H')/messages('M')":                               "H",
		"chats('H')":                                                        "H",
		"teams('T')/channels('C')":                                          "C",
		"teams('T')":                                                        "T",
		"teams('T')/members('M')":                                           "T",
		"teams('T')/channels('C')/members('M')":                             "C",
		"teams('T')/channels('C')/allMembers('M')":                          "C",
		"chats('H')/members('M')":                                           "H",
		"teams('T')/installedApps('I')":                                     "T",
		"chats('H')/installedApps('I')":                                     "H",
		"users('U')/chats('H')/installedApps('I')":                          "H",
		"users('U')/teamwork/installedApps('I')":                            "U",
		"appCatalogs/teamsApps('A')/installations('I')":                     "",
		"solutions/virtualEvents/webinars/W":                                "W",
		"solutions/virtualEvents/townhalls/W/sessions/S":                    "W",
		"solutions/virtualEvents/webinars/W/registrations/R":                "W",
		"solutions/virtualEvents/webinars/W/sessions/S/attendanceReports/P": "W",
		"solutions/virtualEvents/townhalls/W/getVideoOnDemandPublication":   "W",
		"solutions/virtualEvents/events":                                    "",
		"communications/onlineMeetings('Mso...')/recordings('VjI...')":      "Mso...",
		"communications/onlineMeetings/getAllRecordings":                    "",
		"communications/adhocCalls('A')/transcripts('MyM...')":              "A",
		"communications/adhocCalls('A')/recordings":                         "A",
		"chats":                "",
		"chats/getAllMessages": "",
		"teams('T')/channels('C')/sharedWithTeams('S')":                                       "",
		"communications/presences/P":                                                          "",
		"communications/onlineMeetings(joinWebUrl='{joinWebUrl}')/meetingCallEvents":          "{joinWebUrl}",
		"communications/onlineMeetings(joinWebUrl='https://t.example/x')":                     "https://t.example/x",
		"communications/onlineMeetings(joinWebUrl='https://t.example/meet/1')/transcripts":    "meet:1",
		"users('U')/onlineMeetings(joinWebUrl='https%3A%2F%2Ft.example%2Fmeet%2F1')/anything": "",
	} {
		if got := bridge.ParseResource(path).Key(); got != want {
			t.Errorf("key of %q: got %q, want %q", path, got, want)
		}
	}
}

func TestMeetingKeyFromJoinURL(t *testing.T) {
	t.Parallel()
	once := url.QueryEscape(joinWebURL)
	twice := url.QueryEscape(once)
	thrice := url.QueryEscape(twice)
	decoded, err := url.QueryUnescape(joinWebURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		joinURL, key string
		ok           bool
	}{
		{joinWebURL, threadID, true},
		{decoded, threadID, true},
		{once, threadID, true},
		{twice, threadID, true},
		{thrice, threadID, true},
		{joinWebURL + "&x=%ff", threadID, true},
		{url.QueryEscape(joinWebURL + "&x=\xff"), threadID, true},
		{encodedURL, threadID, true},
		{strings.ReplaceAll(joinWebURL, "%3a", "%3A"), threadID, true},
		{strings.ReplaceAll(joinWebURL, "meetup-join", "Meetup-Join"), threadID, true},
		{"https://teams.microsoft.com/l/meetup-join/" + threadID, threadID, true},
		{"https://teams.microsoft.com/l/meetup-join/" + threadID + "/", threadID, true},
		{"https://teams.microsoft.com/l/meetup-join/" + threadID + "?context=x", threadID, true},
		{"https://gov.teams.microsoft.us/l/meetup-join/" + threadID + "/0?context=x", threadID, true},
		{"https://dod.teams.microsoft.us/l/meetup-join/" + threadID + "/0#x", threadID, true},
		{"https://teams.live.com/l/meetup-join/" + threadID + "/0", threadID, true},
		{"msteams:/l/meetup-join/" + threadID + "/0", threadID, true},
		{"https://teams.microsoft.com/_#/l/meetup-join/" + threadID + "/0", threadID, true},
		{"https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fl%2Fmeetup-join%2F19%3Ameeting_x%40thread.v2%2F0%3Fcontext%3D%257b&type=meetup-join", "19:meeting_x@thread.v2", true},
		{"https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.skype/0", "19:meeting_x@thread.skype", true},
		{"https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/17", "19:meeting_x@thread.v2", true},

		{channelJoinURL, channelThread + "/" + rootMessage, true},
		{url.QueryEscape(channelJoinURL), channelThread + "/" + rootMessage, true},
		{url.QueryEscape(url.QueryEscape(url.QueryEscape(channelJoinURL))), channelThread + "/" + rootMessage, true},
		{"https://teams.microsoft.com/l/meetup-join/" + channelThread + "/0?context=x", channelThread, true},
		{"https://teams.microsoft.com/l/meetup-join/" + channelThread + "?context=x", channelThread, true},
		{"https://teams.microsoft.com/l/meetup-join/" + channelThread + "/reply", channelThread, true},
		{"https://teams.microsoft.com/l/meetup-join/19%3aab%40thread.skype/" + rootMessage + "/more", "19:ab@thread.skype/" + rootMessage, true},

		{"https://teams.microsoft.com/meet/2345678901?p=AbCdEf", "meet:2345678901", true},
		{"https://teams.live.com/meet/9345678901234?p=AbCdEf", "meet:9345678901234", true},
		{"https%3A%2F%2Fteams.microsoft.com%2Fmeet%2F2345678901%3Fp%3DAbCdEf", "meet:2345678901", true},
		{"https://teams.microsoft.com/v2/#/meet/2345678901", "meet:2345678901", true},

		{"", "", false},
		{"{joinWebUrl}", "{joinWebUrl}", false},
		{"https://meet.lync.com/contoso/someone/ABC123", "https://meet.lync.com/contoso/someone/ABC123", false},
		{"https%3A%2F%2Fmeet.lync.com%2Fa%2520b", "https://meet.lync.com/a%20b", false},
		{"https://teams.microsoft.com/meet/?p=x", "https://teams.microsoft.com/meet/?p=x", false},
		{"https://teams.microsoft.com/meet/a b", "https://teams.microsoft.com/meet/a b", false},
		{"https://teams.microsoft.com/l/meetup-join/", "https://teams.microsoft.com/l/meetup-join/", false},
		{"https://teams.microsoft.com/l/meetup-join/thread/0", "thread", false},
		{"https://teams.microsoft.com/l/meetup-join/19%3a%ff%40thread.v2/0", "19%3a%ff%40thread.v2", false},
		{"https://t.example/" + strings.Repeat("x", 1<<20), "", false},
	} {
		if key, ok := bridge.MeetingKeyFromJoinURL(c.joinURL); key != c.key || ok != c.ok {
			t.Errorf("MeetingKeyFromJoinURL(%.300q)\n got %q %t\nwant %q %t", c.joinURL, key, ok, c.key, c.ok)
		}
	}
}

// meetingIDs holds what online meeting ids decode to, and the key of each, ""
// for those that are none.
func meetingIDs() map[string]string {
	return map[string]string{
		"1*" + userID + "*0**" + threadID:                                         threadID,
		"1*1273a016-201d-4f95-8083-1b7f99b3edeb*0**" + threadID:                   threadID,
		"1*abcdef*0**" + threadID:                                                 threadID, // MSph…
		"1*" + organizerID + "*" + rootMessage + "**" + channelThread:             channelThread + "/" + rootMessage,
		"1*" + organizerID + "*0**" + channelThread:                               channelThread,
		"1*" + organizerID + "*0**" + channelThread + ";messageid=" + rootMessage: channelThread + "/" + rootMessage,
		"1*" + organizerID + "*0**" + channelThread + ";MessageId=0":              channelThread,
		"1*" + organizerID + "*0**" + channelThread + ";messageid=":               channelThread,
		"1*" + organizerID + "*" + rootMessage + "**" + threadID:                  threadID,
		"1*" + organizerID + "*0**" + chatID:                                      chatID,
		"1*" + organizerID + "*0**" + channelThread + ";other=" + rootMessage:     "",
		"1*" + organizerID + "*0**":                                               "",
		"1*" + organizerID + "*0**19:meeting_NTI2ODc3MjQtNWU2Y":                   "",
		"1*" + organizerID + "*0**19:meeting_x@thread.v2\n":                       "",
		"1*" + organizerID + "*0**19:meeting_\xff@thread.v2":                      "",
		"1*" + organizerID + "*x**" + threadID:                                    "",
		"1*" + organizerID + "***" + threadID:                                     "",
		"1*" + organizerID + "*0*" + threadID:                                     "",
		"1*" + organizerID + "*0*x*" + threadID:                                   "",
		"2*" + organizerID + "*0**" + threadID:                                    "",
		"0#" + threadID + "#0":                                                    "",
		"1##0##757876d6-9702-408d-ad42-916d3ff90df8":                              "",
		threadID: "",
		"":       "",
	}
}

func TestMeetingKeyFromMeetingID(t *testing.T) {
	t.Parallel()
	check := func(id, key string, ok bool) {
		t.Helper()
		if gotKey, gotOK := bridge.MeetingKeyFromMeetingID(id); gotKey != key || gotOK != ok {
			t.Errorf("MeetingKeyFromMeetingID(%.300q)\n got %q %t\nwant %q %t", id, gotKey, gotOK, key, ok)
		}
	}
	for text, key := range meetingIDs() {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			id := encoding.EncodeToString([]byte(text))
			if key == "" {
				check(id, id, false)
			} else {
				check(id, key, true)
			}
		}
	}
	check(meetingID, threadID, true)
	check(channelMeetingID, channelThread+"/"+rootMessage, true)
	check("MSoxMjczYTAxNi0yMDFkLTRmOTUtODA4My0xYjdmOTliM2VkZWIqMCoqMTk6bWVldGluZ19aR1F3WTJZNE9XTXROekppWlMwME1XWTRMVGc0TWpBdE1ERXdOV1kzWlRsak9UTXlAdGhyZWFkLnYy",
		"19:meeting_ZGQwY2Y4OWMtNzJiZS00MWY4LTg4MjAtMDEwNWY3ZTljOTMy@thread.v2", true)
	check("MSo1N2Y5ZGFjYy03MWJmLTQ3NDMtYjQxMy01M2EdFGkdRWHJlQ", "MSo1N2Y5ZGFjYy03MWJmLTQ3NDMtYjQxMy01M2EdFGkdRWHJlQ", false)
	check("MSpiYTMyMWUwZC03OWVlLTQ3OGQtOGUyOC04NWExOTUwN2Y0NTYqMCoq", "MSpiYTMyMWUwZC03OWVlLTQ3OGQtOGUyOC04NWExOTUwN2Y0NTYqMCoq", false)
	check("Mso...", "Mso...", false)
	check("MSo", "MSo", false)
	check(strings.Repeat("MSoq", 1<<18), "", false)
}

func TestThreadFromArtifactID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		artifactID: "19:80811113bad343ac934b6a5fc75e8fdb@thread.v2",
		"MyMjMTk6NWFiOWQ2OGUxNDhlNDgyNThmYmMzOWYwOGUzOTkyN2NAdGhyZWFkLnYyIyM1ZjM2NDBlNy1hNTljLTRiZWMtODJjYS1lNjYyNTFmNzk1YjctMTc1NDg5MjIyMi1UcmFuc2NyaXB0VjIjIzA=": "19:5ab9d68e148e48258fbc39f08e39927c@thread.v2",
		base64.RawURLEncoding.EncodeToString([]byte("3##" + threadID + "##x")):                                                                                     threadID,
		"MSMjMCMjNzU3ODc2ZDYtOTcwMi00MDhkLWFkNDItOTE2ZDNmZjkwZGY4":                                                                                                 "", // 1##0##<guid>
		"VjIjIzExYzkxNjVmZg":                   "", // V2##…
		"MyM...":                               "",
		"VjI...":                               "",
		"7e31db25-bc6e-4fd8-96c7-e01264e9b6fc": "",
		"":                                     "",
		strings.Repeat("MyMj", 1<<18):          "",
	} {
		if got, ok := bridge.ThreadFromArtifactID(id); got != want || ok != (want != "") {
			t.Errorf("ThreadFromArtifactID(%.300q): got %q %t, want %q", id, got, ok, want)
		}
	}
}

// encodeID returns text in the form of Graph's ids.
func encodeID(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// checkMeetingKey reports a key that could not have come from source, or that
// differs from what the join URL of its meeting gives.
func checkMeetingKey(t *testing.T, source, key string, ok bool) {
	t.Helper()
	if len(key) > len(source) {
		t.Errorf("key %q is longer than %q, where it is from", key, source)
	}
	if utf8.ValidString(source) && !utf8.ValidString(key) {
		t.Errorf("key %q of %q is not UTF-8", key, source)
	}
	if code, short := strings.CutPrefix(key, "meet:"); ok && short {
		key, source = "meet:"+code, "https://teams.microsoft.com/meet/"+code
	} else if ok {
		thread, message, _ := strings.Cut(key, "/")
		source = "https://teams.microsoft.com/l/meetup-join/" + url.PathEscape(thread) + "/" + message + "?context=%7b%7d"
	}
	if again, _ := bridge.MeetingKeyFromJoinURL(source); ok && again != key {
		t.Errorf("key %q, from a join URL %q", key, again)
	}
}

func BenchmarkResourceKey(b *testing.B) {
	for name, path := range map[string]string{
		"chatMessage": "chats('" + chatID + "')/messages('" + messageID + "')",
		"callEvent":   callEventAt,
		"transcript":  "users/" + userID + "/onlineMeetings('" + meetingID + "')/transcripts('MSMjMCMj')",
		"adhocCall":   "users/{user-id}/adhoccalls('" + adhocID + "')/recordings('" + artifactID + "')",
	} {
		r := bridge.ParseResource(path)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = r.Key()
			}
		})
	}
}
