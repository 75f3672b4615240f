package graph

import (
	"slices"
	"strings"

	"meetbridge/bridge"
)

// PermissionFor returns the least application permission that a subscription
// to resource takes (FACTS §4.6), "" where Meetbridge does not know it or where
// a consent given in each chat or team takes its place.
func PermissionFor(resource string) string {
	if p := permissions(resource); len(p) > 0 {
		return p[0]
	}
	return ""
}

// Permitted reports whether an application with roles may subscribe to
// resource as far as is known: one of the permissions that Graph takes for it
// is among them, or PermissionFor says "".
func Permitted(resource string, roles []string) bool {
	takes := permissions(resource)
	return len(takes) == 0 || slices.ContainsFunc(takes, func(p string) bool {
		return slices.ContainsFunc(roles, func(role string) bool { return strings.EqualFold(role, p) })
	})
}

// permissions returns the application permissions that resource takes, least
// first; each is enough. Write permissions count where Graph lists them.
func permissions(resource string) []string {
	if _, query, _ := strings.Cut(resource, "?"); strings.Contains(strings.ToLower(query), "useresourcespecificconsentbasedauthorization=true") {
		return nil
	}
	r := bridge.ParseResource(resource)
	installed := r.AppID != "" // in chats or meetings that have the app
	switch r.Kind {
	case bridge.MeetingCallEvent:
		return []string{"OnlineMeetings.Read.All", "OnlineMeetings.ReadWrite.All"}
	case bridge.CallRecording, bridge.CallTranscript:
		of := "Recording"
		if r.Kind == bridge.CallTranscript {
			of = "Transcript"
		}
		if passes(resource, "adhocCalls") || passes(resource, "installedToChats") {
			return []string{"Call" + of + "s.Read.All"}
		}
		return []string{"OnlineMeeting" + of + ".Read.All"}
	case bridge.ChatMessage:
		switch {
		case passes(resource, "teams"):
			return []string{"ChannelMessage.Read.All"}
		case installed:
			return []string{"Chat.Read.WhereInstalled", "Chat.ReadWrite.WhereInstalled"}
		}
		return []string{"Chat.Read.All", "Chat.ReadWrite.All"}
	case bridge.Chat:
		if installed {
			return []string{"Chat.ReadBasic.WhereInstalled", "Chat.Read.WhereInstalled", "Chat.ReadWrite.WhereInstalled"}
		}
		return []string{"Chat.ReadBasic.All", "Chat.Read.All", "Chat.ReadWrite.All"}
	case bridge.Channel:
		return []string{"Channel.ReadBasic.All", "ChannelSettings.Read.All"}
	case bridge.Team:
		return []string{"Team.ReadBasic.All", "TeamSettings.Read.All"}
	case bridge.ConversationMember:
		return memberPermissions(resource, installed)
	case bridge.AppInstallation:
		return []string{"TeamsAppInstallation.Read.All"}
	case bridge.Webinar, bridge.WebinarSession, bridge.WebinarRegistration, bridge.WebinarAttendanceReport:
		return []string{"VirtualEvent.Read.All"}
	default:
		return nil
	}
}

func memberPermissions(resource string, installed bool) []string {
	switch {
	case passes(resource, "channels"), passes(resource, "getAllChannels"):
		return []string{"ChannelMember.Read.All"}
	case passes(resource, "teams"):
		return []string{"TeamMember.Read.All", "TeamMember.ReadWrite.All"}
	case installed:
		return []string{
			"ChatMember.Read.WhereInstalled", "ChatMember.ReadWrite.WhereInstalled",
			"Chat.ReadBasic.WhereInstalled", "Chat.Read.WhereInstalled", "Chat.ReadWrite.WhereInstalled",
		}
	}
	return []string{"ChatMember.Read.All", "ChatMember.ReadWrite.All", "Chat.ReadBasic.All", "Chat.Read.All", "Chat.ReadWrite.All"}
}
