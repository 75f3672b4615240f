package bridge

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/schemas"
)

// fed is a record that Graph feeds.
type fed interface {
	schemas.Record
	SetEnvelope(schemas.Envelope)
}

// input is what the decoder of one kind works from.
type input struct {
	text   []byte // the payload, or the resourceData of a basic notification
	rich   bool
	change string // lower case
	path   Resource
	data   resourceData
}

// Normalize returns the record that the genuine item it becomes, and whether a
// redelivery of it will have the same event id. payload is the opened content of
// a rich notification, nil for a basic one; of a genuine item it is a JSON
// object in UTF-8, and it ends up in the record byte for byte (I7). A payload
// that does not fit the type of its resource still becomes a record, with
// nothing but the envelope. Lifecycle notices become records of their own kind.
//
// Normalize is pure, keeps no part of payload, and takes whatever comes (I11).
func Normalize(it *Item, payload []byte, receivedAt time.Time, rules Rules) (Record, bool) {
	receivedAt = receivedAt.UTC().Truncate(time.Microsecond)
	if it.LifecycleEvent != "" {
		return lifecycleRecord(it, receivedAt, rules)
	}
	in := &input{text: payload, rich: payload != nil, change: strings.ToLower(it.ChangeType), data: it.data}
	if !in.rich && (in.data.more || in.data.odd) {
		in.text = []byte(it.ResourceData) // else there is nothing in it that was not read
	}
	in.resolve(it.Resource)

	value, occurredAt, err := in.read()
	misfit := err != nil || in.data.odd && !in.rich
	if misfit {
		value, occurredAt = in.blank(), stamp{}
	}
	rec := Record{
		Kind: in.path.Kind, Value: value, Misfit: misfit, Type: in.typeName(),
		Key: in.key(it), ReceivedAt: receivedAt, OccurredAt: occurredAt.t,
	}
	var lasting bool
	rec.EventID, lasting = rules.id(it, identify(it, payload, in, occurredAt), receivedAt)

	e := schemas.Envelope{
		EventID: rec.EventID, TenantID: optional(&it.TenantID), SubscriptionID: it.SubscriptionID,
		ChangeType: in.change, Resource: it.Resource, OccurredAt: occurredAt.ptr(), ReceivedAt: receivedAt,
	}
	switch {
	case !in.rich:
		e.ResourceData = optional(&it.ResourceData)
	case !rules.DropPayload:
		e.Payload = asText(payload)
	}
	value.SetEnvelope(e)
	return rec, lasting
}

// asText returns b as a string of valid UTF-8, which Avro's have to be, nil for
// JSON's null and for nothing at all.
func asText(b []byte) *string {
	if len(b) == 0 || jsontext.Value(b).Kind() == 'n' {
		return nil
	}
	s := string(b)
	if !utf8.Valid(b) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return &s
}

// resolve finds the resource: resource is the changed thing itself as a rule, in
// virtual events the path that was subscribed to, and then @odata.id names the
// thing (FACTS §5.1). @odata.type decides where no path is known.
func (in *input) resolve(resource string) {
	in.path = ParseResource(resource)
	thing := in.data.ODataID.s
	if thing == "" && strings.Contains(in.data.ID.s, "/") {
		thing = in.data.ID.s
	}
	if thing != "" && strings.TrimPrefix(thing, "/") != strings.TrimPrefix(resource, "/") {
		named := ParseResource(thing)
		vague := in.path.Kind == Other || in.path.Collection
		switch {
		case named.Kind == Other:
		case vague && (in.path.Kind == Other || !named.Collection):
			named.fill(&in.path)
			in.path = named
		case in.path.Kind == named.Kind:
			in.path.fill(&named)
		}
	}
	if in.path.Kind != Other {
		return
	}
	if in.path.Kind = kindOfType(in.data.ODataType.s); in.path.Kind == Other && in.rich {
		var own struct {
			ODataType str `json:"@odata.type"`
		}
		if unmarshal(in.text, &own) == nil {
			in.path.Kind = kindOfType(own.ODataType.s)
		}
	}
}

// read decodes the text by its kind. It adds to the path those ids of the
// payload that a key can be made of.
func (in *input) read() (fed, stamp, error) {
	switch in.path.Kind {
	case MeetingCallEvent:
		return in.callEvent()
	case CallRecording:
		return in.callRecording()
	case CallTranscript:
		return in.callTranscript()
	case ChatMessage:
		return in.chatMessage()
	case Chat:
		return in.chat()
	case Channel:
		return in.channel()
	case Team:
		return in.team()
	case ConversationMember:
		return in.conversationMember()
	case AppInstallation:
		return in.appInstallation()
	case Webinar:
		return in.webinar()
	case WebinarSession:
		return in.webinarSession()
	case WebinarRegistration:
		return in.webinarRegistration()
	case WebinarAttendanceReport:
		return in.webinarAttendanceReport()
	default:
		return in.other()
	}
}

// blank returns an empty record of the kind.
func (in *input) blank() fed {
	switch in.path.Kind {
	case MeetingCallEvent:
		return &schemas.MeetingCallEvent{}
	case CallRecording:
		return &schemas.CallRecording{}
	case CallTranscript:
		return &schemas.CallTranscript{}
	case ChatMessage:
		return &schemas.ChatMessage{}
	case Chat:
		return &schemas.Chat{}
	case Channel:
		return &schemas.Channel{}
	case Team:
		return &schemas.Team{}
	case ConversationMember:
		return &schemas.ConversationMember{}
	case AppInstallation:
		return &schemas.AppInstallation{}
	case Webinar:
		return &schemas.Webinar{}
	case WebinarSession:
		return &schemas.WebinarSession{}
	case WebinarRegistration:
		return &schemas.WebinarRegistration{}
	case WebinarAttendanceReport:
		return &schemas.WebinarAttendanceReport{}
	default:
		return &schemas.OtherNotification{}
	}
}

// key returns the Kafka key: what path and payload hold, else the resource, else
// the subscription.
func (in *input) key(it *Item) string {
	key := in.path.Key()
	if key == "" {
		key = first(it.Resource, it.SubscriptionID)
	}
	if key == "" {
		return "unknown" // no item that was decoded gets here: it names a subscription
	}
	return key
}

// typeName returns the name of the type for people and headers.
func (in *input) typeName() string {
	if name := in.path.Kind.graphType(); name != "" {
		return name
	}
	return typeName(shortType(in.data.ODataType.s), "changeNotification")
}

// id returns the id of the resource: of a rich notification as the payload says,
// of a basic one as the path says. One that is a path itself is none.
func (in *input) id(fromPath *string, said *str) *string {
	if !in.rich {
		said = &in.data.ID
	}
	if strings.Contains(said.s, "/") {
		said = &str{}
	}
	if in.rich && said.ok || *fromPath == "" {
		return said.ptr()
	}
	return fromPath
}

// created returns s if the resource was created, else no time.
func (in *input) created(s stamp) stamp {
	if in.change != "created" {
		return stamp{}
	}
	return s
}

// fill sets those ids of r that are empty to those of other.
func (r *Resource) fill(other *Resource) {
	for _, f := range [...]struct{ to, from *string }{
		{&r.UserID, &other.UserID},
		{&r.TeamID, &other.TeamID},
		{&r.ChannelID, &other.ChannelID},
		{&r.ChatID, &other.ChatID},
		{&r.MessageID, &other.MessageID},
		{&r.ReplyID, &other.ReplyID},
		{&r.MemberID, &other.MemberID},
		{&r.MeetingID, &other.MeetingID},
		{&r.JoinWebURL, &other.JoinWebURL},
		{&r.CallID, &other.CallID},
		{&r.RecordingID, &other.RecordingID},
		{&r.TranscriptID, &other.TranscriptID},
		{&r.AppID, &other.AppID},
		{&r.InstallationID, &other.InstallationID},
		{&r.EventType, &other.EventType},
		{&r.EventID, &other.EventID},
		{&r.SessionID, &other.SessionID},
		{&r.RegistrationID, &other.RegistrationID},
		{&r.ReportID, &other.ReportID},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
}
