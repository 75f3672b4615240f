package bridge

import (
	"strings"
	"time"

	"meetbridge/schemas"
)

// Record is what one item becomes: a value of the Avro record type of its kind
// and what belongs around it on Kafka.
type Record struct {
	Kind       Kind
	Key        string    // Kafka key (DESIGN §5), never empty
	EventID    string    // UUID, also in Value
	OccurredAt time.Time // zero: the payload has no time that means it
	ReceivedAt time.Time
	Value      schemas.Record // pointer to the generated type of the kind, such as *schemas.Chat
	Misfit     bool           // the payload did not fit its type: envelope and payload only
	Type       string         // Graph's name of the type, such as "chatMessage"; letters, digits and dots
}

// Rules are the choices that Normalize leaves to the operator.
type Rules struct {
	DropPayload bool          // leave payload null
	FreshID     func() string // a new UUIDv7, for items without an identity that is safe; nil: derived from what is there
}

// graphType returns Graph's name of the type that stands behind k, "" for kinds
// that Graph has no type for.
func (k Kind) graphType() string {
	switch k {
	case MeetingCallEvent:
		return "callEvent"
	case CallRecording:
		return "callRecording"
	case CallTranscript:
		return "callTranscript"
	case ChatMessage:
		return "chatMessage"
	case Chat:
		return "chat"
	case Channel:
		return "channel"
	case Team:
		return "team"
	case ConversationMember:
		return "conversationMember"
	case AppInstallation:
		return "teamsAppInstallation"
	case Webinar:
		return "virtualEvent"
	case WebinarSession:
		return "virtualEventSession"
	case WebinarRegistration:
		return "virtualEventRegistration"
	case WebinarAttendanceReport:
		return "meetingAttendanceReport"
	default:
		return ""
	}
}

// kindOfType returns the kind of an @odata.type, whose letter case varies
// (FACTS §5.1), Other for one that has none.
func kindOfType(odataType string) Kind {
	name := shortType(odataType)
	if len(name) > len("azureCommunicationServicesUserConversationMember") {
		return Other
	}
	switch strings.ToLower(name) {
	case "callevent", "emergencycallevent", "onlinemeeting":
		return MeetingCallEvent
	case "callrecording":
		return CallRecording
	case "calltranscript":
		return CallTranscript
	case "chatmessage":
		return ChatMessage
	case "chat":
		return Chat
	case "channel":
		return Channel
	case "team", "teams":
		return Team
	case "teamsappinstallation":
		return AppInstallation
	case "virtualevent", "virtualeventwebinar", "virtualeventtownhall":
		return Webinar
	case "virtualeventsession":
		return WebinarSession
	case "virtualeventregistration":
		return WebinarRegistration
	case "meetingattendancereport":
		return WebinarAttendanceReport
	}
	if strings.HasSuffix(strings.ToLower(name), "conversationmember") {
		return ConversationMember
	}
	return Other
}

// shortType returns what stands behind the namespace of an @odata.type:
// chatMessage of #Microsoft.Graph.chatMessage.
func shortType(odataType string) string {
	return odataType[strings.LastIndexByte(odataType, '.')+1:]
}

// typeName returns name if it can stand in a header as the name of a type, else
// fallback.
func typeName(name, fallback string) string {
	if name == "" || len(name) > 128 {
		return fallback
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return fallback
		}
	}
	return name
}
