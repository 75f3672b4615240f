package graphsim

import (
	"strconv"
	"strings"
	"time"
)

// threadMemory is how many messages of a thread can still be edited, answered
// and deleted: the world forgets older ones, so it never grows.
const threadMemory = 12

// thread is where people write: a chat or a channel.
type thread struct {
	tenant   *tenant
	id       string
	team     *team // of a channel; nil: a chat
	authors  []*person
	messages []*message
	subs     []*subscription
	reader   *person // in whose name a user-level subscription sees the chat
	userSub  *subscription
}

// message is one message while the world remembers it.
type message struct {
	id        string
	parent    *message // of a reply
	author    *person
	text      string
	html      bool
	created   time.Time
	modified  time.Time
	edited    bool
	revision  int
	reactions []reaction
	mentions  []mention
	files     []attachment
}

// playChatMessage has something happen to a message in a chat of t.
func (w *world) playChatMessage(t *tenant) { w.write(pick(w, t.chats).thread) }

// playChannelMessage has something happen to a message in a channel of t.
func (w *world) playChannelMessage(t *tenant) {
	w.write(pick(w, pick(w, t.teams).channels).thread)
}

// write has somebody write, answer, edit, react or delete in th.
func (w *world) write(th *thread) {
	n := w.rng.IntN(100)
	if len(th.messages) == 0 || n < 60 {
		w.newMessage(th, nil)
		return
	}
	m := pick(w, th.messages)
	switch {
	case n < 74 && th.team != nil:
		for m.parent != nil {
			m = m.parent
		}
		w.newMessage(th, m)
	case n < 84:
		m.text, m.edited = w.text(), true
		w.updateMessage(th, m)
	case n < 94:
		r := reaction{
			ReactionType: pick(w, []string{"like", "heart", "laugh", "👍", "surprised"}), DisplayName: "Like",
			CreatedDateTime: timeMillis(w.now), User: identitySetNulls{User: &identity{UserIdentityType: "aadUser", ID: pick(w, th.authors).id}},
		}
		if len(m.reactions) < 5 {
			m.reactions = append(m.reactions, r)
		} else {
			m.reactions = []reaction{r}
		}
		w.updateMessage(th, m)
	default:
		w.deleteMessage(th, m)
	}
}

// newMessage has somebody write a message, a reply if parent is set.
func (w *world) newMessage(th *thread, parent *message) {
	m := &message{
		id: w.messageID(), parent: parent, author: pick(w, th.authors), text: w.text(),
		html: w.one(2), created: w.now, modified: w.now,
	}
	if m.html && w.one(3) {
		whom := pick(w, th.authors)
		m.mentions = []mention{{ID: 0, MentionText: whom.name, Mentioned: &messageFrom{User: aadUser(whom, true)}}}
		m.text = `<at id="0">` + whom.name + `</at> ` + m.text
	}
	if w.one(6) {
		id := w.guid()
		m.files = []attachment{{ID: id, ContentType: "reference", ContentURL: new("https://contoso.sharepoint.example/sites/a/" + id + ".docx"), Name: new("Plan " + m.id + ".docx")}}
		m.text += `<attachment id="` + id + `"></attachment>`
	}
	th.remember(m)
	w.tellMessage(th, m, "created", w.messagePayload(th, m))
}

func (w *world) updateMessage(th *thread, m *message) {
	m.modified, m.revision = w.now, w.revision()
	w.tellMessage(th, m, "updated", w.messagePayload(th, m))
}

// deleteMessage has m's author take it back. What a deletion's payload holds is
// not documented (FACTS §9); here the text is gone.
func (w *world) deleteMessage(th *thread, m *message) {
	m.modified, m.revision = w.now, w.revision()
	m.text, m.mentions, m.files, m.reactions = "", nil, nil, nil
	p := w.messagePayload(th, m)
	p.DeletedDateTime = new(timeMillis(w.now))
	th.forget(m)
	w.tellMessage(th, m, "deleted", p)
}

// systemMessage has Teams itself write into th.
func (w *world) systemMessage(th *thread, detail eventDetail) {
	m := &message{id: w.messageID(), text: "<systemEventMessage/>", html: true, created: w.now, modified: w.now}
	p := w.messagePayload(th, m)
	p.MessageType = pick(w, []string{"systemEventMessage", "unknownFutureValue"}) // by the Prefer header (FACTS §4.6)
	p.EventDetail = &detail
	w.tellMessage(th, m, "created", p)
}

func (th *thread) remember(m *message) {
	if len(th.messages) == threadMemory {
		th.forget(th.messages[0])
	}
	th.messages = append(th.messages, m)
}

func (th *thread) forget(m *message) {
	for i, other := range th.messages {
		if other == m {
			th.messages = append(th.messages[:i], th.messages[i+1:]...)
			return
		}
	}
}

// tellMessage tells the subscribers of th, and those of one of its readers
// under that user's path.
func (w *world) tellMessage(th *thread, m *message, changeType string, p *chatMessage) {
	where := th.path(m)
	resource, odataID := w.spelled(where)
	c := change{
		topic: "chat-messages", key: th.id, changeType: changeType,
		resource: resource, odataID: odataID, id: m.id,
		odataType: pick(w, []string{"#Microsoft.Graph.chatMessage", "#Microsoft.Graph.chatMessage", "#microsoft.graph.chatMessage", "#Microsoft.Graph.ChatMessage"}),
		payload:   p, subs: th.subs, capital: th.team == nil,
		tenant: th.tenant.id, covers: th.covers(),
	}
	w.tell(c)
	if w.registry != nil {
		w.tellReaders(th, where, c)
		return
	}
	if th.userSub != nil {
		c.resource = append(path{{"users", th.reader.id}}, where...).text(pick(w, []form{quoted, mixed}))
		c.odataID, c.subs = c.resource, []*subscription{th.userSub}
		w.tell(c)
	}
}

// covers returns whose subscribers are told of a message in th, its readers
// apart.
func (th *thread) covers() []string {
	if th.team != nil {
		return covering("teams/getAllMessages", "teams/"+th.team.id+"/channels/"+th.id+"/messages")
	}
	out := covering("chats/getAllMessages", "chats/"+th.id+"/messages")
	if th.tenant.hasApp(th.id) {
		out = append(out, covering("appCatalogs/teamsApps/"+th.tenant.catalogApp+"/installedToChats/getAllMessages")...)
	}
	return out
}

// tellReaders tells the subscribers of each user who writes in a chat, under the
// user's own path.
func (w *world) tellReaders(th *thread, where path, c change) {
	if th.team != nil {
		return
	}
	c.minor = true
	for _, p := range th.authors {
		c.resource = append(path{{"users", p.id}}, where...).text([]form{quoted, mixed}[w.manner.IntN(2)])
		c.odataID = c.resource
		c.covers = covering("users/" + p.id + "/chats/getAllMessages")
		w.tell(c)
	}
}

// path returns where m stands.
func (th *thread) path(m *message) path {
	p := path{{"chats", th.id}}
	if th.team != nil {
		p = path{{"teams", th.team.id}, {"channels", th.id}}
	}
	if m.parent != nil {
		return append(p, segment{"messages", m.parent.id}, segment{"replies", m.id})
	}
	return append(p, segment{"messages", m.id})
}

// text draws something to say.
func (w *world) text() string {
	s := pick(w, []string{
		"Hello", "test", "Can everybody hear me?", "See you at <b>3</b> &amp; bring the numbers", "好的，谢谢", "Ça marche 👍",
		"Line one\nline two\t\"quoted\" \\ back", "https://example.com/?a=1&b=2", "مرحبا", "I'll share my screen",
	})
	if w.one(40) {
		s = strings.Repeat(s+" ", 300)
	}
	return s + " " + strconv.Itoa(w.rng.IntN(1000)) + w.marker()
}

// messagePayload returns m as a GET would.
func (w *world) messagePayload(th *thread, m *message) *chatMessage {
	p := &chatMessage{
		ID: m.id, ETag: m.id, MessageType: "message",
		CreatedDateTime: timeMillis(m.created), LastModifiedDateTime: timeMillis(m.modified),
		Importance: "normal", Locale: "en-us", Body: itemBody{ContentType: "text", Content: m.text},
		Attachments: m.files, Mentions: m.mentions, Reactions: append([]reaction(nil), m.reactions...),
	}
	if m.revision > 0 {
		p.ETag = strconv.FormatInt(1_800_000_000_000+int64(m.revision), 10)
	}
	if m.html {
		p.Body = itemBody{ContentType: "html", Content: "<p>" + m.text + "</p>"}
	}
	if m.author != nil {
		p.From = &messageFrom{User: aadUser(m.author, true)}
		p.From.User.TenantID = ""
	}
	if m.edited {
		p.LastEditedDateTime = new(timeMillis(m.modified))
	}
	if m.created.Nanosecond()/1e6%10 == 0 {
		p.CreatedDateTime = m.created.UTC().Format(layoutWhole)
	}
	if w.one(10) {
		p.Importance = pick(w, []string{"high", "urgent", "unknownFutureValue"})
	}
	if w.one(30) {
		p.PolicyViolation = &policyViolation{
			DLPAction: "notifySender", UserAction: "none", VerdictDetails: "none",
			PolicyTip: &policyTip{ComplianceURL: "https://compliance.example/", GeneralText: "This may be sensitive.", MatchedConditionDescriptions: []string{"Credit card number"}},
		}
	}
	for i := range m.reactions {
		r := m.reactions[i]
		p.MessageHistory = append(p.MessageHistory, historyItem{ModifiedDateTime: r.CreatedDateTime, Actions: "reactionAdded", Reaction: &r})
	}
	if m.parent != nil {
		p.ReplyToID = new(m.parent.id)
	}
	if th.team == nil {
		p.ChatID = new(th.id)
		return p
	}
	p.ChannelIdentity = &channelIdentity{TeamID: th.team.id, ChannelID: th.id}
	p.WebURL = new("https://teams.microsoft.com/l/message/" + strings.NewReplacer(":", "%3A", "@", "%40").Replace(th.id) + "/" + m.id + "?groupId=" + th.team.id + "&tenantId=" + th.tenant.id + "&createdTime=" + m.id)
	if w.one(4) {
		p.ODataContext = "https://graph.microsoft.com/$metadata#teams('" + th.team.id + "')/channels('" + strings.NewReplacer(":", "%3A", "@", "%40").Replace(th.id) + "')/messages/$entity"
	}
	if m.parent == nil && w.one(3) {
		p.Subject = new("Subject of " + m.id + w.marker())
	}
	return p
}
