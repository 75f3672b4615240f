package graph_test

import (
	"strings"
	"testing"

	"meetbridge/bridge/graph"
)

const (
	joinURL    = "https%3a%2f%2fteams.microsoft.com%2fl%2fmeetup-join%2f19%253ameeting_x%2540thread.v2%2f0"
	appPath    = "appCatalogs/teamsApps/386bbcdb-1e1c-4f3f-b7d0-ad7b9ea6cf7c/"
	eventsPath = "solutions/virtualEvents/"
)

// Every row of FACTS §5 is asked for in the version and with the permission
// that Graph documents for it.
func TestResources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		resource   string
		version    graph.Version
		permission string
	}{
		{"communications/onlineMeetings(joinWebUrl='" + joinURL + "')/meetingCallEvents", graph.Beta, "OnlineMeetings.Read.All"},
		{"/communications/onlinemeetings/?$filter=JoinWebUrl eq '" + joinURL + "'", graph.Beta, "OnlineMeetings.Read.All"},
		{"communications/onlineMeetings/getAllRecordings", graph.V1, "OnlineMeetingRecording.Read.All"},
		{"/communications/onlineMeetings/MSo1/recordings", graph.V1, "OnlineMeetingRecording.Read.All"},
		{"users/u/onlineMeetings/getAllTranscripts", graph.V1, "OnlineMeetingTranscript.Read.All"},
		{"communications/onlineMeetings/getAllTrancripts", graph.V1, "OnlineMeetingTranscript.Read.All"},
		{appPath + "installedToOnlineMeetings/getAllRecordings", graph.Beta, "OnlineMeetingRecording.Read.All"},
		{appPath + "installedToOnlineMeetings/getAllTranscripts?useResourceSpecificConsentBasedAuthorization=true", graph.Beta, ""},
		{appPath + "installedToChats/getAllRecordings", graph.Beta, "CallRecordings.Read.All"},
		{"communications/adhocCalls/getAllRecordings", graph.Beta, "CallRecordings.Read.All"},
		{"users/u/adhoccalls/getAllTranscripts", graph.Beta, "CallTranscripts.Read.All"},
		{"communications/adhocCalls/5f3640e7/transcripts", graph.Beta, "CallTranscripts.Read.All"},
		{"/teams/getAllChannels", graph.V1, "Channel.ReadBasic.All"},
		{"/teams/t/channels", graph.V1, "Channel.ReadBasic.All"},
		{"/teams/t/channels/c/sharedWithTeams", graph.Beta, ""},
		{"/chats", graph.V1, "Chat.ReadBasic.All"},
		{"/chats/c?notifyOnUserSpecificProperties=true", graph.V1, "Chat.ReadBasic.All"},
		{"/users/u/chats", graph.V1, "Chat.ReadBasic.All"},
		{appPath + "installedToChats", graph.V1, "Chat.ReadBasic.WhereInstalled"},
		{"/teams/getAllMessages", graph.V1, "ChannelMessage.Read.All"},
		{"teams('t')/channels('c')/messages", graph.V1, "ChannelMessage.Read.All"},
		{"/chats/getAllMessages?model=B", graph.V1, "Chat.Read.All"},
		{"/chats/c/messages", graph.V1, "Chat.Read.All"},
		{"/users/u/chats/getAllMessages", graph.V1, "Chat.Read.All"},
		{appPath + "installedToChats/getAllMessages", graph.V1, "Chat.Read.WhereInstalled"},
		{"/teams/t/members", graph.V1, "TeamMember.Read.All"},
		{"/teams/getAllMembers", graph.V1, "TeamMember.Read.All"},
		{"/chats/c/members", graph.V1, "ChatMember.Read.All"},
		{"/chats/getAllMembers", graph.V1, "ChatMember.Read.All"},
		{"teams/t/channels/getAllMembers", graph.V1, "ChannelMember.Read.All"},
		{"teams/t/channels/c/members", graph.V1, "ChannelMember.Read.All"},
		{appPath + "installedToChats/getAllMembers", graph.V1, "ChatMember.Read.WhereInstalled"},
		{"teams/getAllChannels/getAllMembers", graph.Beta, "ChannelMember.Read.All"},
		{"/teams", graph.V1, "Team.ReadBasic.All"},
		{"/teams/t", graph.V1, "Team.ReadBasic.All"},
		{"/" + appPath + "installations?$filter=(scopeInfo/scope eq 'team')", graph.V1, "TeamsAppInstallation.Read.All"},
		{eventsPath + "events", graph.V1, "VirtualEvent.Read.All"},
		{eventsPath + "events/getEventsFromOrganizers(organizerIds=['a','b'])", graph.V1, "VirtualEvent.Read.All"},
		{eventsPath + "webinars/w", graph.V1, "VirtualEvent.Read.All"},
		{eventsPath + "webinars/w/registrations", graph.V1, "VirtualEvent.Read.All"},
		{eventsPath + "townhalls/w/sessions", graph.V1, "VirtualEvent.Read.All"},
		{eventsPath + "webinars/w/getAttendanceReports", graph.V1, "VirtualEvent.Read.All"},
		{eventsPath + "webinars/w/getVideoOnDemandPublication", graph.Beta, "VirtualEvent.Read.All"},
		{"communications/callRecords", graph.V1, ""},
		{"", graph.V1, ""},
	} {
		if got := graph.VersionOf(tt.resource); got != tt.version {
			t.Errorf("%s: version %s, want %s", tt.resource, got, tt.version)
		}
		if got := graph.PermissionFor(tt.resource); got != tt.permission {
			t.Errorf("%s: permission %q, want %q", tt.resource, got, tt.permission)
		}
		if graph.Permitted(tt.resource, []string{"Mail.Read"}) != (tt.permission == "") ||
			tt.permission != "" && !graph.Permitted(tt.resource, []string{"Mail.Read", strings.ToLower(tt.permission)}) {
			t.Errorf("%s: permitted to the wrong ones", tt.resource)
		}
	}
	if !graph.Permitted("/chats", []string{"Chat.ReadWrite.All"}) {
		t.Error("a greater permission is not enough")
	}
}

func TestClouds(t *testing.T) {
	t.Parallel()
	for _, c := range graph.Clouds() {
		got, err := graph.CloudByName(c.Name)
		if err != nil || got != c {
			t.Errorf("%s: %+v, %v", c.Name, got, err)
		}
	}
	if c, err := graph.CloudByName(""); err != nil || c.Graph != "https://graph.microsoft.com" {
		t.Errorf("the default is %+v, %v", c, err)
	}
	if _, err := graph.CloudByName("germany"); err == nil || !strings.Contains(err.Error(), "usgov-dod") {
		t.Errorf("error %v", err)
	}
}
