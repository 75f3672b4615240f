package bridge

// Kind is the closed list of Avro record types that Meetbridge writes, one
// topic each (DESIGN §5).
type Kind uint8

// The kinds, in the order in which documentation lists them.
const (
	Other Kind = iota // genuine, but of a resource that has no type of its own
	MeetingCallEvent
	CallRecording
	CallTranscript
	ChatMessage
	Chat
	Channel
	Team
	ConversationMember
	AppInstallation
	Webinar
	WebinarSession
	WebinarRegistration
	WebinarAttendanceReport
	Lifecycle
	Gap
	SubscriptionState
	Quarantine
	kindCount
)

// KindInfo describes one kind: its topic and what stands in it.
type KindInfo struct {
	Kind      Kind
	Topic     string // without prefix; also the name of its schema file
	From      string // which Graph resources or which process it comes from
	Key       string // what the Kafka key is
	Compacted bool   // cleanup.policy=compact instead of delete
	Single    bool   // one partition per renewer shard (one) instead of the common count
}

// Kinds returns every kind with its topic, in documentation order.
func Kinds() []KindInfo {
	kinds := []KindInfo{
		{Kind: MeetingCallEvent, From: "callEvent: callStarted, callEnded, rosterUpdated and types yet unknown", Key: "meeting"},
		{Kind: CallRecording, From: "callRecording", Key: "meeting"},
		{Kind: CallTranscript, From: "callTranscript", Key: "meeting"},
		{Kind: ChatMessage, From: "chatMessage in chats and channels, replies", Key: "chat or channel thread"},
		{Kind: Chat, From: "chat", Key: "chat"},
		{Kind: Channel, From: "channel", Key: "channel"},
		{Kind: Team, From: "team", Key: "team"},
		{Kind: ConversationMember, From: "membership of teams, channels and chats", Key: "the containing team, channel or chat"},
		{Kind: AppInstallation, From: "teamsAppInstallation", Key: "the containing team, chat or user"},
		{Kind: Webinar, From: "virtual events: webinars and town halls", Key: "webinar (or town hall)"},
		{Kind: WebinarSession, From: "virtualEventSession, video on demand included", Key: "webinar (or town hall)"},
		{Kind: WebinarRegistration, From: "virtualEventRegistration", Key: "webinar (or town hall)"},
		{Kind: WebinarAttendanceReport, From: "meetingAttendanceReport", Key: "webinar (or town hall)"},
		{Kind: Lifecycle, From: "reauthorizationRequired, subscriptionRemoved, missed", Key: "subscription"},
		{Kind: Gap, From: "the renewer: a subscription was dead from … to …", Key: "subscription's resource"},
		{Kind: SubscriptionState, From: "the renewer's state", Key: "subscription's resource and changeType", Compacted: true, Single: true},
		{Kind: Quarantine, From: "what could not become a record", Key: "subscription"},
		{Kind: Other, From: "a genuine notification of any other resource", Key: "resource"},
	}
	for i := range kinds {
		kinds[i].Topic = kinds[i].Kind.Topic()
	}
	return kinds
}

// Topic returns the topic of k without its prefix, "" for a value outside the
// list.
func (k Kind) Topic() string {
	switch k {
	case Other:
		return "other"
	case MeetingCallEvent:
		return "meeting-call-events"
	case CallRecording:
		return "call-recordings"
	case CallTranscript:
		return "call-transcripts"
	case ChatMessage:
		return "chat-messages"
	case Chat:
		return "chats"
	case Channel:
		return "channels"
	case Team:
		return "teams"
	case ConversationMember:
		return "conversation-members"
	case AppInstallation:
		return "app-installations"
	case Webinar:
		return "webinars"
	case WebinarSession:
		return "webinar-sessions"
	case WebinarRegistration:
		return "webinar-registrations"
	case WebinarAttendanceReport:
		return "webinar-attendance-reports"
	case Lifecycle:
		return "lifecycle"
	case Gap:
		return "gaps"
	case SubscriptionState:
		return "subscriptions"
	case Quarantine:
		return "quarantine"
	default:
		return ""
	}
}

// String returns the topic without prefix: the name under which metrics, logs
// and summaries know the kind.
func (k Kind) String() string { return k.Topic() }
