package bridge

import (
	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/schemas"
)

// callEventJSON is Graph's callEvent, emergencyCallEvent and the shape of 2022
// (FACTS §5.1, §5.3).
type callEventJSON struct {
	rec schemas.MeetingCallEvent

	ID                 str           `json:"id"`
	EventType          str           `json:"eventType"`
	CallEventType      str           `json:"callEventType"`
	EventDateTime      stamp         `json:"eventDateTime"`
	State              str           `json:"state"`
	CallConversationID str           `json:"callConversationId"`
	Recording          callStateJSON `json:"recordingState"`
	Transcription      callStateJSON `json:"transcriptionState"`
	EmergencyNumber    str           `json:"emergencyNumberDialed"`
	PolicyName         str           `json:"policyName"`

	Delta []participantJSON `json:"participants@delta"`
	All   []participantJSON `json:"participants"`

	Joined  []participantJSON `json:"activeParticipants@joined"` // 2022
	Exited  []participantJSON `json:"activeParticipants@exited"` // 2022
	Added   []participantJSON `json:"activeParticipants@delta"`  // earlier in 2022
	Removed []participantJSON `json:"activeParticipants@remove"` // earlier in 2022
}

// callStateJSON is recordingState and transcriptionState. Their type is printed
// nowhere: an object with state and sequenceNumber, or the state alone, are
// understood and all else is left to the payload.
type callStateJSON struct {
	state    str
	sequence *int64
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *callStateJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	var is struct {
		State    str    `json:"state"`
		Sequence *int64 `json:"sequenceNumber"`
	}
	switch v.Kind() {
	case '{':
		err = decodeJSON(v, &is)
	case '"':
		err = decodeJSON(v, &is.State)
	}
	if err == nil {
		s.state, s.sequence = is.State, is.Sequence
	}
	return nil
}

type participantJSON struct {
	ID   str `json:"id"`
	Info struct {
		Identity      identitySet `json:"identity"`
		ParticipantID str         `json:"participantId"`
		EndpointType  str         `json:"endpointType"`
		CountryCode   str         `json:"countryCode"`
		LanguageID    str         `json:"languageId"`
		PlatformID    str         `json:"platformId"`
		Region        str         `json:"region"`
	} `json:"info"`
	Identity             identitySet `json:"identity"` // 2022
	IsInLobby            *bool       `json:"isInLobby"`
	IsMuted              *bool       `json:"isMuted"`
	IsIdentityAnonymized *bool       `json:"isIdentityAnonymized"`
	PreferredDisplayName str         `json:"preferredDisplayName"`
	Metadata             str         `json:"metadata"`
	RosterSequenceNumber *int64      `json:"rosterSequenceNumber"`
	RemovedState         struct {
		Reason str `json:"reason"`
	} `json:"removedState"`
	RecordingInfo struct {
		Status    str         `json:"recordingStatus"`
		Initiator identitySet `json:"initiator"`
	} `json:"recordingInfo"`
	Restricted struct {
		ContentSharing str `json:"contentSharingDisabled"`
		Video          str `json:"videoDisabled"`
	} `json:"restrictedExperience"`
	MediaStreams []mediaStreamJSON `json:"mediaStreams"`
}

type mediaStreamJSON struct {
	Direction   str   `json:"direction"`
	Label       str   `json:"label"`
	MediaType   str   `json:"mediaType"`
	ServerMuted *bool `json:"serverMuted"`
	SourceID    str   `json:"sourceId"`
}

func (in *input) callEvent() (fed, stamp, error) {
	w := &callEventJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	none := ""
	rec.ID = in.id(&none, &w.ID)
	rec.EventType = w.EventType.or(&w.CallEventType).ptr()
	rec.EventDateTime = w.EventDateTime.ptr()
	rec.JoinWebURL = optional(&in.path.JoinWebURL)
	rec.State = w.State.ptr()
	rec.CallConversationID = w.CallConversationID.ptr()
	rec.RecordingState, rec.RecordingStateSequenceNumber = w.Recording.state.ptr(), w.Recording.sequence
	rec.TranscriptionState, rec.TranscriptionStateSequenceNumber = w.Transcription.state.ptr(), w.Transcription.sequence
	rec.EmergencyNumberDialed = w.EmergencyNumber.ptr()
	rec.PolicyName = w.PolicyName.ptr()
	w.roster()
	return rec, w.EventDateTime, nil
}

// roster sets the participants: those that changed where Graph says so, else all.
func (w *callEventJSON) roster() {
	isDelta := true
	lists := [...]struct {
		from   []participantJSON
		change string
	}{{w.Delta, ""}, {w.Joined, "joined"}, {w.Added, "joined"}, {w.Exited, "exited"}, {w.Removed, "exited"}}
	n, some := 0, false
	for _, l := range lists {
		n, some = n+len(l.from), some || l.from != nil
	}
	if !some {
		if w.All == nil {
			return
		}
		isDelta, n = false, len(w.All)
		lists[0].from = w.All
	}
	w.rec.ParticipantsAreDelta = &isDelta
	w.rec.Participants = make([]schemas.CallParticipant, 0, n)
	for _, l := range lists {
		for i := range l.from {
			p := l.from[i].participant()
			if l.change != "" {
				p.Change = &l.change
			}
			w.rec.Participants = append(w.rec.Participants, p)
		}
	}
}

func (p *participantJSON) participant() schemas.CallParticipant {
	set := &p.Info.Identity
	if !set.kind.ok {
		set = &p.Identity
	}
	is := schemas.CallParticipant{
		ParticipantID:          p.ID.ptr(),
		IdentityKind:           set.kind.ptr(),
		IdentityID:             set.who.ID.ptr(),
		DisplayName:            set.who.DisplayName.ptr(),
		TenantID:               set.who.TenantID.ptr(),
		IdentityType:           set.who.identityType(),
		IsInLobby:              p.IsInLobby,
		IsMuted:                p.IsMuted,
		RemovedReason:          p.RemovedState.Reason.ptr(),
		InfoParticipantID:      p.Info.ParticipantID.ptr(),
		EndpointType:           p.Info.EndpointType.ptr(),
		CountryCode:            p.Info.CountryCode.ptr(),
		LanguageID:             p.Info.LanguageID.ptr(),
		PlatformID:             p.Info.PlatformID.ptr(),
		Region:                 p.Info.Region.ptr(),
		Metadata:               p.Metadata.ptr(),
		RosterSequenceNumber:   p.RosterSequenceNumber,
		RecordingStatus:        p.RecordingInfo.Status.ptr(),
		RecordingInitiatorID:   p.RecordingInfo.Initiator.who.ID.ptr(),
		ContentSharingDisabled: p.Restricted.ContentSharing.ptr(),
		VideoDisabled:          p.Restricted.Video.ptr(),
		IsIdentityAnonymized:   p.IsIdentityAnonymized,
		PreferredDisplayName:   p.PreferredDisplayName.ptr(),
	}
	if set.kind.s == "user" {
		is.UserID = is.IdentityID
	}
	is.MediaStreams = each(p.MediaStreams, func(m *mediaStreamJSON) schemas.CallMediaStream {
		return schemas.CallMediaStream{
			Direction: m.Direction.ptr(), Label: m.Label.ptr(), MediaType: m.MediaType.ptr(),
			ServerMuted: m.ServerMuted, SourceID: m.SourceID.ptr(),
		}
	})
	return is
}
