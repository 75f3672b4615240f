package graphsim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// changeSet is a set of change types.
type changeSet uint8

const (
	changeCreated changeSet = 1 << iota
	changeUpdated
	changeDeleted
)

// changeOf returns the set of one change type, any case; 0 for none of them.
func changeOf(name string) changeSet {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "created":
		return changeCreated
	case "updated":
		return changeUpdated
	case "deleted":
		return changeDeleted
	}
	return 0
}

// changesOf reads a comma-separated list; 0 for one with a foreign name in it.
func changesOf(list string) changeSet {
	var s changeSet
	for name := range strings.SplitSeq(list, ",") {
		c := changeOf(name)
		if c == 0 {
			return 0
		}
		s |= c
	}
	return s
}

// String returns the names with commas between.
func (s changeSet) String() string {
	names := [...]string{
		"", "created", "updated", "created,updated", "deleted", "created,deleted", "updated,deleted", "created,updated,deleted",
	}
	return names[s&7]
}

// resourceKind is one row of FACTS §5: a path that can be subscribed to and its
// rules.
type resourceKind struct {
	segments []string // "{}" stands for an id
	entity   string   // what notifications carry
	changes  changeSet
	beta     bool // on beta only
	rich     bool
	max      time.Duration
	teams    bool // counts among the organisation's 10,000
	// lifecycle means that more than an hour takes a lifecycleNotificationUrl.
	lifecycle bool
	roles     []string // any one of them will do
	limits    kindLimits
	filter    string // the property that a $filter may name; "": none
	list      bool   // its last id is a list: getEventsFromOrganizers
}

// kindLimits are the quotas of FACTS §4.4; 0 means none.
type kindLimits struct {
	perApp        int    // per app and resource, whatever the change types
	perUser       int    // on the resource, over all apps
	group         string // whose members share the next two
	perTenant     int    // in the tenant, over all apps
	perAppInGroup int    // in the tenant, per app
}

// ids returns how many ids the path holds.
func (k *resourceKind) ids() int {
	n := 0
	for _, s := range k.segments {
		n += count(s == "{}")
	}
	return n
}

// match returns the ids in segments if they follow the kind's path.
func (k *resourceKind) match(segments []string) ([]string, bool) {
	if len(segments) != len(k.segments) {
		return nil, false
	}
	var ids []string
	for i, want := range k.segments {
		if want == "{}" {
			ids = append(ids, segments[i])
		} else if want != segments[i] {
			return nil, false
		}
	}
	return ids, true
}

// catalog is every kind of resource by the number of its segments. Nothing
// changes it.
type catalog map[int][]*resourceKind

// find returns the kind whose path segments are, and the ids in them.
func (c catalog) find(segments []string) (*resourceKind, []string) {
	for _, k := range c[len(segments)] {
		if ids, ok := k.match(segments); ok {
			return k, ids
		}
	}
	return nil, nil
}

// newCatalog returns the table of FACTS §5 with the lifetimes of §4.5, the
// quotas of §4.4 and the permissions of §4.6. Of two paths of one shape the one
// with fixed names comes first.
func newCatalog() catalog {
	const (
		c   = changeCreated
		u   = changeUpdated
		d   = changeDeleted
		day = 24 * time.Hour
	)
	three := 3 * day // 4,320 minutes (FACTS §4.5)
	out := catalog{}
	add := func(path, entity string, changes changeSet, most time.Duration, roles string, mark ...func(*resourceKind)) {
		k := &resourceKind{
			segments: strings.Split(strings.ToLower(path), "/"), entity: entity, changes: changes, max: most,
			rich: true, teams: true, lifecycle: true, roles: strings.Split(roles, " "),
		}
		if slices.Contains(k.segments, "{}") {
			k.limits.perApp = 1
		}
		for _, m := range mark {
			m(k)
		}
		out[len(k.segments)] = append(out[len(k.segments)], k)
	}
	beta := func(k *resourceKind) { k.beta = true }
	basic := func(k *resourceKind) { k.rich = false }
	other := func(k *resourceKind) { k.teams = false }
	user := func(k *resourceKind) { k.limits.perUser = 10 }
	many := func(k *resourceKind) { k.limits.perApp = 0 }
	filtered := func(property string) func(*resourceKind) { return func(k *resourceKind) { k.filter = property } }

	meetings := "OnlineMeetings.Read.All OnlineMeetings.ReadWrite.All"
	add("communications/onlineMeetings/{}/meetingCallEvents", "callEvent", u, 4230*time.Minute, meetings, beta, other)
	for _, a := range []struct{ noun, roles, entity string }{
		{"Recordings", "OnlineMeetingRecording.Read.All", "callRecording"},
		{"Transcripts", "OnlineMeetingTranscript.Read.All", "callTranscript"},
	} {
		adhoc := "Call" + a.noun + ".Read.All"
		add("communications/onlineMeetings/getAll"+a.noun, a.entity, c, three, a.roles)
		add("communications/onlineMeetings/{}/"+a.noun, a.entity, c, three, a.roles)
		add("users/{}/onlineMeetings/getAll"+a.noun, a.entity, c, three, a.roles, user)
		add("appCatalogs/teamsApps/{}/installedToOnlineMeetings/getAll"+a.noun, a.entity, c, three, a.roles, beta)
		add("communications/adhocCalls/getAll"+a.noun, a.entity, c, three, adhoc, beta)
		add("communications/adhocCalls/{}/"+a.noun, a.entity, c, three, adhoc, beta)
		add("users/{}/adhocCalls/getAll"+a.noun, a.entity, c, three, adhoc, beta, user)
	}
	channels := "Channel.ReadBasic.All ChannelSettings.Read.All ChannelSettings.ReadWrite.All"
	add("teams/getAllChannels", "channel", c|u|d, three, channels)
	add("teams/{}/channels", "channel", c|u|d, three, channels)
	chats := "Chat.ReadBasic.All Chat.Read.All Chat.ReadWrite.All"
	installed := "Chat.ReadBasic.WhereInstalled Chat.Read.WhereInstalled Chat.ReadWrite.WhereInstalled " + chats
	add("chats", "chat", c|u, three, chats)
	add("chats/{}", "chat", u, three, chats+" ChatSettings.Read.Chat")
	add("users/{}/chats", "chat", c|u, three, chats, user)
	add("appCatalogs/teamsApps/{}/installedToChats", "chat", c|u, three, installed)
	chatMessages := "Chat.Read.All Chat.ReadWrite.All ChatMessage.Read.All"
	add("teams/getAllMessages", "chatMessage", c|u|d, three, "ChannelMessage.Read.All")
	add("teams/{}/channels/{}/messages", "chatMessage", c|u|d, three, "ChannelMessage.Read.All")
	add("chats/getAllMessages", "chatMessage", c|u|d, three, chatMessages)
	add("chats/{}/messages", "chatMessage", c|u|d, three, chatMessages)
	add("users/{}/chats/getAllMessages", "chatMessage", c|u|d, three, chatMessages, user)
	add("appCatalogs/teamsApps/{}/installedToChats/getAllMessages", "chatMessage", c|u|d, three, "Chat.Read.WhereInstalled Chat.ReadWrite.WhereInstalled "+chatMessages)
	teamMembers := "TeamMember.Read.All TeamMember.ReadWrite.All"
	channelMembers := "ChannelMember.Read.All ChannelMember.ReadWrite.All"
	chatMembers := "ChatMember.Read.All ChatMember.ReadWrite.All Chat.ReadBasic.All Chat.Read.All Chat.ReadWrite.All"
	add("teams/getAllMembers", "conversationMember", c|u|d, three, teamMembers)
	add("teams/getAllChannels/getAllMembers", "conversationMember", c|u|d, three, channelMembers, beta)
	add("teams/{}/members", "conversationMember", c|u|d, three, teamMembers)
	add("teams/{}/channels/getAllMembers", "conversationMember", c|u|d, three, channelMembers)
	add("chats/getAllMembers", "conversationMember", c|d, three, chatMembers)
	add("chats/{}/members", "conversationMember", c|d, three, chatMembers)
	add("appCatalogs/teamsApps/{}/installedToChats/getAllMembers", "conversationMember", c|d, three, "ChatMember.Read.WhereInstalled "+chatMembers)
	teams := "Team.ReadBasic.All TeamSettings.Read.All TeamSettings.ReadWrite.All"
	add("teams", "team", c|u|d, three, teams)
	add("teams/{}", "team", u|d, three, teams)
	add("appCatalogs/teamsApps/{}/installations", "teamsAppInstallation", c|u|d, three,
		"TeamsAppInstallation.Read.All TeamsAppInstallation.ReadWriteForTeam.All TeamsAppInstallation.ReadForTeam.All", filtered("scopeinfo/scope"), many)

	events := "VirtualEvent.Read.All"
	only := func(k *resourceKind) { k.limits.group, k.limits.perAppInGroup = "virtual events of the tenant", 1 }
	add("solutions/virtualEvents/events", "virtualEvent", c, day, events, basic, other, only)
	add("solutions/virtualEvents/events/getEventsFromOrganizers", "virtualEvent", c, day, events, basic, other, only, func(k *resourceKind) { k.list = true })
	for _, kind := range []string{"webinars", "townhalls"} {
		at := "solutions/virtualEvents/" + kind + "/{}"
		add(at, "virtualEvent", u, day, events, basic, other)
		add(at+"/getAttendanceReports", "meetingAttendanceReport", c, day, events, basic, other)
		add(at+"/sessions", "virtualEventSession", c|u, day, events, basic, other)
		add(at+"/getVideoOnDemandPublication", "virtualEventSession", u, day, events, basic, other, beta)
	}
	add("solutions/virtualEvents/webinars/{}/registrations", "virtualEventRegistration", c|u, day, events, basic, other)

	add("communications/presences", "presence", u, time.Hour, "Presence.Read.All", other, filtered("id"))
	add("communications/presences/{}", "presence", u, time.Hour, "Presence.Read.All", other)
	add("communications/callRecords", "callRecord", c|u, 4230*time.Minute, "CallRecords.Read.All", basic, other, func(k *resourceKind) {
		k.limits.perTenant, k.limits.group, k.lifecycle = 100, "call records", false
	})
	add("solutions/approval/approvalItems", "approvalItem", c|u, 43_200*time.Minute, "ApprovalSolution.Read.All ApprovalSolution.ReadWrite.All", basic, other, func(k *resourceKind) {
		k.limits.perTenant, k.limits.perAppInGroup, k.limits.group, k.lifecycle = 1000, 1, "approvals", false
	})
	for _, kinds := range out {
		slices.SortStableFunc(kinds, func(a, b *resourceKind) int { return cmp.Compare(a.ids(), b.ids()) })
	}
	return out
}
