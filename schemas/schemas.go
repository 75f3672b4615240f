package schemas

import (
	"embed"
	"time"
)

//go:embed *.avsc
var files embed.FS // read only

// Schema is one of the schemas as it is registered.
type Schema struct {
	Name  string // of the Avro record, without the namespace "meetbridge"
	Topic string // without prefix; the subject is the topic's full name and "-value"
	Text  string // the .avsc file
}

// Envelope is what every record fed by Graph begins with (DESIGN §5). Its
// members end up in fields of the same names; the .avsc files say what each
// means and when it is null.
type Envelope struct {
	EventID        string
	TenantID       *string
	SubscriptionID string
	ChangeType     string // lower case
	Resource       string
	OccurredAt     *time.Time
	ReceivedAt     time.Time
	Payload        *string
	ResourceData   *string
}

// kind joins a topic to its record's name and Go type.
type kind struct {
	topic, name string
	zero        Record // nil pointer of the Go type
}

func kinds() []kind {
	return []kind{
		{"meeting-call-events", "MeetingCallEvent", (*MeetingCallEvent)(nil)},
		{"call-recordings", "CallRecording", (*CallRecording)(nil)},
		{"call-transcripts", "CallTranscript", (*CallTranscript)(nil)},
		{"chat-messages", "ChatMessage", (*ChatMessage)(nil)},
		{"chats", "Chat", (*Chat)(nil)},
		{"channels", "Channel", (*Channel)(nil)},
		{"teams", "Team", (*Team)(nil)},
		{"conversation-members", "ConversationMember", (*ConversationMember)(nil)},
		{"app-installations", "AppInstallation", (*AppInstallation)(nil)},
		{"webinars", "Webinar", (*Webinar)(nil)},
		{"webinar-sessions", "WebinarSession", (*WebinarSession)(nil)},
		{"webinar-registrations", "WebinarRegistration", (*WebinarRegistration)(nil)},
		{"webinar-attendance-reports", "WebinarAttendanceReport", (*WebinarAttendanceReport)(nil)},
		{"lifecycle", "LifecycleNotice", (*LifecycleNotice)(nil)},
		{"gaps", "SubscriptionGap", (*SubscriptionGap)(nil)},
		{"subscriptions", "SubscriptionState", (*SubscriptionState)(nil)},
		{"quarantine", "QuarantinedItem", (*QuarantinedItem)(nil)},
		{"other", "OtherNotification", (*OtherNotification)(nil)},
	}
}

// All returns every schema, in documentation order.
func All() []Schema {
	var all []Schema
	for _, k := range kinds() {
		all = append(all, Schema{Name: k.name, Topic: k.topic, Text: text(k.topic)})
	}
	return all
}

// text returns the .avsc file of topic, "" when there is none.
func text(topic string) string {
	b, err := files.ReadFile(topic + ".avsc")
	if err != nil {
		return ""
	}
	return string(b)
}
