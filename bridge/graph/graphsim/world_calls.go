package graphsim

import (
	"strconv"
	"strings"
	"time"
)

// tellCall tells of a call event of m; e has its type under eventType.
func (w *world) tellCall(m *meeting, e callEvent, delta []participant) {
	if m.legacy {
		w.tellLegacyCall(m, e, delta)
		return
	}
	resource := m.subs[0].resource
	if w.registry != nil {
		resource = callEventsPath(m.joinURL)
	}
	e.ODataType = pick(w, []string{"#microsoft.graph.callevent", "#microsoft.graph.callEvent"})
	e.ODataID = strings.TrimPrefix(resource, "/")
	e.ID = w.guid()
	e.EventDateTime = time7(w.now)
	e.Delta = delta
	if w.one(4) {
		e.EventType, e.CallEventType = "", e.EventType
	}
	w.tell(change{
		topic: "meeting-call-events", key: m.key, changeType: "updated",
		resource: resource, odataID: e.ODataID, odataType: e.ODataType, id: e.ID,
		payload: e, subs: m.subs, organization: true,
		tenant: m.tenant.id, covers: covering("communications/onlineMeetings/" + m.joinURL + "/meetingCallEvents"),
	})
}

// participant returns a as a roster shows it, with the members that the
// documentation's samples have or, half the time, with all of the type.
func (w *world) participant(c *call, a *attendee, inLobby bool, removed string) participant {
	c.roster++
	p := participant{ID: a.id, IsInLobby: inLobby, Info: participantInfo{Identity: callIdentity(a.person)}}
	if removed != "" {
		p.RemovedState = &removedState{Reason: removed}
	}
	if w.one(2) {
		return p
	}
	p.IsMuted = new(a.muted)
	p.RosterSequenceNumber = c.roster
	p.Info.LanguageID, p.Info.Region, p.Info.CountryCode = "en-US", "emea", "DE"
	p.Info.ParticipantID = a.id
	p.Info.EndpointType = pick(w, []string{"default", "voicemail", "unknownFutureValue"})
	p.MediaStreams = []mediaStream{{Direction: "sendReceive", Label: "main-audio", MediaType: "audio", ServerMuted: a.muted, SourceID: strconv.FormatInt(c.roster, 10)}}
	if c.recording && w.one(2) {
		p.RecordingInfo = &recordingInfo{Initiator: callIdentity(a.person), RecordingStatus: "recording"}
	}
	return p
}

// tellLegacyCall tells of a call event in the shape of 2022, which knew no
// states of recordings.
func (w *world) tellLegacyCall(m *meeting, e callEvent, delta []participant) {
	types := map[string]string{"callStarted": "CallStarted", "callEnded": "CallEnded", "rosterUpdated": "CallRosterUpdate"}
	kind, ok := types[e.EventType]
	if !ok {
		return
	}
	resource := m.subs[0].resource
	p := legacyCallEvent{
		ODataType: "#Microsoft.Graph.onlineMeeting", ODataID: resource, ID: resource,
		EventType: "Microsoft.Communication." + kind, EventDateTime: time7(w.now), State: "active",
	}
	for _, d := range delta {
		l := legacyParticipant{ID: "User"}
		switch id := d.Info.Identity; {
		case id.User != nil:
			l.Identity.User = &legacyIdentity{ID: id.User.ID, DisplayName: *id.User.DisplayName, TenantID: id.User.TenantID}
		case id.ACS != nil:
			l.ID = "ACS user"
			l.Identity.ACS = &legacyIdentity{ResourceID: w.partnerTenant, ID: id.ACS.ID, DisplayName: *id.ACS.DisplayName}
		default:
			continue
		}
		if d.RemovedState != nil {
			p.Exited = append(p.Exited, l)
		} else {
			p.Joined = append(p.Joined, l)
		}
	}
	w.tell(change{
		topic: "meeting-call-events", key: m.key, changeType: "updated",
		resource: resource, odataType: p.ODataType, id: resource,
		payload: p, subs: m.subs, organization: true,
	})
}

// callEventsArgument returns what stands between the quotes of a call events
// path.
func callEventsArgument(resource string) string {
	_, rest, _ := strings.Cut(resource, "'")
	argument, _, _ := strings.Cut(rest, "'")
	return argument
}

// recordingMade tells of the recording of a call of m.
func (w *world) recordingMade(m *meeting, c *call) {
	id := joinedID("V2", m.thread.id, c.id+"-"+w.digits(10)+"-RecordingV2")
	p := w.artifact(m.organizer, id, c)
	p.MeetingID = new(m.id)
	p.RecordingContentURL = "users/" + m.organizer.id + "/onlineMeetings/" + m.id + "/recordings/" + id + "/content"
	w.tellArtifact("call-recordings", m.thread.id, path{{"users", m.organizer.id}, {"onlineMeetings", m.id}, {"recordings", id}},
		pick(w, []string{"#Microsoft.Graph.callRecording", "#microsoft.graph.callRecording"}), p, m.tenant.subs.recordings, w.artifactCovers(m, "Recordings"))
}

// transcriptMade tells of the transcript of a call of m.
func (w *world) transcriptMade(m *meeting, c *call) {
	id := joinedID("1", m.thread.id, c.id+"-"+w.digits(10)+"-TranscriptV2")
	p := w.artifact(m.organizer, id, c)
	p.MeetingID = new(m.id)
	p.TranscriptContentURL = "users/" + m.organizer.id + "/onlineMeetings/" + m.id + "/transcripts/" + id + "/content"
	if w.one(3) {
		p.CreatedDateTime = nil
	}
	w.tellArtifact("call-transcripts", m.thread.id, path{{"users", m.organizer.id}, {"onlineMeetings", m.id}, {"transcripts", id}},
		"#Microsoft.Graph.callTranscript", p, m.tenant.subs.transcripts, w.artifactCovers(m, "Transcripts"))
}

// artifact returns what recordings and transcripts have in common.
func (w *world) artifact(organizer *person, id string, c *call) callArtifact {
	return callArtifact{
		ID: id, CallID: c.id, ContentCorrelationID: w.guid(),
		CreatedDateTime:  new(time7(c.started)),
		EndDateTime:      time7(w.now),
		MeetingOrganizer: identitySetNulls{User: aadUser(organizer, w.one(4))},
	}
}

// tellArtifact tells of a recording or transcript at p. The user id stands
// after a slash, as Graph's samples have it.
func (w *world) tellArtifact(topic, key string, p path, odataType string, payload callArtifact, sub *subscription, covers []string) {
	text := p.text(mixed)
	odataID := text
	if w.one(4) {
		odataID = strings.Replace(strings.Replace(text, "('"+payload.ID, "("+payload.ID, 1), payload.ID+"')", payload.ID+")", 1)
	}
	w.tell(change{
		topic: topic, key: key, changeType: "created",
		resource: text, odataID: odataID, odataType: odataType, id: payload.ID,
		payload: payload, subs: []*subscription{sub}, tenant: sub.tenantID, covers: covers,
	})
}

// artifactCovers returns whose subscribers are told of a recording or transcript
// of m.
func (w *world) artifactCovers(m *meeting, noun string) []string {
	out := covering(
		"communications/onlineMeetings/getAll"+noun,
		"communications/onlineMeetings/"+m.id+"/"+noun,
		"users/"+m.organizer.id+"/onlineMeetings/getAll"+noun,
	)
	if m.tenant.hasApp(m.thread.id) {
		out = append(out, covering("appCatalogs/teamsApps/"+m.tenant.catalogApp+"/installedToOnlineMeetings/getAll"+noun)...)
	}
	return out
}

// adhocCovers does the same for a call that had no meeting.
func adhocCovers(caller *person, c *call, noun string) []string {
	return covering(
		"communications/adhocCalls/getAll"+noun,
		"communications/adhocCalls/"+c.id+"/"+noun,
		"users/"+caller.id+"/adhocCalls/getAll"+noun,
	)
}

// playAdhocCall tells of the recording or the transcript of a call that had no
// meeting: nothing else of such a call is ever told of.
func (w *world) playAdhocCall(t *tenant) {
	caller := pick(w, t.users)
	c := &call{id: w.guid(), started: w.now.Add(-10 * time.Minute)}
	name := pick(w, []string{"adhoccalls", "adhocCalls"})
	content := "https://graph.microsoft.com/beta/users/" + caller.id + "/adhocCalls/" + c.id
	thread := w.groupThread() // the key: the artifact's id holds it
	if w.one(2) {
		id := joinedID("3", thread, c.id+"-"+w.digits(10)+"-RecordingV2")
		p := w.artifact(caller, id, c)
		p.RecordingContentURL = content + "/recordings/" + id + "/content"
		w.tellArtifact("call-recordings", thread, path{{"users", caller.id}, {name, c.id}, {"recordings", id}}, "#Microsoft.Graph.callRecording", p, t.subs.adhocRecordings, adhocCovers(caller, c, "Recordings"))
		return
	}
	id := joinedID("3", thread, c.id+"-"+w.digits(10)+"-TranscriptV2")
	p := w.artifact(caller, id, c)
	p.TranscriptContentURL = content + "/transcripts/" + id + "/content"
	// The call's id after a slash, the transcript's in quotes: so the samples.
	w.tellArtifact("call-transcripts", thread, path{{"users", caller.id}, {name + "/" + c.id + "/transcripts", id}}, "#Microsoft.Graph.callTranscript", p, t.subs.adhocTranscripts, adhocCovers(caller, c, "Transcripts"))
}
