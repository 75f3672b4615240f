package bridge_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge"
)

// Ids as Graph gives them.
const (
	userID      = "8ea0e38b-efb3-4757-924a-5f94061cf8c2"
	teamID      = "fbe2bf47-16c8-47cf-b4a5-4b9b187c508b"
	channelID   = "19:4a95f7d8db4c4e7fae857bcebe0623e6@thread.tacv2"
	chatID      = "19:8ea0e38b-efb3-4757-924a-5f94061cf8c2_97f62344-57dc-409c-88ad-c4af14158ff5@unq.gbl.spaces"
	threadID    = "19:meeting_ZmYwZTEyYjctZjA5MS00OTkzLWJhNzEtYzFiZDVjNGE0OGFj@thread.v2"
	messageID   = "1612289765949"
	memberID    = "MCMjMyMjMjQzMmI1N2ItMGFiZC00M2RiLWFhN2ItMTZlYWRkMTE1ZDM0IyMxOTpsUlpITDVWd3ZaczBYTjJvclRuN0RsaW5KREVUa2dTVlRIWGJETFVFS2YwMUB0aHJlYWQudGFjdjIjIzU5YjViYzY5LWNhNzMtNGZmZC1hMmUwLTg4YTc5MTE1ZDEzYg=="
	appID       = "19d56a5e-86a2-489b-aa5c-88a60f92b83e"
	installID   = "N2VlYjVhOTUtZjYwMi00ODYxLWFiNjctNDk3MTRmYTVhMDIwIyMxYzI1NmE2NS04M2E2LTRiNWMtOWNjZi03OGY4YWZiNmYxZTg="
	adhocID     = "1c9ddbc9-82be-46b6-8edd-bf833fe33a03"
	artifactID  = "MyMjMTk6ODA4MTExMTNiYWQzNDNhYzkzNGI2YTVmYzc1ZThmZGJAdGhyZWFkLnYyIyM1MTYwNzQ4MC1kM2FjLTRlZTQtOTQ3NS1lYjM2NTk5MjM4ZDYtMTc1MzM0NTA2OC1UcmFuc2NyaXB0VjI="
	meetingID   = "MSo4ZWEwZTM4Yi1lZmIzLTQ3NTctOTI0YS01Zjk0MDYxY2Y4YzIqMCoqMTk6bWVldGluZ19abVl3WlRFeVlqY3RaakE1TVMwME9Ua3pMV0poTnpFdFl6RmlaRFZqTkdFME9HRmpAdGhyZWFkLnYy"
	eventID     = "88b245ac-b0b2-f1aa-e34a-c81c27abdac2@f9448ec4-804b-46af-b810-62085248da33"
	sessionID   = "8d62dd52-4dff-4c75-96a9-f19b2a8d9e3a"
	joinWebURL  = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_ZmYwZTEyYjctZjA5MS00OTkzLWJhNzEtYzFiZDVjNGE0OGFj%40thread.v2/0?context=%7b%22Tid%22%3a%22909c6581-5130-43e9-88f3-fcb3582cde37%22%2c%22Oid%22%3a%22048c94fb-dda6-48b8-9fc8-6740ee418fb9%22%7d"
	encodedURL  = "https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_ZmYwZTEyYjctZjA5MS00OTkzLWJhNzEtYzFiZDVjNGE0OGFj%2540thread.v2%2F0%3Fcontext%3D%257b%2522Tid%2522%253a%2522909c6581-5130-43e9-88f3-fcb3582cde37%2522%252c%2522Oid%2522%253a%2522048c94fb-dda6-48b8-9fc8-6740ee418fb9%2522%257d"
	callEventAt = "communications/onlineMeetings(joinWebUrl='" + encodedURL + "')/meetingCallEvents"
)

type resourceCase struct {
	path string
	want bridge.Resource
}

// subscribed holds every path that FACTS §5 and the documentation's pages name
// for subscriptions.
func subscribed() []resourceCase {
	type r = bridge.Resource
	return []resourceCase{
		// Meeting call events.
		{callEventAt, r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: joinWebURL}},
		{"/" + callEventAt, r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: joinWebURL}},
		{"communications/onlineMeetings(joinWebUrl='{joinWebUrl}')/meetingCallEvents", r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: "{joinWebUrl}"}},
		{"communications/onlineMeetings/" + meetingID + "/meetingCallEvents", r{Kind: bridge.MeetingCallEvent, Collection: true, MeetingID: meetingID}},

		// Recordings and transcripts.
		{"communications/onlineMeetings/getAllRecordings", r{Kind: bridge.CallRecording, Collection: true}},
		{"communications/onlineMeetings/" + meetingID + "/recordings", r{Kind: bridge.CallRecording, Collection: true, MeetingID: meetingID}},
		{"users/{userId}/onlineMeetings/getAllRecordings", r{Kind: bridge.CallRecording, Collection: true, UserID: "{userId}"}},
		{"appCatalogs/teamsApps/" + appID + "/installedToOnlineMeetings/getAllRecordings", r{Kind: bridge.CallRecording, Collection: true, AppID: appID}},
		{"communications/onlineMeetings/getAllTranscripts", r{Kind: bridge.CallTranscript, Collection: true}},
		{"communications/onlineMeetings/" + meetingID + "/transcripts", r{Kind: bridge.CallTranscript, Collection: true, MeetingID: meetingID}},
		{"users/" + userID + "/onlineMeetings/getAllTranscripts", r{Kind: bridge.CallTranscript, Collection: true, UserID: userID}},
		{"appCatalogs/teamsApps/{id}/installedToOnlineMeetings/getAllTrancripts", r{Kind: bridge.CallTranscript, Collection: true, AppID: "{id}"}},
		{"appCatalogs/teamsApps/{id}/installedToOnlineMeetings/getAllTranscripts", r{Kind: bridge.CallTranscript, Collection: true, AppID: "{id}"}},
		{"appCatalogs/teamsApps/{id}/installedToOnlineMeetings/getAllTranscripts?useResourceSpecificConsentBasedAuthorization=true", r{Kind: bridge.CallTranscript, Collection: true, AppID: "{id}"}},
		{"users/{id}/onlineMeetings/getAllTranscripts(meetingOrganizerUserId='{id}')", r{Kind: bridge.CallTranscript, Collection: true, UserID: "{id}"}},
		{"communications/adhocCalls/getAllRecordings", r{Kind: bridge.CallRecording, Collection: true}},
		{"communications/adhocCalls/getAllTranscripts", r{Kind: bridge.CallTranscript, Collection: true}},
		{"communications/adhocCalls/" + adhocID + "/recordings", r{Kind: bridge.CallRecording, Collection: true, CallID: adhocID}},
		{"communications/adhocCalls/" + adhocID + "/transcripts", r{Kind: bridge.CallTranscript, Collection: true, CallID: adhocID}},
		{"communications/adhocCalls/adhocCalls/" + adhocID + "/transcripts", r{Kind: bridge.CallTranscript, Collection: true, CallID: adhocID}},
		{"users/" + userID + "/adhocCalls/getAllTranscripts", r{Kind: bridge.CallTranscript, Collection: true, UserID: userID}},
		{"appCatalogs/teamsApps/{id}/installedToChats/getAllTranscripts", r{Kind: bridge.CallTranscript, Collection: true, AppID: "{id}"}},
		{"appCatalogs/teamsApps/{id}/installedToChats/getAllRecordings", r{Kind: bridge.CallRecording, Collection: true, AppID: "{id}"}},

		// Channels.
		{"/teams/getAllChannels", r{Kind: bridge.Channel, Collection: true}},
		{"/teams/" + teamID + "/channels", r{Kind: bridge.Channel, Collection: true, TeamID: teamID}},

		// Chats.
		{"/chats", r{Kind: bridge.Chat, Collection: true}},
		{"/chats/" + chatID, r{Kind: bridge.Chat, ChatID: chatID}},
		{"/appCatalogs/teamsApps/" + appID + "/installedToChats", r{Kind: bridge.Chat, Collection: true, AppID: appID}},
		{"/users/" + userID + "/chats?notifyOnUserSpecificProperties=true", r{Kind: bridge.Chat, Collection: true, UserID: userID}},

		// Chat messages.
		{"/teams/getAllMessages", r{Kind: bridge.ChatMessage, Collection: true}},
		{"/teams/getAllMessages?model=B", r{Kind: bridge.ChatMessage, Collection: true}},
		{"/teams/" + teamID + "/channels/" + channelID + "/messages", r{Kind: bridge.ChatMessage, Collection: true, TeamID: teamID, ChannelID: channelID}},
		{"/chats/getAllMessages", r{Kind: bridge.ChatMessage, Collection: true}},
		{"/chats/" + chatID + "/messages", r{Kind: bridge.ChatMessage, Collection: true, ChatID: chatID}},
		{"/chats/" + chatID + "/messages?$filter=mentions/any(u: u/mentioned/user/id eq '" + userID + "')", r{Kind: bridge.ChatMessage, Collection: true, ChatID: chatID}},
		{"/teams/" + teamID + "/channels/" + channelID + "/messages?$search=Hello", r{Kind: bridge.ChatMessage, Collection: true, TeamID: teamID, ChannelID: channelID}},
		{"/users/" + userID + "/chats/getAllMessages", r{Kind: bridge.ChatMessage, Collection: true, UserID: userID}},
		{"/me/chats/getAllMessages", r{Kind: bridge.ChatMessage, Collection: true}},
		{"/appCatalogs/teamsApps/" + appID + "/installedToChats/getAllMessages", r{Kind: bridge.ChatMessage, Collection: true, AppID: appID}},

		// Members.
		{"/teams/" + teamID + "/members", r{Kind: bridge.ConversationMember, Collection: true, TeamID: teamID}},
		{"/teams/getAllMembers", r{Kind: bridge.ConversationMember, Collection: true}},
		{"/chats/" + chatID + "/members", r{Kind: bridge.ConversationMember, Collection: true, ChatID: chatID}},
		{"/chats/getAllMembers", r{Kind: bridge.ConversationMember, Collection: true}},
		{"teams/" + teamID + "/channels/getAllMembers", r{Kind: bridge.ConversationMember, Collection: true, TeamID: teamID}},
		{"/teams/" + teamID + "/channels/getAllMembers?notifyOnIndirectMembershipUpdate=true&suppressNotificationWhenSharedUnsharedWithTeam=true", r{Kind: bridge.ConversationMember, Collection: true, TeamID: teamID}},
		{"/appCatalogs/teamsApps/" + appID + "/installedToChats/getAllMembers", r{Kind: bridge.ConversationMember, Collection: true, AppID: appID}},
		{"teams/getAllChannels/getAllMembers", r{Kind: bridge.ConversationMember, Collection: true}},
		{"/teams/" + teamID + "/channels/" + channelID + "/allMembers", r{Kind: bridge.ConversationMember, Collection: true, TeamID: teamID, ChannelID: channelID}},
		{"/teams/" + teamID + "/channels/" + channelID + "/sharedWithTeams", r{Kind: bridge.Other, TeamID: teamID, ChannelID: channelID}},

		// Teams.
		{"/teams", r{Kind: bridge.Team, Collection: true}},
		{"/teams/" + teamID, r{Kind: bridge.Team, TeamID: teamID}},

		// App installations.
		{"/appCatalogs/teamsApps/" + appID + "/installations", r{Kind: bridge.AppInstallation, Collection: true, AppID: appID}},
		{"/appCatalogs/teamsApps/" + appID + "/installations?$filter=(scopeInfo/scope eq 'groupChat')", r{Kind: bridge.AppInstallation, Collection: true, AppID: appID}},

		// Virtual events.
		{"solutions/virtualEvents/events", r{Kind: bridge.Webinar, Collection: true, EventType: "events"}},
		{"solutions/virtualEvents/events/getEventsFromOrganizers(organizerIds=['id1', 'id2'])", r{Kind: bridge.Webinar, Collection: true, EventType: "events"}},
		{"solutions/virtualEvents/events/getEventsFromOrganizers(organizerIds=['a)b','it''s'])", r{Kind: bridge.Webinar, Collection: true, EventType: "events"}},
		{"solutions/virtualEvents/webinars/" + eventID, r{Kind: bridge.Webinar, EventType: "webinars", EventID: eventID}},
		{"solutions/virtualEvents/webinars/" + eventID + "/getAttendanceReports", r{Kind: bridge.WebinarAttendanceReport, Collection: true, EventType: "webinars", EventID: eventID}},
		{"solutions/virtualEvents/webinars/" + eventID + "/sessions", r{Kind: bridge.WebinarSession, Collection: true, EventType: "webinars", EventID: eventID}},
		{"solutions/virtualEvents/webinars/" + eventID + "/registrations", r{Kind: bridge.WebinarRegistration, Collection: true, EventType: "webinars", EventID: eventID}},
		{"solutions/virtualEvents/townhalls/" + eventID, r{Kind: bridge.Webinar, EventType: "townhalls", EventID: eventID}},
		{"solutions/virtualEvents/townhalls/" + eventID + "/getAttendanceReports", r{Kind: bridge.WebinarAttendanceReport, Collection: true, EventType: "townhalls", EventID: eventID}},
		{"solutions/virtualEvents/townhalls/" + eventID + "/sessions", r{Kind: bridge.WebinarSession, Collection: true, EventType: "townhalls", EventID: eventID}},
		{"solutions/virtualEvents/{eventType}/{eventId}/getVideoOnDemandPublication", r{Kind: bridge.WebinarSession, Collection: true, EventType: "{eventType}", EventID: "{eventId}"}},
	}
}

// notified holds the paths of items and their @odata.id, spelled as in the
// documentation's samples.
func notified() []resourceCase {
	type r = bridge.Resource
	return []resourceCase{
		{"chats('" + chatID + "')", r{Kind: bridge.Chat, ChatID: chatID}},
		{"chats('" + chatID + "')/messages('" + messageID + "')", r{Kind: bridge.ChatMessage, ChatID: chatID, MessageID: messageID}},
		{"users('" + userID + "')/chats('" + chatID + "')/messages('" + messageID + "')", r{Kind: bridge.ChatMessage, UserID: userID, ChatID: chatID, MessageID: messageID}},
		{"chats('" + chatID + "')/members('" + memberID + "')", r{Kind: bridge.ConversationMember, ChatID: chatID, MemberID: memberID}},
		{"teams('" + teamID + "')", r{Kind: bridge.Team, TeamID: teamID}},
		{"teams('" + teamID + "')/channels('" + channelID + "')", r{Kind: bridge.Channel, TeamID: teamID, ChannelID: channelID}},
		{"teams('" + teamID + "')/channels('" + channelID + "')/messages('" + messageID + "')", r{Kind: bridge.ChatMessage, TeamID: teamID, ChannelID: channelID, MessageID: messageID}},
		{"teams('" + teamID + "')/channels('" + channelID + "')/messages('" + messageID + "')/replies('1612293113399')", r{Kind: bridge.ChatMessage, TeamID: teamID, ChannelID: channelID, MessageID: messageID, ReplyID: "1612293113399"}},
		{"teams/" + teamID + "/channels/" + channelID + "/messages/" + messageID + "/replies/1612293113399", r{Kind: bridge.ChatMessage, TeamID: teamID, ChannelID: channelID, MessageID: messageID, ReplyID: "1612293113399"}},
		{"teams('" + teamID + "')/members('" + memberID + "')", r{Kind: bridge.ConversationMember, TeamID: teamID, MemberID: memberID}},
		{"teams('" + teamID + "')/channels('" + channelID + "')/members('" + memberID + "')", r{Kind: bridge.ConversationMember, TeamID: teamID, ChannelID: channelID, MemberID: memberID}},
		{"teams('" + teamID + "')/channels('" + channelID + "')/allMembers('" + memberID + "')", r{Kind: bridge.ConversationMember, TeamID: teamID, ChannelID: channelID, MemberID: memberID}},
		{"tenants/('" + userID + "')/teams('" + teamID + "')/members/('" + memberID + "')", r{Kind: bridge.ConversationMember, TeamID: teamID, MemberID: memberID}},
		{"teams('" + teamID + "')/channels('" + channelID + "')/sharedWithTeams('04460120-3ca5-40cf-bc72-e890777256a3')", r{Kind: bridge.Other, TeamID: teamID, ChannelID: channelID}},
		{"appCatalogs/teamsApps('" + appID + "')/installations('" + installID + "')", r{Kind: bridge.AppInstallation, AppID: appID, InstallationID: installID}},
		{"teams('" + teamID + "')/installedApps('" + installID + "')", r{Kind: bridge.AppInstallation, TeamID: teamID, InstallationID: installID}},
		{"users/" + userID + "/teamwork/installedApps/" + installID, r{Kind: bridge.AppInstallation, UserID: userID, InstallationID: installID}},
		{"users/{organizer-id}/onlineMeetings('Mso...')/recordings('VjI...')", r{Kind: bridge.CallRecording, UserID: "{organizer-id}", MeetingID: "Mso...", RecordingID: "VjI..."}},
		{"users/{organizer-id}/onlineMeetings('Mso...')/transcripts('MSM...')", r{Kind: bridge.CallTranscript, UserID: "{organizer-id}", MeetingID: "Mso...", TranscriptID: "MSM..."}},
		{"users/someone@contoso.com/onlineMeetings/" + meetingID + "/transcripts/MSM", r{Kind: bridge.CallTranscript, UserID: "someone@contoso.com", MeetingID: meetingID, TranscriptID: "MSM"}},
		{"users/{user-id}/adhoccalls('" + adhocID + "')/recordings('" + artifactID + "')", r{Kind: bridge.CallRecording, UserID: "{user-id}", CallID: adhocID, RecordingID: artifactID}},
		{"users/{user-id}/adhoccalls('" + adhocID + "')/recordings(" + artifactID + ")", r{Kind: bridge.CallRecording, UserID: "{user-id}", CallID: adhocID, RecordingID: artifactID}},
		{"users/" + userID + "/adhoccalls/" + adhocID + "/transcripts('MyM...')", r{Kind: bridge.CallTranscript, UserID: userID, CallID: adhocID, TranscriptID: "MyM..."}},
		{"users/" + userID + "/adhoccalls/adhocCalls/" + adhocID + "/transcripts/" + artifactID, r{Kind: bridge.CallTranscript, UserID: userID, CallID: adhocID, TranscriptID: artifactID}},
		{"solutions/virtualEvents/events/", r{Kind: bridge.Webinar, Collection: true, EventType: "events"}},
		{"solutions/virtualEvents/webinars/{webinarId}/", r{Kind: bridge.Webinar, EventType: "webinars", EventID: "{webinarId}"}},
		{"solutions/virtualevents/townhalls/{townhallId}", r{Kind: bridge.Webinar, EventType: "townhalls", EventID: "{townhallId}"}},
		{"solutions/virtualEvents/webinars/{webinarId}/sessions/{sessionId}", r{Kind: bridge.WebinarSession, EventType: "webinars", EventID: "{webinarId}", SessionID: "{sessionId}"}},
		{"solutions/virtualEvents/webinars/{webinarId}/registrations/{registrationId}", r{Kind: bridge.WebinarRegistration, EventType: "webinars", EventID: "{webinarId}", RegistrationID: "{registrationId}"}},
		{"solutions/virtualEvents/webinars/{webinarId}/sessions/{sessionId}/attendanceReports/{reportId}", r{Kind: bridge.WebinarAttendanceReport, EventType: "webinars", EventID: "{webinarId}", SessionID: "{sessionId}", ReportID: "{reportId}"}},
	}
}

func TestParseResource(t *testing.T) {
	t.Parallel()
	type r = bridge.Resource
	meeting := r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: joinWebURL}
	message := r{Kind: bridge.ChatMessage, ChatID: threadID, MessageID: "17"}
	shapes := map[string][]resourceCase{
		"subscribed": subscribed(),
		"notified":   notified(),
		"spelling": {
			{"CHATS('" + threadID + "')/Messages('17')", message},
			{"chats(" + threadID + ")/messages(17)", message},
			{"chats/" + threadID + "/messages('17')", message},
			{"chats('" + threadID + "')/messages/17", message},
			{"//chats/" + threadID + "/messages/17//", message},
			{"chats(id='" + threadID + "')/messages(chatMessage-id='17')", message},
			{"https://graph.microsoft.com/v1.0/chats/" + threadID + "/messages/17", message},
			{"HTTPS://graph.microsoft.us/beta/chats('" + threadID + "')/messages('17')?$expand=replies", message},
			{"http://localhost:8080/v1.0/chats/" + threadID + "/messages/17#frag", message},
			{"/v1.0/chats/" + threadID + "/messages/17", message},
			{"chats('" + url.QueryEscape(threadID) + "')/messages('17')", message},
			{"chats/" + url.QueryEscape(url.QueryEscape(threadID)) + "/messages/17", message},
			{url.QueryEscape("chats('" + threadID + "')/messages('17')"), message},
			{url.QueryEscape(url.QueryEscape("/chats/" + threadID + "/messages/17/")), message},
			{url.QueryEscape("https://graph.microsoft.com/v1.0/chats/" + threadID + "/messages/17?model=B"), message},
			{"chats(%27" + threadID + "%27)/messages(%2717%27)", message},
			{"chats%28%2719%3ameeting_x%40thread.v2%27%29/messages%28%2717%27%29", r{Kind: bridge.ChatMessage, ChatID: "19:meeting_x@thread.v2", MessageID: "17"}},
			{"chats('it''s')", r{Kind: bridge.Chat, ChatID: "it's"}},
			{"chats('it%27%27s')", r{Kind: bridge.Chat, ChatID: "it's"}},
			{"chats(%27it%27%27s%27)", r{Kind: bridge.Chat, ChatID: "it's"}},
			{"chats('it's')", r{Kind: bridge.Chat, ChatID: "it's"}},
			{"chats('a''')", r{Kind: bridge.Chat, ChatID: "a'"}},
			{"chats('100%')", r{Kind: bridge.Chat, ChatID: "100%"}},
			{"chats('%ff')", r{Kind: bridge.Chat, ChatID: "%ff"}}, // would not be UTF-8
			{"communications/onlineMeetings('MSo/a+b==')/transcripts", r{Kind: bridge.CallTranscript, Collection: true, MeetingID: "MSo/a+b=="}},
			{"communications/onlineMeetings/MSo%2Fa%2Bb%3D%3D/transcripts", r{Kind: bridge.CallTranscript, Collection: true, MeetingID: "MSo/a+b=="}},
			{url.QueryEscape("communications/onlineMeetings/MSo%2Fa%2Bb%3D%3D/transcripts"), r{Kind: bridge.CallTranscript, Collection: true, MeetingID: "MSo/a+b=="}},
			{"communications/onlineMeetings(MSo/a+b==)/transcripts(x=)", r{Kind: bridge.CallTranscript, MeetingID: "MSo/a+b==", TranscriptID: "x="}},
		},
		"join URL": {
			{"communications/onlineMeetings(joinWebUrl='" + joinWebURL + "')/meetingCallEvents", meeting},
			{"communications/onlinemeetings(JOINWEBURL='" + encodedURL + "')/MEETINGCALLEVENTS/", meeting},
			{"communications/onlineMeetings(joinWebUrl='" + url.QueryEscape(encodedURL) + "')/meetingCallEvents", meeting},
			{"communications/onlineMeetings(joinWebUrl%3D%27" + url.QueryEscape(encodedURL) + "%27)/meetingCallEvents", meeting},
			{url.QueryEscape(callEventAt), meeting},
			{url.QueryEscape(url.QueryEscape(callEventAt)), meeting},
			{"https://graph.microsoft.com/beta/" + callEventAt + "?model=B", meeting},
			{"communications/onlineMeetings(joinWebUrl='https://t.example/o''brien/(a)?b=''c''')/meetingCallEvents", r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: "https://t.example/o'brien/(a)?b='c'"}},
			{"communications/onlineMeetings(joinWebUrl='https%3A%2F%2Ft.example%2Fo%27%27brien%2F%2525')/meetingCallEvents", r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: "https://t.example/o'brien/%25"}},
			{"communications/onlineMeetings(joinWebUrl='https://t.example/o'brien')/meetingCallEvents", r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: "https://t.example/o'brien"}},
			{"communications/onlineMeetings(joinWebUrl='" + encodedURL + "')", r{Kind: bridge.MeetingCallEvent, JoinWebURL: joinWebURL}},
			{"communications/onlineMeetings(joinWebUrl='" + encodedURL + "')/transcripts", r{Kind: bridge.CallTranscript, Collection: true, JoinWebURL: joinWebURL}},
		},
		"2022": {
			{"communications/onlineMeetings?$filter=joinWebUrl+eq+'{joinWebUrl}'", r{Kind: bridge.MeetingCallEvent, Collection: true, JoinWebURL: "{joinWebUrl}"}},
			{"communications/onlineMeetings?$filter=joinWebUrl+eq+'" + encodedURL + "'", meeting},
			{"/communications/onlineMeetings/?$filter=JoinWebUrl eq '" + encodedURL + "'", meeting},
			{"communications/onlineMeetings/?$filter=JoinWebUrl eq '" + joinWebURL + "'", meeting},
			{"communications/onlineMeetings?%24filter=JOINWEBURL%20EQ%20'" + encodedURL + "'&x=y", meeting},
			{"communications/onlineMeetings?$filter=joinWebUrl%20eq%20%27" + url.QueryEscape(encodedURL) + "%27", meeting},
			{"communications/onlineMeetings?$filter=" + url.QueryEscape("joinWebUrl eq '"+encodedURL+"'"), meeting},
			{url.QueryEscape("communications/onlineMeetings?$filter=joinWebUrl eq '" + encodedURL + "'"), meeting},
			{"communications/onlineMeetings?$top=1&$filter=(joinWebUrl eq '" + encodedURL + "') and true", meeting},
			{"communications/onlineMeetings?$orderby=joinWebUrl&$filter=joinWebUrl eq '" + encodedURL + "'", meeting},
		},
		"other": {
			{"", r{}},
			{"/", r{}},
			{"NA", r{}},
			{"chat", r{}},
			{"v1.0", r{}},
			{"https://graph.microsoft.com/v1.0/", r{}},
			{"users/" + userID + "/messages/AAMkAD", r{UserID: userID}},
			{"users/" + userID + "/events", r{UserID: userID}},
			{"communications/presences/" + userID, r{}},
			{"communications/presences?$filter=id in ('a','b')", r{}},
			{"communications/callRecords", r{}},
			{"communications/onlineMeetings", r{}},
			{"communications/onlineMeetings?$filter=subject eq 'joinWebUrl'", r{}},
			{"communications/onlineMeetings?$filter=joinWebUrl eq 'https://unfinished", r{}},
			{"communications/onlineMeetings?$filter=joinWebUrl ne 'https://t.example'", r{}},
			{"communications/onlineMeetings('x')", r{MeetingID: "x"}},
			{"communications/onlineMeetings(VideoTeleconferenceId='1')/transcripts", r{MeetingID: "1", Kind: bridge.CallTranscript, Collection: true}},
			{"communications/onlineMeetings(subject='1')/transcripts", r{}},
			{"communications/adhocCalls('x')/meetingCallEvents", r{CallID: "x"}},
			{"copilot/users/" + userID + "/onlineMeetings/getAllAiInsights", r{}},
			{"solutions/approval/approvalItems", r{}},
			{"solutions/virtualEvents", r{}},
			{"solutions/virtualEvents/webinars/x/presenters", r{EventType: "webinars", EventID: "x"}},
			{"teams/" + teamID + "/schedule/shifts", r{TeamID: teamID}},
			{"teams/getAllTags", r{}},
			{"teams('x')/channels('y')/messages('1')/hostedContents('z')", r{TeamID: "x", ChannelID: "y", MessageID: "1"}},
			{"teams//channels", r{}},
			{"teams('')/channels", r{}},
			{"teams()/channels", r{}},
			{"teams('x/channels", r{}},
			{"teams('x'/channels", r{}},
			{"teams(x/channels", r{}},
			{"teams(x'y)/channels", r{}},
			{"teams('x')y/channels", r{TeamID: "x"}},
			{"teams(joinWebUrl='x')/channels", r{}},
			{"teams('x')('y')", r{TeamID: "x"}},
			{"communications(/onlineMeetings", r{}},
			{"solutions/virtualEvents/(x)", r{}},
			{"solutions/virtualEvents/events/getEventsFromOrganizers(organizerIds=['a", r{EventType: "events"}},
			{"chats/" + strings.Repeat("x", 1<<20), r{}},
		},
	}
	for name, cases := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				if got := bridge.ParseResource(c.path); got != c.want {
					t.Errorf("ParseResource(%.300q)\n got %+v\nwant %+v", c.path, got, c.want)
				}
			}
		})
	}
}

// Every path means the same when it is absolute, has slashes around it, other
// letter case in its fixed segments, or is encoded once or twice as a whole.
func TestParseResourceSpellings(t *testing.T) {
	t.Parallel()
	for _, c := range append(subscribed(), notified()...) {
		path := strings.TrimPrefix(c.path, "/")
		plain, query, _ := strings.Cut(path, "?")
		if query != "" {
			query = "?" + query
		}
		for _, spelling := range []string{
			path,
			"/" + path,
			strings.TrimSuffix(plain, "/") + "/" + query,
			"https://graph.microsoft.com/v1.0/" + path,
			"https://dod-graph.microsoft.us/beta/" + path,
			url.QueryEscape(path),
			url.PathEscape("/" + path),
			url.QueryEscape(url.QueryEscape("https://graph.microsoft.com/v1.0/" + path)),
		} {
			if strings.Contains(spelling, "+") && strings.Contains(path, " ") {
				spelling = strings.ReplaceAll(spelling, "+", "%20")
			}
			if got := bridge.ParseResource(spelling); got != c.want {
				t.Errorf("ParseResource(%q)\n got %+v\nwant %+v", spelling, got, c.want)
			}
		}
	}
}

// No path costs more than its length, and nothing beyond the bound is looked at
// (I11). The limit is a hundred times what the slowest takes; a quadratic scan
// takes longer.
func TestParseResourceHostile(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"/", "a/", "'", "''", "' ", "%27", "%27%27", "%", "%25", "%2527", "(", ")", "joinWebUrl ", "joinWebUrl eq '", "adhocCalls/"} {
		for _, head := range []string{"", "chats('", "chats(", "communications/adhocCalls/", "communications/onlineMeetings?", "communications/onlineMeetings?joinWebUrl eq '", "solutions/virtualEvents/events/getEventsFromOrganizers('"} {
			for _, size := range []int{32 << 10, 1 << 20} {
				path := head + strings.Repeat(part, (size-len(head))/len(part))
				start := time.Now()
				got := bridge.ParseResource(path)
				key := got.Key()
				if took := time.Since(start); took > time.Second {
					t.Errorf("ParseResource(%q…), %d bytes, took %v", path[:40], len(path), took)
				}
				for _, id := range append(ids(got), key) {
					if len(id) > len(path) {
						t.Errorf("ParseResource(%q…) gives an id of %d bytes", path[:40], len(id))
					}
				}
			}
		}
	}
}

func BenchmarkParseResource(b *testing.B) {
	for name, path := range map[string]string{
		"chatMessage":     "chats('" + chatID + "')/messages('" + messageID + "')",
		"channelReply":    "teams('" + teamID + "')/channels('" + channelID + "')/messages('" + messageID + "')/replies('1612293113399')",
		"callEvent":       callEventAt,
		"transcript":      "users/" + userID + "/onlineMeetings('" + meetingID + "')/transcripts('MSMjMCMj')",
		"encoded":         "chats%28%27" + url.QueryEscape(threadID) + "%27%29%2Fmessages%28%2717%27%29",
		"overlong":        "chats('" + strings.Repeat("x", 1<<20),
		"longest, quotes": "chats('" + strings.Repeat("'%27", 8000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(path)))
			for b.Loop() {
				_ = bridge.ParseResource(path)
			}
		})
	}
}
