package graphsim

import (
	"strconv"
	"strings"
	"time"
)

// How many teams a tenant has and channels a team has at most; the world
// deletes the oldest it made before it makes more.
const (
	maxTeams    = 5
	maxChannels = 6
	maxMembers  = 12
)

type team struct {
	tenant      *tenant
	id, name    string
	description string
	created     time.Time
	visibility  string
	archived    bool
	channels    []*channel
	members     []*member
	own         *subscription // to this team alone; nil: none
}

type channel struct {
	team        *team
	name        string
	description string
	kind        string // standard, private, shared
	created     time.Time
	thread      *thread
	members     []*member
}

// newTeam makes a team with its first channel.
func (w *world) newTeam(t *tenant) *team {
	tm := &team{
		tenant: t, id: w.guid(), created: w.now,
		name:       pick(w, []string{"Sales", "Engineering", "Küche", "人事", "Ops & Infra"}) + w.marker(),
		visibility: pick(w, []string{"private", "public", "hiddenMembership"}),
	}
	for _, u := range t.users[:4] {
		tm.members = append(tm.members, w.teamMember(tm, u))
	}
	tm.channels = []*channel{w.newChannel(tm, "standard")}
	switch len(t.teams) {
	case 0:
		tm.channels[0].thread.subs = append(tm.channels[0].thread.subs,
			w.messageSubscription(t, "/teams/"+tm.id+"/channels/"+tm.channels[0].thread.id+"/messages", false))
	case 1:
		tm.own = w.subscribe(t, "/teams/"+tm.id, false)
	}
	return tm
}

func (w *world) newChannel(tm *team, kind string) *channel {
	c := &channel{team: tm, kind: kind, created: w.now, name: "Channel " + strconv.Itoa(w.revision()) + w.marker()}
	c.thread = &thread{tenant: tm.tenant, id: w.channelThread(), team: tm, authors: tm.tenant.users, subs: []*subscription{tm.tenant.subs.channelMessages}}
	return c
}

func (w *world) teamMember(tm *team, p *person) *member {
	return &member{person: p, id: joinedID(tm.id, p.id), since: w.now}
}

// playTeam has a team created, changed or, if it was made in this world's time,
// deleted. The first two stay: others watch them.
func (w *world) playTeam(t *tenant) {
	switch n := w.rng.IntN(10); {
	case n < 2 && len(t.teams) < maxTeams:
		tm := w.newTeam(t)
		t.teams = append(t.teams, tm)
		w.tellTeam(tm, "created")
	case n < 4 && len(t.teams) > 2:
		tm := t.teams[2]
		t.teams = append(t.teams[:2], t.teams[3:]...)
		w.tellTeam(tm, "deleted")
	default:
		tm := pick(w, t.teams)
		tm.description = "Revision " + strconv.Itoa(w.revision()) + w.marker()
		tm.archived = w.one(10)
		w.tellTeam(tm, "updated")
	}
}

func (w *world) tellTeam(tm *team, changeType string) {
	resource, odataID := w.spelled(path{{"teams", tm.id}})
	p := teamPayload{
		ID: tm.id, CreatedDateTime: time7(tm.created), DisplayName: tm.name, Description: tm.description,
		InternalID: tm.channels[0].thread.id, Specialization: "none", Visibility: tm.visibility, IsArchived: tm.archived, TenantID: tm.tenant.id,
		WebURL:            "https://teams.microsoft.com/l/team/" + tm.channels[0].thread.id + "/conversations?groupId=" + tm.id,
		MemberSettings:    memberSettings{AllowCreateUpdateChannels: true, AllowAddRemoveApps: true},
		MessagingSettings: messagingSettings{AllowUserEditMessages: true, AllowUserDeleteMessages: true},
		FunSettings:       funSettings{AllowGiphy: true, GiphyContentRating: "moderate"},
	}
	if w.one(2) {
		p.Summary = &teamSummary{OwnersCount: 1, MembersCount: len(tm.members)}
	}
	id := tm.id
	if w.one(5) {
		id = w.messageID() // a documentation slip that a reader has to bear (FACTS §5.1)
	}
	subs := []*subscription{tm.tenant.subs.teams}
	if tm.own != nil && changeType != "created" {
		subs = append(subs, tm.own)
	}
	w.tell(change{
		topic: "teams", key: tm.id, changeType: changeType, resource: resource, odataID: odataID, id: id,
		odataType: pick(w, []string{"#Microsoft.Graph.Team", "#Microsoft.Graph.Teams", "#microsoft.graph.team"}),
		payload:   p, subs: subs, tenant: tm.tenant.id, covers: covering("teams", "teams/"+tm.id),
	})
}

// playChannel has a channel created, changed or deleted.
func (w *world) playChannel(t *tenant) {
	tm := pick(w, t.teams)
	switch n := w.rng.IntN(10); {
	case n < 4 && len(tm.channels) < maxChannels:
		c := w.newChannel(tm, pick(w, []string{"standard", "standard", "private", "shared"}))
		tm.channels = append(tm.channels, c)
		w.tellChannel(c, "created")
	case n < 6 && len(tm.channels) > 1:
		c := tm.channels[1]
		tm.channels = append(tm.channels[:1], tm.channels[2:]...)
		w.tellChannel(c, "deleted")
	default:
		c := pick(w, tm.channels)
		c.description = "Revision " + strconv.Itoa(w.revision()) + w.marker()
		w.tellChannel(c, "updated")
	}
}

func (w *world) tellChannel(c *channel, changeType string) {
	resource, odataID := w.spelled(path{{"teams", c.team.id}, {"channels", c.thread.id}})
	p := channelPayload{
		ID: c.thread.id, CreatedDateTime: timeMillis(c.created), DisplayName: c.name, TenantID: c.team.tenant.id,
		MembershipType: c.kind, LayoutType: pick(w, []string{"", "post", "chat"}),
		WebURL: "https://teams.microsoft.com/l/channel/" + c.thread.id + "/" + strings.ReplaceAll(c.name, " ", "%20") + "?groupId=" + c.team.id,
	}
	if c.description != "" {
		p.Description = new(c.description)
	}
	if w.one(3) {
		p.Summary = &channelSummary{MembersCount: len(c.members) + len(c.team.members), OwnersCount: 1}
	}
	w.tell(change{
		topic: "channels", key: c.thread.id, changeType: changeType, resource: resource, odataID: odataID, id: c.thread.id,
		odataType: pick(w, []string{"#Microsoft.Graph.Channel", "#microsoft.graph.channel"}),
		payload:   p, subs: []*subscription{c.team.tenant.subs.channels},
		tenant: c.team.tenant.id, covers: covering("teams/getAllChannels", "teams/"+c.team.id+"/channels"),
	})
}

// playTeamMember has somebody join a team, become its owner or leave it.
func (w *world) playTeamMember(t *tenant) {
	tm := pick(w, t.teams)
	tm.members = w.changeMembers(tm.members, 4, t.subs.teamMembers,
		func(p *person) *member { return w.teamMember(tm, p) },
		func(m *member) (string, path) { return tm.id, path{{"teams", tm.id}, {"members", m.id}} }, t,
		covering("teams/getAllMembers", "teams/"+tm.id+"/members"))
}

// playChannelMember does the same in a private or shared channel.
func (w *world) playChannelMember(t *tenant) {
	tm := pick(w, t.teams)
	c := pick(w, tm.channels)
	if c.kind == "standard" {
		return
	}
	c.members = w.changeMembers(c.members, 0, t.subs.channelMembers,
		func(p *person) *member {
			return &member{person: p, id: joinedID("0", "3", t.id, c.thread.id, p.id), since: w.now}
		},
		func(m *member) (string, path) {
			return c.thread.id, path{{"teams", tm.id}, {"channels", c.thread.id}, {"members", m.id}}
		}, t, covering("teams/getAllChannels/getAllMembers", "teams/"+tm.id+"/channels/getAllMembers"))
}

// changeMembers adds, promotes or removes one of members after the first keep
// and returns the members then.
func (w *world) changeMembers(members []*member, keep int, sub *subscription, made func(*person) *member, where func(*member) (string, path), t *tenant, covers []string) []*member {
	n := w.rng.IntN(10)
	if len(members) <= keep || n < 5 && len(members) < maxMembers {
		p := w.person(t.id, t.domain)
		if w.one(3) {
			p = w.stranger()
		}
		m := made(p)
		key, at := where(m)
		w.tellMember("created", key, at, m, sub, false, covers)
		return append(members, m)
	}
	i := keep + w.rng.IntN(len(members)-keep)
	m := members[i]
	key, at := where(m)
	if n < 7 && !m.owner { // once only: back and forth would be told in the same words
		m.owner = true
		w.tellMember("updated", key, at, m, sub, false, covers)
		return members
	}
	w.tellMember("deleted", key, at, m, sub, false, covers)
	return append(members[:i], members[i+1:]...)
}

// memberOf returns m as a GET would; its kind decides the type.
func memberOf(m *member, typed bool) memberPayload {
	p := memberPayload{ID: m.id, Roles: []string{}, DisplayName: new(m.person.name)}
	if m.owner {
		p.Roles = []string{"owner"}
	}
	kind := "aadUser"
	switch m.person.kind {
	case anonymous, bot:
		kind, p.AnonymousGuestID = "anonymousGuest", m.person.id
	case phone:
		kind, p.PhoneNumber = "phoneUser", m.person.id
	case acs:
		kind, p.ACSID = "azureCommunicationServicesUser", m.person.id
	default:
		p.UserID, p.TenantID, p.Email = m.person.id, m.person.tenantID, new(m.person.mail)
	}
	if typed {
		p.ODataType = "#microsoft.graph." + kind + "ConversationMember"
	}
	return p
}

// tellMember tells of a membership.
func (w *world) tellMember(changeType, key string, where path, m *member, sub *subscription, inChat bool, covers []string) {
	resource, odataID := w.spelled(where)
	p := memberOf(m, w.one(2))
	if inChat {
		p.VisibleHistoryStartDateTime = pick(w, []string{"0001-01-01T00:00:00Z", timeMillis(m.since)})
	}
	odataType := strings.TrimPrefix(memberOf(m, true).ODataType, "#microsoft.graph.")
	w.tell(change{
		topic: "conversation-members", key: key, changeType: changeType, resource: resource, odataID: odataID, id: m.id,
		odataType: pick(w, []string{"#Microsoft.Graph.", "#microsoft.graph."}) + odataType,
		payload:   p, subs: []*subscription{sub}, capital: inChat, tenant: sub.tenantID, covers: covers,
	})
}
