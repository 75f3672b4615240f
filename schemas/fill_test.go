package schemas_test

import (
	"fmt"
	"reflect"
	"time"

	"meetbridge/schemas"
)

// records returns a fresh zero record of every topic.
func records() map[string]schemas.Record {
	return map[string]schemas.Record{
		"meeting-call-events":        &schemas.MeetingCallEvent{},
		"call-recordings":            &schemas.CallRecording{},
		"call-transcripts":           &schemas.CallTranscript{},
		"chat-messages":              &schemas.ChatMessage{},
		"chats":                      &schemas.Chat{},
		"channels":                   &schemas.Channel{},
		"teams":                      &schemas.Team{},
		"conversation-members":       &schemas.ConversationMember{},
		"app-installations":          &schemas.AppInstallation{},
		"webinars":                   &schemas.Webinar{},
		"webinar-sessions":           &schemas.WebinarSession{},
		"webinar-registrations":      &schemas.WebinarRegistration{},
		"webinar-attendance-reports": &schemas.WebinarAttendanceReport{},
		"lifecycle":                  &schemas.LifecycleNotice{},
		"gaps":                       &schemas.SubscriptionGap{},
		"subscriptions":              &schemas.SubscriptionState{},
		"quarantine":                 &schemas.QuarantinedItem{},
		"other":                      &schemas.OtherNotification{},
	}
}

// fill sets every field that v points to, nested ones included, each to
// another value.
func fill(v any) {
	n := 0
	fillValue(reflect.ValueOf(v).Elem(), &n)
}

func fillValue(v reflect.Value, n *int) {
	*n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.UnixMicro(1_700_000_000_000_000 + int64(*n)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(v.Field(i), n)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Append(nil, "bytes ", *n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillValue(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("tëxt %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n) - 20)
	default:
		panic("no filling for " + v.Type().String())
	}
}

// plain returns the record v as Decode would: field by field through the
// structs, never through the codec.
func plain(v reflect.Value) any {
	if t, ok := v.Interface().(time.Time); ok {
		return t
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			m[v.Type().Field(i).Tag.Get("avro")] = plain(v.Field(i))
		}
		return m
	case reflect.Slice:
		if b, ok := v.Interface().([]byte); ok {
			return b
		}
		if v.IsNil() {
			return nil
		}
		items := []any{}
		for i := range v.Len() {
			items = append(items, plain(v.Index(i)))
		}
		return items
	case reflect.Int32, reflect.Int64:
		return v.Int()
	default:
		return v.Interface()
	}
}
