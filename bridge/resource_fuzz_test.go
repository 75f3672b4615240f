package bridge_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"meetbridge/bridge"
)

// canonicalPaths returns the forms that every Resource of a known kind can be
// spelled in: key style, a field's value in place of its name in braces.
func canonicalPaths() []string {
	var paths []string
	add := func(heads []string, tails ...string) {
		for _, head := range heads {
			for _, tail := range tails {
				paths = append(paths, head+tail)
			}
		}
	}
	thread := []string{
		"/messages", "/messages('{MessageID}')", "/messages('{MessageID}')/replies", "/messages('{MessageID}')/replies('{ReplyID}')",
		"/members", "/members('{MemberID}')", "",
	}
	apps := []string{"/installedApps", "/installedApps('{InstallationID}')"}
	artifacts := []string{"/recordings", "/recordings('{RecordingID}')", "/transcripts", "/transcripts('{TranscriptID}')"}
	all := []string{"/getAllRecordings", "/getAllTranscripts"}

	chats := []string{"chats", "users('{UserID}')/chats", "appCatalogs/teamsApps('{AppID}')/installedToChats"}
	add(chats, "", "/getAllMessages", "/getAllMembers")
	for _, chat := range chats {
		add([]string{chat + "('{ChatID}')"}, append(apps, thread...)...)
	}
	add([]string{"teams", "teams('{TeamID}')/channels"}, "", "/getAllMessages", "/getAllMembers")
	add([]string{"teams('{TeamID}')/channels('{ChannelID}')"}, thread...)
	add([]string{"teams('{TeamID}')"}, append(apps, "", "/members", "/members('{MemberID}')")...)
	add([]string{"teams/getAllChannels"}, "")

	app := "appCatalogs/teamsApps('{AppID}')/"
	add([]string{"communications", "users('{UserID}')", "me"}, "/onlineMeetings/getAllRecordings", "/onlineMeetings/getAllTranscripts")
	for _, calls := range []string{"communications/", "users('{UserID}')/"} {
		meeting := []string{calls + "onlineMeetings('{MeetingID}')", calls + "onlineMeetings(joinWebUrl='{JoinWebURL}')"}
		add(meeting, append(artifacts, "", "/meetingCallEvents")...)
		add([]string{calls + "adhocCalls('{CallID}')"}, artifacts...)
	}
	add([]string{app + "installedToOnlineMeetings('{MeetingID}')"}, artifacts...)
	add([]string{app + "installedToOnlineMeetings"}, all...)
	add([]string{app + "installations", "users('{UserID}')/teamwork/installedApps", "me/teamwork/installedApps"}, "", "('{InstallationID}')")

	event := "solutions/virtualEvents/{EventType}('{EventID}')"
	add([]string{"solutions/virtualEvents/{EventType}", event}, "")
	add([]string{event}, "/getAttendanceReports", "/sessions", "/sessions('{SessionID}')", "/registrations", "/registrations('{RegistrationID}')")
	add([]string{event + "/sessions('{SessionID}')"}, "/registrations", "/registrations('{RegistrationID}')", "/attendanceReports", "/attendanceReports('{ReportID}')")
	return paths
}

// fill puts the values of r into the canonical form; false if r lacks one.
func fill(form string, r bridge.Resource) (string, bool) {
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(form, "{")
		b.WriteString(head)
		if !found {
			return b.String(), true
		}
		name, rest, _ := strings.Cut(rest, "}")
		value := reflect.ValueOf(r).FieldByName(name).String()
		switch {
		case value == "":
			return "", false
		case name == "JoinWebURL":
			b.WriteString(escapeURL(value))
		case name == "EventType":
			b.WriteString(strings.ReplaceAll(value, "%", "%252525"))
		default:
			// A value has a '%' left only where decoding gave up, after three times.
			b.WriteString(strings.NewReplacer("'", "''", "%", "%252525").Replace(value))
		}
		form = rest
	}
}

// escapeURL encodes a URL so often that decoding it comes to u and no further.
func escapeURL(u string) string {
	times := 1
	scheme, _, absolute := strings.Cut(u, "://")
	if !absolute || scheme == "" || strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz") != "" {
		times = 3
	}
	u = strings.ReplaceAll(u, "'", "''")
	for range times {
		u = strings.ReplaceAll(url.QueryEscape(u), "+", "%20")
	}
	return u
}

// ids returns the string members of r.
func ids(r bridge.Resource) []string {
	var all []string
	for _, field := range reflect.ValueOf(r).Fields() {
		if field.Kind() == reflect.String {
			all = append(all, field.String())
		}
	}
	return all
}

func FuzzParseResource(f *testing.F) {
	for _, c := range append(subscribed(), notified()...) {
		f.Add(c.path)
	}
	for _, path := range []string{
		"", "/", "NA", "teams//channels", "teams('')", "teams('x", "teams('x'", "teams(x", "teams(x'y)", "teams('x')y", "teams('x')('y')",
		"chats('it''s')", "chats('it's')", "chats('%ff')", "chats('100%')", "chats('%2525252541')", "chats/%25252525252F",
		"https://graph.microsoft.com/v1.0/chats/1", "https%3A%2F%2Fgraph.microsoft.com%2Fbeta%2Fchats%2F1", "chats%252F19%25253Ax",
		"communications/onlineMeetings(joinWebUrl='" + joinWebURL + "')",
		"communications/onlineMeetings(joinWebUrl='https://t/o''b'')')/meetingCallEvents",
		"communications/onlineMeetings(joinWebUrl='%25253A')/transcripts",
		"communications/onlineMeetings(subject='x')/transcripts",
		"communications/onlineMeetings?$filter=joinWebUrl+eq+'" + encodedURL + "'",
		"communications/onlineMeetings?$filter=joinWebUrl%20eq%20%27https%253A%252F%252Ft%27",
		"communications/onlineMeetings?$filter=joinWebUrl eq 'https://unfinished",
		"users/u/messages/m", "solutions/virtualEvents/%2525252541/x", "me/chats/getAllMessages", "me/teamwork/installedApps/i",
		strings.Repeat("chats/", 1<<13),
	} {
		f.Add(path)
	}
	forms := canonicalPaths()
	f.Fuzz(func(t *testing.T, path string) {
		r := bridge.ParseResource(path)
		for _, id := range append(ids(r), r.Key()) {
			if len(id) > len(path) {
				t.Errorf("%q is longer than the path it is from, %q", id, path)
			}
			if utf8.ValidString(path) && !utf8.ValidString(id) {
				t.Errorf("%q is not UTF-8, as is %q", id, path)
			}
		}
		if !strings.HasPrefix(strings.ToLower(path), "http") && len(path) < 1<<10 {
			if got := bridge.ParseResource("/" + path); got != r {
				t.Errorf("a leading slash changes %q\nfrom %+v\n  to %+v", path, r, got)
			}
		}
		if r.Kind == bridge.Other || !utf8.ValidString(path) || len(path) > 1<<10 {
			return
		}
		for _, form := range forms {
			if spelled, ok := fill(form, r); ok && bridge.ParseResource(spelled) == r {
				return
			}
		}
		t.Errorf("no canonical path of %q gives %+v again", path, r)
	})
}

func FuzzMeetingKeyFromJoinURL(f *testing.F) {
	for _, joinURL := range []string{
		joinWebURL, encodedURL, url.QueryEscape(encodedURL), channelJoinURL, url.QueryEscape(channelJoinURL),
		"https://teams.microsoft.com/l/meetup-join/" + threadID, "https://teams.microsoft.com/l/meetup-join/" + channelThread + "/0",
		"https://teams.microsoft.com/meet/2345678901?p=AbCdEf", "https%3A%2F%2Fteams.live.com%2Fmeet%2F1",
		"https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fl%2Fmeetup-join%2F19%3Ameeting_x%40thread.v2%2F0",
		"", "{joinWebUrl}", "https://meet.lync.com/contoso/someone/ABC123", "https://t/l/meetup-join/", "https://t/l/meetup-join/thread/0",
		"https://t/l/meetup-join/19%3a%ff%40thread.v2/0", "https://t/meet/a b", "%2525252Fmeet%2525252F1", "/meetup-join/0%3A0%400#\xfa",
	} {
		f.Add(joinURL)
	}
	f.Fuzz(func(t *testing.T, joinURL string) {
		key, ok := bridge.MeetingKeyFromJoinURL(joinURL)
		checkMeetingKey(t, joinURL, key, ok)
		// Encoding the whole once more changes nothing, as long as it is not too deep.
		if again, _ := bridge.MeetingKeyFromJoinURL(url.QueryEscape(joinURL)); ok && !strings.Contains(joinURL, "%25") && again != key {
			t.Errorf("%q gives %q, encoded %q", joinURL, key, again)
		}
	})
}

func FuzzMeetingKeyFromMeetingID(f *testing.F) {
	for text := range meetingIDs() {
		f.Add([]byte(text), false)
	}
	for _, id := range []string{meetingID, channelMeetingID, artifactID, "Mso...", "MSo", "MSo=", "M-/o", ""} {
		f.Add([]byte(id), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, encoded bool) {
		id := string(data)
		if !encoded {
			id = encodeID(data)
		}
		key, ok := bridge.MeetingKeyFromMeetingID(id)
		checkMeetingKey(t, id, key, ok)
		if !ok && len(id) <= 1<<10 && key != id {
			t.Errorf("%q, which holds no thread, gives %q", id, key)
		}
		if ok {
			thread, message, _ := strings.Cut(key, "/")
			if message == "" {
				message = "0"
			}
			again, ok := bridge.MeetingKeyFromMeetingID(encodeID([]byte("1*o*" + message + "**" + thread)))
			if !ok || again != key {
				t.Errorf("%q gives %q, then %q", id, key, again)
			}
		}
		if thread, ok := bridge.ThreadFromArtifactID(id); ok {
			checkMeetingKey(t, id, thread, ok)
			if again, _ := bridge.ThreadFromArtifactID(encodeID([]byte("3##" + thread + "##x"))); again != thread {
				t.Errorf("%q gives %q, then %q", id, thread, again)
			}
		}
	})
}
