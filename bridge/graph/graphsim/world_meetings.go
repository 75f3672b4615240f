package graphsim

import (
	"strconv"
	"time"
)

// meeting is one online meeting: its chat, and its calls one after another.
type meeting struct {
	tenant    *tenant
	organizer *person
	subject   string
	thread    *thread // its chat; a channel meeting's is the channel
	chat      *chat   // nil for a channel meeting
	joinURL   string
	id        string // "" for a channel meeting: it is neither recorded nor transcribed here
	key       string // of its call events
	legacy    bool   // its subscription is of 2022
	subs      []*subscription

	call      *call
	aftermath []func() // recordings and transcripts that are still being made
}

// call is a call of a meeting while it lasts.
type call struct {
	id             string
	started        time.Time
	steps          int // left before it ends
	lobby, present []*attendee
	roster         int64
	states         int64
	recording      bool
	recorded       bool
	transcribing   bool
	transcribed    bool
}

// attendee is a person in a call; the id is one of this joining.
type attendee struct {
	person *person
	id     string
	muted  bool
}

// newMeeting makes the n-th meeting of t. Every fourth takes place in a
// channel, every fourth has a short link, every fourth is watched by a basic
// subscription, every eighth by one of 2022.
func (w *world) newMeeting(t *tenant, n int) *meeting {
	m := &meeting{
		tenant: t, organizer: t.users[n%4], legacy: n%8 == 7 && w.cfg.API == nil,
		subject: pick(w, []string{"Weekly", "Stand-up", "Review", "1:1", "Sales \"Q3\"", "全社会議"}) + " " + strconv.Itoa(n) + w.marker(),
	}
	if n%4 == 1 {
		home := pick(w, t.teams[0].channels)
		message := w.messageID()
		m.thread = home.thread
		m.joinURL = joinURL(home.thread.id, message, m.organizer)
		m.key = home.thread.id + "/" + message
	} else {
		id := w.meetingThread()
		m.id, m.key = onlineMeetingID(m.organizer, id), id
		m.joinURL = joinURL(id, "0", m.organizer)
		if n%4 == 2 {
			code := w.digits(13)
			m.joinURL = "https://teams.microsoft.com/meet/" + code + "?p=" + w.letters(18)
			m.key = "meet:" + code
		}
		m.chat = w.newMeetingChat(t, m, id)
		m.thread = m.chat.thread
	}
	resource := callEventsPath(m.joinURL)
	switch {
	case m.legacy:
		resource = "communications/onlineMeetings?$filter=joinWebUrl+eq+'" + callEventsArgument(resource) + "'"
	case w.one(3):
		resource = "/" + resource
	}
	m.subs = []*subscription{w.subscribe(t, resource, n%4 != 3 || m.legacy)}
	return m
}

// playMeeting takes one meeting of t one step further.
func (w *world) playMeeting(t *tenant) {
	if len(t.meetings) > 0 {
		w.stepMeeting(pick(w, t.meetings))
	}
}

func (w *world) stepMeeting(m *meeting) {
	c := m.call
	switch {
	case c == nil && len(m.aftermath) > 0:
		first := m.aftermath[0]
		m.aftermath = m.aftermath[1:]
		first()
	case c == nil:
		w.startCall(m)
	case c.steps <= 0:
		w.endCall(m)
	default:
		c.steps--
		w.goOn(m, c)
	}
}

func (w *world) startCall(m *meeting) {
	m.call = &call{id: w.guid(), started: w.now, steps: 8 + w.rng.IntN(40)}
	w.tellCall(m, callEvent{EventType: "callStarted"}, nil)
	if m.chat != nil {
		w.systemMessage(m.thread, eventDetail{
			ODataType: "#microsoft.graph.callStartedEventMessageDetail", CallID: m.call.id, EventType: "meeting",
			Initiator: &identitySetNulls{User: aadUser(m.organizer, false)},
		})
	}
}

// goOn lets one thing happen in a call.
func (w *world) goOn(m *meeting, c *call) {
	n := w.rng.IntN(100)
	switch {
	case len(c.present) == 0, n < 30 && len(c.present) < 40:
		w.join(m, c)
	case n < 42 && len(c.lobby) > 0:
		w.admit(m, c)
	case n < 55 && len(c.present) > 1:
		w.leave(m, c, 1+w.rng.IntN(min(3, len(c.present)-1)), reasonLeft)
	case n < 59 && len(c.present) > 1:
		w.leave(m, c, 1, reasonInactive)
	case n < 77:
		a := pick(w, c.present)
		a.muted = !a.muted
		w.tellCall(m, callEvent{EventType: "rosterUpdated"}, []participant{w.participant(c, a, false, "")})
	case n < 83 && m.id != "":
		c.recording = !c.recording
		c.recorded = c.recorded || c.recording
		c.states++
		state := map[bool]string{true: "active", false: "inactive"}[c.recording]
		w.tellCall(m, callEvent{EventType: "recordingStateUpdated", CallConversationID: c.id, RecordingState: &sequencedState{c.states, state}}, nil)
	case n < 88 && m.id != "":
		c.transcribing = !c.transcribing
		c.transcribed = c.transcribed || c.transcribing
		c.states++
		state := map[bool]string{true: "active", false: "inactive"}[c.transcribing]
		w.tellCall(m, callEvent{EventType: "transcriptionStateUpdated", CallConversationID: c.id, TranscriptionState: &sequencedState{c.states, state}}, nil)
	default:
		w.write(m.thread)
	}
}

// join brings one to three people in: users of the tenant straight into the
// call, most strangers into the lobby first.
func (w *world) join(m *meeting, c *call) {
	var delta []participant
	for range 1 + w.rng.IntN(3)/2 {
		a := &attendee{id: w.guid(), muted: w.one(2)}
		if a.person = pick(w, m.tenant.users); w.one(4) {
			a.person = w.stranger()
		}
		lobby := a.person.tenantID != m.tenant.id && !w.one(4)
		if lobby {
			c.lobby = append(c.lobby, a)
		} else {
			c.present = append(c.present, a)
		}
		delta = append(delta, w.participant(c, a, lobby, ""))
	}
	w.tellCall(m, callEvent{EventType: "rosterUpdated"}, delta)
}

// admit lets the first in the lobby in.
func (w *world) admit(m *meeting, c *call) {
	a := c.lobby[0]
	c.lobby = c.lobby[1:]
	c.present = append(c.present, a)
	w.tellCall(m, callEvent{EventType: "rosterUpdated"}, []participant{w.participant(c, a, false, "")})
}

// leave takes the first n people out of the call.
func (w *world) leave(m *meeting, c *call, n int, reason string) {
	var delta []participant
	for _, a := range c.present[:n] {
		delta = append(delta, w.participant(c, a, false, reason))
	}
	c.present = c.present[n:]
	w.tellCall(m, callEvent{EventType: "rosterUpdated"}, delta)
}

// endCall sends everybody home and has the recordings and transcripts made.
func (w *world) endCall(m *meeting) {
	c := m.call
	if len(c.present) > 0 {
		w.leave(m, c, len(c.present), reasonLeft)
	}
	w.tellCall(m, callEvent{EventType: "callEnded"}, nil)
	if m.chat != nil {
		w.systemMessage(m.thread, eventDetail{
			ODataType: "#microsoft.graph.callEndedEventMessageDetail", CallID: c.id, EventType: "meeting",
			CallDuration: "PT" + strconv.Itoa(int(w.now.Sub(c.started).Seconds())) + "S",
		})
	}
	if c.recorded || m.id != "" && w.one(3) {
		m.aftermath = append(m.aftermath, func() { w.recordingMade(m, c) })
	}
	if c.transcribed || m.id != "" && w.one(3) {
		m.aftermath = append(m.aftermath, func() { w.transcriptMade(m, c) })
	}
	m.call = nil
}
