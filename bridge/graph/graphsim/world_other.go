package graphsim

import (
	"strconv"
	"time"
)

// installationMemory bounds the installations of a tenant that the world
// remembers.
const installationMemory = 20

// installation is a Teams app where it is installed.
type installation struct {
	id, scope string
	where     string // team, chat or user
	version   int
}

// playInstallation has the watched app installed, upgraded or removed.
func (w *world) playInstallation(t *tenant) {
	n := w.rng.IntN(10)
	if len(t.installed) == 0 || n < 5 {
		w.install(t)
		return
	}
	i := w.rng.IntN(len(t.installed))
	a := t.installed[i]
	if n < 8 {
		a.version = w.revision()
		w.tellInstallation(t, a, "updated")
		return
	}
	t.installed = append(t.installed[:i], t.installed[i+1:]...)
	w.tellInstallation(t, a, "deleted")
}

func (w *world) install(t *tenant) {
	a := &installation{}
	switch w.rng.IntN(3) {
	case 0:
		a.scope, a.where = "team", pick(w, t.teams).id
	case 1:
		a.scope, a.where = "groupChat", pick(w, t.chats).thread.id
	default:
		a.scope, a.where = "personal", pick(w, t.users).id
	}
	a.id = joinedID(w.guid(), w.guid())
	if len(t.installed) >= installationMemory {
		t.installed = t.installed[1:]
	}
	t.installed = append(t.installed, a)
	w.tellInstallation(t, a, "created")
}

func (w *world) tellInstallation(t *tenant, a *installation, changeType string) {
	resource, odataID := w.spelled(path{{"appCatalogs/teamsApps", t.catalogApp}, {"installations", a.id}})
	p := installationPayload{
		ID: a.id, TeamsApp: teamsApp{ID: t.catalogApp},
		ScopeInfo: scopeInfo{ODataType: "#microsoft.graph." + a.scope + "TeamsAppInstallationScopeInfo", Scope: a.scope},
	}
	switch a.scope {
	case "team":
		p.ScopeInfo.TeamID = a.where
	case "groupChat":
		p.ScopeInfo.ChatID = a.where
	default:
		p.ScopeInfo.UserID = a.where
	}
	if a.version > 0 || w.one(2) {
		p.TeamsAppDefinition = &appDefinition{ID: joinedID(t.catalogApp, strconv.Itoa(a.version)), TeamsAppID: t.catalogApp, Version: "1.0." + strconv.Itoa(a.version)}
		p.ConsentedPermissions = &permissionSet{ResourceSpecificPermissions: []resourcePermission{{"ChatMessage.Read.Chat", "application"}}}
	}
	w.tell(change{
		topic: "app-installations", key: a.where, changeType: changeType, resource: resource, odataID: odataID, id: a.id,
		odataType: "#Microsoft.Graph.teamsAppInstallation", payload: p, subs: []*subscription{t.subs.installations},
		tenant: t.id, covers: covering("appCatalogs/teamsApps/" + t.catalogApp + "/installations"), facet: a.scope,
	})
}

// playLifecycle has Graph tell about one of t's fixed subscriptions itself. Whoever
// owns it mends it at once: its expiry is another one next time.
func (w *world) playLifecycle(t *tenant) {
	if w.registry != nil {
		return // the clerk sends notices, when they are due
	}
	s := pick(w, t.all)
	event := "reauthorizationRequired"
	switch {
	case s.messages && w.one(4):
		event = "subscriptionRemoved"
	case w.one(30):
		event = "missed" // for no Teams resource in truth, but readers know it (FACTS §3)
	}
	w.tellLifecycle(s, event)
	s.expires = s.expires.Add(time.Duration(1+w.rng.IntN(3600)) * time.Second)
}

// playOther has something happen that a bridge for meetings has no type for.
func (w *world) playOther(t *tenant) {
	switch w.rng.IntN(3) {
	case 0:
		id := t.users[w.rng.IntN(2)].id
		p := presencePayload{ID: id, Availability: pick(w, []string{"Available", "Busy", "Away"}), Activity: "InACall", SequenceNumber: "A" + strconv.Itoa(w.revision())}
		w.tell(change{
			topic: "other", changeType: "updated", resource: "communications/presences('" + id + "')", id: id,
			odataType: "#Microsoft.Graph.presence", payload: p, subs: []*subscription{t.subs.presence}, identified: true,
			tenant: t.id, covers: covering("communications/presences", "communications/presences/"+id), facet: id,
		})
	case 1:
		id := w.guid()
		w.tell(change{
			topic: "other", changeType: "created", resource: "communications/callRecords/" + id, id: id,
			odataType: "#microsoft.graph.callrecord", subs: []*subscription{t.subs.callRecords}, identified: true,
			tenant: t.id, covers: covering("communications/callRecords"),
		})
	default:
		id := w.guid()
		w.tell(change{
			topic: "other", changeType: pick(w, []string{"created", "updated"}), resource: "solutions/approval/approvalItems('" + id + "')", id: id,
			odataType: "#microsoft.graph.approvalItem", subs: []*subscription{t.subs.approvals}, identified: true,
			tenant: t.id, covers: covering("solutions/approval/approvalItems"),
		})
	}
}

// openingScenes returns the beginning: one thing of every kind, so that every
// topic that Graph feeds has a record within the first few dozen items.
func (w *world) openingScenes(t *tenant) []func() {
	scenes := []func(){
		func() { w.playChatMessage(t) },
		func() { w.createChat(t) },
		func() { w.tellChannel(t.teams[0].channels[0], "updated") },
		func() { w.tellTeam(t.teams[0], "created") },
		func() { w.playTeamMember(t) },
		func() { w.install(t) },
		func() { w.createEvent(t, webinars) },
		func() { e := w.newest(t); w.tellSession(e, e.sessions[0], "created") },
		func() { w.register(w.newest(t)) },
		func() { w.createEvent(t, townHalls) },
		func() { w.playChannelMessage(t) },
		func() { e := w.newest(t); w.report(e, e.sessions[0]) },
		func() { w.playLifecycle(t) },
		func() { w.playOther(t) },
		func() { w.playAdhocCall(t) },
	}
	if len(t.meetings) > 0 {
		m := t.meetings[0]
		past := &call{id: w.guid(), started: w.now.Add(-time.Hour)}
		scenes = append([]func(){
			func() { w.startCall(m) },
			func() { w.join(m, m.call) },
			func() { w.recordingMade(m, past) },
			func() { w.transcriptMade(m, past) },
		}, scenes...)
	}
	return scenes
}

// newest returns the newest webinar of t.
func (w *world) newest(t *tenant) *virtualEvent {
	for i := len(t.events) - 1; i >= 0; i-- {
		if t.events[i].kind == webinars {
			return t.events[i]
		}
	}
	return t.events[len(t.events)-1]
}
