package graphsim

import (
	"strconv"
	"time"
)

// chatMemory bounds the chats of a tenant that the world remembers.
const chatMemory = 24

// chat is a chat of two, of a group, or of a meeting.
type chat struct {
	tenant  *tenant
	kind    string // oneOnOne, group, meeting
	topic   string
	created time.Time
	thread  *thread
	members []*member
	meeting *meeting // of a meeting chat
	subs    []*subscription
}

// member is somebody's membership of a chat, team or channel. Nobody who left
// comes back: the world draws strangers instead, since a second arrival would
// be told in the very words of the first.
type member struct {
	person *person
	id     string
	owner  bool
	since  time.Time
}

// newChat makes the n-th chat of t: every third of two people, one of four
// watched by itself too, as basic or as rich, one by a user-level subscription.
func (w *world) newChat(t *tenant, n int) *chat {
	c := &chat{tenant: t, kind: "group", created: w.now, topic: "Chat " + strconv.Itoa(n) + w.marker(), subs: []*subscription{t.subs.chats}}
	id := w.groupThread()
	a, b := pick(w, t.users), w.person(t.id, t.domain)
	if n%3 == 0 {
		c.kind, c.topic = "oneOnOne", ""
		id = oneOnOneThread(a, b)
	}
	w.populate(c, id, a, b)
	switch n {
	case 1:
		c.thread.subs = append(c.thread.subs, w.messageSubscription(t, "/chats/"+id+"/messages", false))
	case 2:
		c.subs = append(c.subs, w.subscribe(t, "/chats/"+id, false))
	case 4:
		c.thread.reader = a
		c.thread.userSub = w.messageSubscription(t, "/users/"+a.id+"/chats/getAllMessages", true)
	}
	return c
}

// newMeetingChat makes the chat of m.
func (w *world) newMeetingChat(t *tenant, m *meeting, id string) *chat {
	c := &chat{tenant: t, kind: "meeting", topic: m.subject, created: w.now, meeting: m, subs: []*subscription{t.subs.chats}}
	w.populate(c, id, m.organizer, pick(w, t.users))
	t.chats = append(t.chats, c)
	return c
}

// populate gives c its thread and first members.
func (w *world) populate(c *chat, id string, people ...*person) {
	c.thread = &thread{tenant: c.tenant, id: id, authors: people, subs: []*subscription{c.tenant.subs.chatMessages}}
	for _, p := range people {
		c.members = append(c.members, w.chatMember(c, p, true))
	}
}

func (w *world) chatMember(c *chat, p *person, owner bool) *member {
	return &member{person: p, id: joinedID("0", c.tenant.id, c.thread.id, p.id), owner: owner, since: w.now}
}

// playChat has a chat created or changed.
func (w *world) playChat(t *tenant) {
	if w.one(3) {
		w.createChat(t)
		return
	}
	c := pick(w, t.chats)
	if c.kind != "oneOnOne" {
		c.topic = "Topic " + strconv.Itoa(w.revision()) + w.marker()
	}
	w.tellChat(c, "updated")
}

// createChat makes a new chat and forgets the oldest that is no meeting's.
func (w *world) createChat(t *tenant) {
	c := w.newChat(t, 5+w.rng.IntN(20)) // no subscription of its own
	if len(t.chats) >= chatMemory {
		for i, old := range t.chats {
			if old.meeting == nil && old.thread.userSub == nil && len(old.subs)+len(old.thread.subs) == 2 {
				t.chats = append(t.chats[:i], t.chats[i+1:]...)
				break
			}
		}
	}
	t.chats = append(t.chats, c)
	w.tellChat(c, "created")
}

func (w *world) tellChat(c *chat, changeType string) {
	resource, odataID := w.spelled(path{{"chats", c.thread.id}})
	p := chatPayload{
		ID: c.thread.id, CreatedDateTime: c.created.UTC().Format(layoutMillis), LastUpdatedDateTime: time7(w.now),
		ChatType: c.kind, TenantID: c.tenant.id,
		WebURL: "https://teams.microsoft.com/l/chat/" + c.thread.id + "/0?tenantId=" + c.tenant.id,
	}
	if c.topic != "" {
		p.Topic = new(c.topic)
	}
	if m := c.meeting; m != nil {
		p.OnlineMeetingInfo = &onlineMeetingInfo{JoinWebURL: m.joinURL, Organizer: aadUser(m.organizer, false)}
	}
	if w.one(2) {
		p.Viewpoint = &viewpoint{IsHidden: w.one(5), LastMessageReadDateTime: timeMillis(w.now)}
	}
	if changeType == "created" || w.one(3) {
		for _, m := range c.members {
			p.Members = append(p.Members, memberOf(m, true))
		}
	}
	w.tell(change{
		topic: "chats", key: c.thread.id, changeType: changeType,
		resource: resource, odataID: odataID, id: c.thread.id,
		odataType: pick(w, []string{"#microsoft.graph.chat", "#Microsoft.Graph.Chat"}),
		payload:   p, subs: c.subs, capital: true, tenant: c.tenant.id, covers: c.covers(),
	})
}

// covers returns whose subscribers are told of the chat itself.
func (c *chat) covers() []string {
	out := covering("chats", "chats/"+c.thread.id)
	for _, m := range c.members {
		out = append(out, covering("users/"+m.person.id+"/chats")...)
	}
	if c.tenant.hasApp(c.thread.id) {
		out = append(out, covering("appCatalogs/teamsApps/"+c.tenant.catalogApp+"/installedToChats")...)
	}
	return out
}

// memberCovers returns whose subscribers are told of the members of the chat.
func (c *chat) memberCovers() []string {
	out := covering("chats/getAllMembers", "chats/"+c.thread.id+"/members")
	if c.tenant.hasApp(c.thread.id) {
		out = append(out, covering("appCatalogs/teamsApps/"+c.tenant.catalogApp+"/installedToChats/getAllMembers")...)
	}
	return out
}

// playChatMember has somebody added to a group or removed from it.
func (w *world) playChatMember(t *tenant) {
	c := pick(w, t.chats)
	if c.kind == "oneOnOne" {
		return
	}
	if len(c.members) > 2 && w.one(2) {
		last := c.members[2] // the first two write
		c.members = append(c.members[:2], c.members[3:]...)
		w.tellMember("deleted", c.thread.id, path{{"chats", c.thread.id}, {"members", last.id}}, last, t.subs.chatMembers, true, c.memberCovers())
		return
	}
	p := w.person(t.id, t.domain)
	if w.one(3) {
		p = w.stranger()
	}
	m := w.chatMember(c, p, false)
	if len(c.members) >= 12 {
		c.members = append(c.members[:2], c.members[3:]...)
	}
	c.members = append(c.members, m)
	w.tellMember("created", c.thread.id, path{{"chats", c.thread.id}, {"members", m.id}}, m, t.subs.chatMembers, true, c.memberCovers())
	if w.one(3) {
		w.systemMessage(c.thread, eventDetail{ODataType: "#microsoft.graph.membersAddedEventMessageDetail", Members: []identity{{ID: p.id}}})
	}
}
