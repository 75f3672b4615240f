package graphsim

import "strings"

// The kinds of virtual events, as their paths name them.
const (
	webinars  = "webinars"
	townHalls = "townhalls"
)

// How many virtual events of a tenant, and what of one of them, the world
// remembers.
const (
	maxEvents        = 8
	maxSessions      = 3
	maxRegistrations = 20
)

// virtualEvent is a webinar or town hall. Graph tells of virtual events by
// basic notifications only (FACTS §0.8).
type virtualEvent struct {
	tenant        *tenant
	kind, id      string
	organizer     *person
	sessions      []string // ids; the call of a session is a meeting's
	registrations []string // ids, not cancelled
	all           []*subscription

	updates, reports, sessionSub, registered, video *subscription
}

// newEvent makes a virtual event with its first session and the subscriptions
// that somebody keeps for each.
func (w *world) newEvent(t *tenant, kind string) *virtualEvent {
	e := &virtualEvent{tenant: t, kind: kind, id: w.guid() + "@" + t.id, organizer: t.users[w.rng.IntN(4)]}
	at := "solutions/virtualEvents/" + kind + "/" + e.id
	sub := func(suffix string) *subscription {
		s := w.subscribe(t, at+suffix, false)
		e.all = append(e.all, s)
		return s
	}
	e.updates, e.reports, e.sessionSub, e.video = sub(""), sub("/getAttendanceReports"), sub("/sessions"), sub("/getVideoOnDemandPublication")
	if kind == webinars {
		e.registered = sub("/registrations")
	}
	e.sessions = []string{w.guid()}
	return e
}

// playEvent has something happen to a webinar or town hall of t.
func (w *world) playEvent(t *tenant) {
	n := w.rng.IntN(100)
	if len(t.events) == 0 || n < 5 {
		w.createEvent(t, pick(w, []string{webinars, webinars, townHalls}))
		return
	}
	e := pick(w, t.events)
	switch {
	case n < 20:
		w.updateEvent(e)
	case n < 25:
		w.createSession(e)
	case n < 40:
		w.tellSession(e, pick(w, e.sessions), "updated")
	case n < 70 && e.kind == webinars:
		w.register(e)
	case n < 84 && len(e.registrations) > 0:
		w.unregister(e)
	case n < 92:
		w.report(e, pick(w, e.sessions))
	default:
		w.publishVideo(e, pick(w, e.sessions))
	}
}

// at returns the path of e, its fixed segments in one of two spellings.
func (w *world) at(e *virtualEvent) string {
	return "solutions/" + pick(w, []string{"virtualEvents", "virtualEvents", "virtualevents"}) + "/" + e.kind + "/" + e.id
}

// covers returns whose subscribers are told of what happens to e.
func (e *virtualEvent) covers(suffix string) []string {
	return covering("solutions/virtualEvents/" + e.kind + "/" + e.id + suffix)
}

// createEvent makes a virtual event, tells the tenant's subscriber, and forgets
// the oldest.
func (w *world) createEvent(t *tenant, kind string) {
	e := w.newEvent(t, kind)
	if len(t.events) >= maxEvents {
		for _, s := range t.events[0].all {
			t.unsubscribe(s)
		}
		t.events = t.events[1:]
	}
	t.events = append(t.events, e)
	c := change{
		topic: "webinars", key: e.id, changeType: "created", subs: []*subscription{t.subs.events},
		resource: "solutions/virtualEvents/events/", odataID: w.at(e) + "/", odataType: "#microsoft.graph.virtualEvent",
	}
	if kind == townHalls {
		// Without tenantId, as the documentation prints it, where the
		// clientState is not bound to a tenant.
		c.odataID, c.odataType = w.at(e), "#microsoft.graph.virtualEventTownhall"
		c.resource, c.noTenant = c.odataID, w.cfg.literalStates && w.one(2)
	}
	c.id = c.odataID
	c.tenant, c.facet = t.id, e.organizer.id
	c.covers = covering("solutions/virtualEvents/events", "solutions/virtualEvents/events/getEventsFromOrganizers")
	w.tell(c)
}

func (w *world) updateEvent(e *virtualEvent) {
	where := w.at(e)
	if w.one(2) {
		where += "/"
	}
	odataType := "#microsoft.graph.virtualEvent"
	if w.one(2) {
		odataType = map[string]string{webinars: "#microsoft.graph.virtualEventWebinar", townHalls: "#microsoft.graph.virtualEventTownhall"}[e.kind]
	}
	w.tell(change{
		topic: "webinars", key: e.id, changeType: "updated", subs: []*subscription{e.updates},
		resource: where, odataType: odataType, id: where,
		tenant: e.tenant.id, covers: e.covers(""),
	})
}

func (w *world) createSession(e *virtualEvent) {
	s := w.guid()
	if len(e.sessions) >= maxSessions {
		e.sessions = e.sessions[1:]
	}
	e.sessions = append(e.sessions, s)
	w.tellSession(e, s, "created")
}

func (w *world) tellSession(e *virtualEvent, session string, changeType string) {
	where := w.at(e) + "/sessions"
	id := where + "/" + session
	w.tell(change{
		topic: "webinar-sessions", key: e.id, changeType: changeType, subs: []*subscription{e.sessionSub},
		resource: where, odataID: id, id: id,
		odataType: pick(w, []string{"#microsoft.graph.virtualEventSession", "#microsoft.graph.virtualeventsession"}),
		tenant:    e.tenant.id, covers: e.covers("/sessions"),
	})
}

// publishVideo tells that a recording of s can be watched, or no longer.
func (w *world) publishVideo(e *virtualEvent, session string) {
	at := w.at(e)
	id := at + "/sessions/" + session
	w.tell(change{
		topic: "webinar-sessions", key: e.id, changeType: "updated", subs: []*subscription{e.video},
		resource: at + "/getVideoOnDemandPublication", odataID: id, odataType: "#microsoft.graph.virtualeventsession", id: id,
		tenant: e.tenant.id, covers: e.covers("/getVideoOnDemandPublication"),
	})
}

func (w *world) register(e *virtualEvent) {
	id := w.guid()
	if len(e.registrations) >= maxRegistrations {
		e.registrations = e.registrations[1:]
	}
	e.registrations = append(e.registrations, id)
	w.tellRegistration(e, id, "created")
}

// unregister has the longest registered cancel, which is an update.
func (w *world) unregister(e *virtualEvent) {
	id := e.registrations[0]
	e.registrations = e.registrations[1:]
	w.tellRegistration(e, id, "updated")
}

func (w *world) tellRegistration(e *virtualEvent, id, changeType string) {
	where := w.at(e) + "/registrations"
	w.tell(change{
		topic: "webinar-registrations", key: e.id, changeType: changeType, subs: []*subscription{e.registered},
		resource: where, odataID: where + "/" + id, odataType: "#microsoft.graph.virtualEventRegistration", id: where + "/" + id,
		tenant: e.tenant.id, covers: e.covers("/registrations"),
	})
}

// report tells that the attendance report of a session is ready. Here the item
// carries the bare id (FACTS §5).
func (w *world) report(e *virtualEvent, session string) {
	id := w.guid()
	at := w.at(e)
	w.tell(change{
		topic: "webinar-attendance-reports", key: e.id, changeType: "created", subs: []*subscription{e.reports},
		resource: at + "/getAttendanceReports", odataID: at + "/sessions/" + session + "/attendanceReports/" + id,
		odataType: "#microsoft.graph." + strings.Replace("meetingAttendanceReport", "m", pick(w, []string{"m", "M"}), 1), id: id,
		tenant: e.tenant.id, covers: e.covers("/getAttendanceReports"),
	})
}
