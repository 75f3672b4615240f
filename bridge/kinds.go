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
	return []KindInfo{
		{MeetingCallEvent, "meeting-call-events", "callEvent: callStarted, callEnded, rosterUpdated and types yet unknown", "meeting", false, false},
		{CallRecording, "call-recordings", "callRecording", "meeting", false, false},
		{CallTranscript, "call-transcripts", "callTranscript", "meeting", false, false},
		{ChatMessage, "chat-messages", "chatMessage in chats and channels, replies", "chat or channel thread", false, false},
		{Chat, "chats", "chat", "chat", false, false},
		{Channel, "channels", "channel", "channel", false, false},
		{Team, "teams", "team", "team", false, false},
		{ConversationMember, "conversation-members", "membership of teams, channels and chats", "the containing team, channel or chat", false, false},
		{AppInstallation, "app-installations", "teamsAppInstallation", "the containing team, chat or user", false, false},
		{Webinar, "webinars", "virtual events: webinars and town halls", "webinar (or town hall)", false, false},
		{WebinarSession, "webinar-sessions", "virtualEventSession, video on demand included", "webinar (or town hall)", false, false},
		{WebinarRegistration, "webinar-registrations", "virtualEventRegistration", "webinar (or town hall)", false, false},
		{WebinarAttendanceReport, "webinar-attendance-reports", "meetingAttendanceReport", "webinar (or town hall)", false, false},
		{Lifecycle, "lifecycle", "reauthorizationRequired, subscriptionRemoved, missed", "subscription", false, false},
		{Gap, "gaps", "the renewer: a subscription was dead from … to …", "subscription's resource", false, false},
		{SubscriptionState, "subscriptions", "the renewer's state", "subscription's resource and changeType", true, true},
		{Quarantine, "quarantine", "what could not become a record", "subscription", false, false},
		{Other, "other", "a genuine notification of any other resource", "resource", false, false},
	}
}

// Topic returns the topic of k without its prefix, "" for a value outside the
// list.
func (k Kind) Topic() string {
	for _, i := range Kinds() {
		if i.Kind == k {
			return i.Topic
		}
	}
	return ""
}

// String returns the topic without prefix: the name under which metrics, logs
// and summaries know the kind.
func (k Kind) String() string { return k.Topic() }
