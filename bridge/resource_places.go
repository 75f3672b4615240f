package bridge

// place is a point in Graph's tree of resources, as far as notifications come
// from there (FACTS §5). A collection and its members are one place.
type place uint8

const (
	nowhere place = iota // left the known tree
	root

	communications
	tenants
	users
	me
	teamwork
	appCatalogs
	solutions
	virtualEvents

	teams
	channels
	sharedTeams // channels/…/sharedWithTeams: whom a channel is shared with, no members
	chats
	messages
	replies
	members

	meetings
	callEvents
	adhocCalls
	recordings
	transcripts

	apps
	appChats    // …/installedToChats
	appMeetings // …/installedToOnlineMeetings
	installations

	events // solutions/virtualEvents/<type>
	sessions
	registrations
	reports

	allChannels // functions that give a whole collection
	allMessages
	allMembers
	allRecordings
	allTranscripts
	organizersEvents
	eventReports
	eventVideos
)

// child returns the place that the segment name leads to from a, nowhere if
// none is known.
func (a place) child(name string) place {
	switch a {
	case root:
		switch {
		case folded(name, "teams"):
			return teams
		case folded(name, "chats"):
			return chats
		case folded(name, "communications"):
			return communications
		case folded(name, "users"):
			return users
		case folded(name, "solutions"):
			return solutions
		case folded(name, "appCatalogs"):
			return appCatalogs
		case folded(name, "me"):
			return me
		case folded(name, "tenants"):
			return tenants
		case folded(name, "v1.0"), folded(name, "beta"):
			return root
		}
	case communications:
		return callPlace(name)
	case users, me:
		switch {
		case folded(name, "chats"):
			return chats
		case folded(name, "teamwork"):
			return teamwork
		}
		return callPlace(name)
	case tenants:
		switch {
		case folded(name, "teams"):
			return teams
		case folded(name, "chats"):
			return chats
		}
	case teamwork:
		if folded(name, "installedApps") {
			return installations
		}
	case solutions:
		if folded(name, "virtualEvents") {
			return virtualEvents
		}
	case virtualEvents:
		if name != "" {
			return events
		}
	case appCatalogs:
		if folded(name, "teamsApps") {
			return apps
		}
	default:
		return a.part(name)
	}
	return nowhere
}

// callPlace returns where calls and meetings are found below communications and
// below a user.
func callPlace(name string) place {
	switch {
	case folded(name, "onlineMeetings"):
		return meetings
	case folded(name, "adhocCalls"):
		return adhocCalls
	default:
		return nowhere
	}
}

// part returns the place that name leads to from a member of the collection a.
func (a place) part(name string) place {
	switch a {
	case teams:
		switch {
		case folded(name, "channels"), folded(name, "allChannels"), folded(name, "incomingChannels"):
			return channels
		case folded(name, "members"):
			return members
		case folded(name, "installedApps"):
			return installations
		}
	case channels:
		switch {
		case folded(name, "messages"):
			return messages
		case folded(name, "members"), folded(name, "allMembers"):
			return members
		case folded(name, "sharedWithTeams"):
			return sharedTeams
		}
	case allChannels:
		if folded(name, "getAllMembers") {
			return allMembers
		}
	case chats, appChats:
		switch {
		case folded(name, "messages"):
			return messages
		case folded(name, "members"):
			return members
		case folded(name, "installedApps"):
			return installations
		}
	case messages:
		if folded(name, "replies") {
			return replies
		}
	case meetings, appMeetings, adhocCalls:
		switch {
		case folded(name, "transcripts"):
			return transcripts
		case folded(name, "recordings"):
			return recordings
		case folded(name, "meetingCallEvents") && a == meetings:
			return callEvents
		}
	case apps:
		switch {
		case folded(name, "installations"):
			return installations
		case folded(name, "installedToChats"):
			return appChats
		case folded(name, "installedToOnlineMeetings"):
			return appMeetings
		}
	case events:
		switch {
		case folded(name, "sessions"):
			return sessions
		case folded(name, "registrations"):
			return registrations
		case folded(name, "getAttendanceReports"):
			return eventReports
		case folded(name, "getVideoOnDemandPublication"):
			return eventVideos
		}
	case sessions:
		switch {
		case folded(name, "attendanceReports"):
			return reports
		case folded(name, "registrations"):
			return registrations
		}
	}
	return nowhere
}

// function reports whether name is that of a function of the collection a, not
// an id, and returns the place that it leads to: nowhere, if Meetbridge does not
// know it.
func (a place) function(name string) (place, bool) {
	if a == adhocCalls && folded(name, "adhocCalls") {
		return adhocCalls, true // the documentation's slip: adhoccalls/adhocCalls/{id}
	}
	if a == events && folded(name, "getEventsFromOrganizers") {
		return organizersEvents, true
	}
	if !hasPrefixFolded(name, "getAll") {
		return nowhere, false
	}
	threads := a == teams || a == channels || a == chats || a == appChats
	calls := a == meetings || a == adhocCalls || a == appMeetings || a == appChats
	switch {
	case threads && folded(name, "getAllMessages"):
		return allMessages, true
	case threads && folded(name, "getAllMembers"):
		return allMembers, true
	case a == teams && folded(name, "getAllChannels"):
		return allChannels, true
	case calls && folded(name, "getAllRecordings"):
		return allRecordings, true
	case calls && (folded(name, "getAllTranscripts") || folded(name, "getAllTrancripts")): // both: FACTS §0.6
		return allTranscripts, true
	default:
		return nowhere, true
	}
}

// collects reports whether a, which has no ids, stands for a collection.
func (a place) collects() bool { return a == callEvents || a >= allChannels }

// kind returns the record type of what is found at a.
func (a place) kind() Kind {
	switch a {
	case callEvents:
		return MeetingCallEvent
	case recordings, allRecordings:
		return CallRecording
	case transcripts, allTranscripts:
		return CallTranscript
	case messages, replies, allMessages:
		return ChatMessage
	case chats, appChats:
		return Chat
	case channels, allChannels:
		return Channel
	case teams:
		return Team
	case members, allMembers:
		return ConversationMember
	case installations:
		return AppInstallation
	case events, organizersEvents:
		return Webinar
	case sessions, eventVideos:
		return WebinarSession
	case registrations:
		return WebinarRegistration
	case reports, eventReports:
		return WebinarAttendanceReport
	default:
		return Other
	}
}

// eventType returns the one spelling of the known types of virtual events, any
// other as it stands.
func eventType(name string) string {
	for _, known := range [...]string{"webinars", "townhalls", "events"} {
		if folded(name, known) {
			return known
		}
	}
	return decodeID(name)
}
