package graphsim

// callEvent is the payload of meetingCallEvents (FACTS §5.2, §5.3). The event
// type stands under either of two names (FACTS §0.3).
type callEvent struct {
	ODataType          string          `json:"@odata.type"`
	ODataID            string          `json:"@odata.id"`
	ID                 string          `json:"id"`
	EventType          string          `json:"eventType,omitzero"`
	CallEventType      string          `json:"callEventType,omitzero"`
	EventDateTime      string          `json:"eventDateTime"`
	CallConversationID string          `json:"callConversationId,omitzero"`
	RecordingState     *sequencedState `json:"recordingState,omitzero"`
	TranscriptionState *sequencedState `json:"transcriptionState,omitzero"`
	Delta              []participant   `json:"participants@delta,omitempty"`
}

// sequencedState is a beta addition; its members' types are not documented.
type sequencedState struct {
	SequenceNumber int64  `json:"sequenceNumber"`
	State          string `json:"state"`
}

type participant struct {
	Info                 participantInfo `json:"info"`
	IsInLobby            bool            `json:"isInLobby"`
	IsMuted              *bool           `json:"isMuted,omitzero"`
	RemovedState         *removedState   `json:"removedState,omitzero"`
	ID                   string          `json:"id"`
	MediaStreams         []mediaStream   `json:"mediaStreams,omitempty"`
	Metadata             *string         `json:"metadata,omitzero"`
	RecordingInfo        *recordingInfo  `json:"recordingInfo,omitzero"`
	RosterSequenceNumber int64           `json:"rosterSequenceNumber,omitzero"`
}

type participantInfo struct {
	Identity      identitySet `json:"identity"`
	CountryCode   string      `json:"countryCode,omitzero"`
	EndpointType  string      `json:"endpointType,omitzero"`
	LanguageID    string      `json:"languageId,omitzero"`
	ParticipantID string      `json:"participantId,omitzero"`
	Region        string      `json:"region,omitzero"`
}

type removedState struct {
	Reason string `json:"reason"`
}

type mediaStream struct {
	Direction   string `json:"direction"`
	Label       string `json:"label"`
	MediaType   string `json:"mediaType"`
	ServerMuted bool   `json:"serverMuted"`
	SourceID    string `json:"sourceId"`
}

type recordingInfo struct {
	Initiator       identitySet `json:"initiator"`
	RecordingStatus string      `json:"recordingStatus"`
}

// The reasons of removedState (FACTS §5.2).
const (
	reasonInactive = "Participant has entered an inactive state in the roster."
	reasonLeft     = "Participant has left the meeting call."
)

// legacyCallEvent is the 2022 shape of a call event (FACTS §5.1).
type legacyCallEvent struct {
	ODataType     string              `json:"@odata.type"`
	ODataID       string              `json:"@odata.id"`
	ID            string              `json:"id"`
	EventType     string              `json:"eventType"`
	EventDateTime string              `json:"eventDateTime"`
	State         string              `json:"state"`
	Joined        []legacyParticipant `json:"activeParticipants@joined,omitempty"`
	Exited        []legacyParticipant `json:"activeParticipants@exited,omitempty"`
}

type legacyParticipant struct {
	ID       string            `json:"id"`
	Identity legacyIdentitySet `json:"identity"`
}

type legacyIdentitySet struct {
	User *legacyIdentity `json:"User,omitzero"`
	ACS  *legacyIdentity `json:"AzureCommunicationServicesUser,omitzero"`
}

type legacyIdentity struct {
	ResourceID  string `json:"AzureCommunicationServicesResourceId,omitzero"`
	ID          string `json:"Id"`
	DisplayName string `json:"DisplayName"`
	TenantID    string `json:"TenantId,omitzero"`
}

// callArtifact is a callRecording or a callTranscript. An ad hoc call has no
// meetingId; a transcript may have no createdDateTime.
type callArtifact struct {
	ID                   string           `json:"id"`
	MeetingID            *string          `json:"meetingId"`
	CallID               string           `json:"callId"`
	TranscriptContentURL string           `json:"transcriptContentUrl,omitzero"`
	CreatedDateTime      *string          `json:"createdDateTime"`
	EndDateTime          string           `json:"endDateTime"`
	ContentCorrelationID string           `json:"contentCorrelationId"`
	RecordingContentURL  string           `json:"recordingContentUrl,omitzero"`
	MeetingOrganizer     identitySetNulls `json:"meetingOrganizer"`
	Content              *string          `json:"content"`
}
