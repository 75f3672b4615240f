package renewer

import "time"

// Longest lifetimes that Graph allows (FACTS §4.5). Of the two that are printed
// for online meetings the shorter is taken.
const (
	teamsLifetime   = 4320 * time.Minute
	meetingLifetime = 4230 * time.Minute
	eventLifetime   = 24 * time.Hour
)

// The change types, as sets in the order in which Key has them.
const (
	onCreated     = "created"
	onUpdated     = "updated"
	onEvery       = "created,deleted,updated"
	onMade        = "created,updated"
	onComeAndGone = "created,deleted"
	onChangedGone = "deleted,updated"
)

// resource is a path that Graph takes subscriptions to.
type resource struct {
	path    string // ids as {name}, the spelling being Graph's
	changes string // all change types that it has
	longest time.Duration
	rich    bool
	// single says that an application may have only one subscription to it, of
	// whatever change types (FACTS §4.4).
	single bool
}

// resources returns all paths that may be subscribed to (FACTS §5), those of one
// kind together.
func resources() []resource {
	const app = "appCatalogs/teamsApps/{app}"
	const events = "solutions/virtualEvents/"
	all := []resource{
		{"communications/onlineMeetings(joinWebUrl='{url}')/meetingCallEvents", onUpdated, meetingLifetime, true, true},
	}
	for _, artifact := range [...]string{"Recordings", "Transcripts"} {
		lower := map[string]string{"Recordings": "recordings", "Transcripts": "transcripts"}[artifact]
		for _, path := range [...]string{
			"communications/onlineMeetings/getAll" + artifact,
			"communications/onlineMeetings/{meeting}/" + lower,
			"users/{user}/onlineMeetings/getAll" + artifact,
			app + "/installedToOnlineMeetings/getAll" + artifact,
			"communications/adhocCalls/getAll" + artifact,
			"communications/adhocCalls/{call}/" + lower,
			"users/{user}/adhocCalls/getAll" + artifact,
		} {
			all = append(all, resource{path, onCreated, teamsLifetime, true, false})
		}
	}
	all = append(all, []resource{
		{"teams/getAllMessages", onEvery, teamsLifetime, true, false},
		{"teams/{team}/channels/{channel}/messages", onEvery, teamsLifetime, true, true},
		{"chats/getAllMessages", onEvery, teamsLifetime, true, false},
		{"chats/{chat}/messages", onEvery, teamsLifetime, true, true},
		{"users/{user}/chats/getAllMessages", onEvery, teamsLifetime, true, false},
		{app + "/installedToChats/getAllMessages", onEvery, teamsLifetime, true, false},

		{"chats", onMade, teamsLifetime, true, false},
		{"chats/{chat}", onUpdated, teamsLifetime, true, true},
		{"users/{user}/chats", onMade, teamsLifetime, true, false},
		{app + "/installedToChats", onMade, teamsLifetime, true, false},

		{"teams/getAllChannels", onEvery, teamsLifetime, true, false},
		{"teams/{team}/channels", onEvery, teamsLifetime, true, true},
		{"teams/{team}/channels/{channel}/sharedWithTeams", onEvery, teamsLifetime, true, false},

		{"teams", onEvery, teamsLifetime, true, false},
		{"teams/{team}", onChangedGone, teamsLifetime, true, true},

		{"teams/getAllMembers", onEvery, teamsLifetime, true, false},
		{"teams/{team}/members", onEvery, teamsLifetime, true, true},
		{"teams/getAllChannels/getAllMembers", onEvery, teamsLifetime, true, false},
		{"teams/{team}/channels/getAllMembers", onEvery, teamsLifetime, true, true},
		{"chats/getAllMembers", onComeAndGone, teamsLifetime, true, false},
		{"chats/{chat}/members", onComeAndGone, teamsLifetime, true, false},
		{app + "/installedToChats/getAllMembers", onComeAndGone, teamsLifetime, true, false},

		{app + "/installations", onEvery, teamsLifetime, true, false},

		{events + "events", onCreated, eventLifetime, false, true},
		{events + "events/getEventsFromOrganizers(organizerIds=[{users}])", onCreated, eventLifetime, false, true},
	}...)
	for _, kind := range [...]string{"webinars/{webinar}", "townhalls/{townhall}"} {
		all = append(all,
			resource{events + kind, onUpdated, eventLifetime, false, true},
			resource{events + kind + "/getAttendanceReports", onCreated, eventLifetime, false, true},
			resource{events + kind + "/sessions", onMade, eventLifetime, false, true},
			resource{events + kind + "/getVideoOnDemandPublication", onUpdated, eventLifetime, false, true})
	}
	return append(all, resource{events + "webinars/{webinar}/registrations", onMade, eventLifetime, false, true})
}
