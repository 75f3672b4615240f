package main

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"
)

// telling returns the fields of a topic's records that say most, in the order
// in which a line shows them. A dot steps into nested records, of which an
// array may hold several.
func telling(topic string) []string {
	switch topic {
	case "meeting-call-events":
		return []string{"event_type", "participants.display_name", "participants.is_in_lobby", "participants.removed_reason"}
	case "call-recordings", "call-transcripts":
		return []string{"change_type", "organizer_display_name", "created_date_time", "end_date_time"}
	case "chat-messages":
		return []string{"change_type", "from_display_name", "body_content", "event_detail_type", "reactions.reaction_type", "reply_to_id"}
	case "chats":
		return []string{"change_type", "chat_type", "topic"}
	case "channels":
		return []string{"change_type", "display_name", "membership_type"}
	case "teams":
		return []string{"change_type", "display_name", "visibility"}
	case "conversation-members":
		return []string{"change_type", "display_name", "roles", "user_id"}
	case "app-installations":
		return []string{"change_type", "teams_app_display_name", "teams_app_version", "scope"}
	case "webinars":
		return []string{"change_type", "display_name", "status", "virtual_event_type", "start_date_time"}
	case "webinar-sessions":
		return []string{"change_type", "subject", "start_date_time", "id"}
	case "webinar-registrations":
		return []string{"change_type", "first_name", "last_name", "status", "email", "id"}
	case "webinar-attendance-reports":
		return []string{"change_type", "total_participant_count", "attendance_records.identity_display_name", "id"}
	case "lifecycle":
		return []string{"lifecycle_event", "subscription_expires_at"}
	case "gaps":
		return []string{"cause", "from", "to"}
	case "subscriptions":
		return []string{"state", "expires_at", "error_code"}
	case "quarantine":
		return []string{"reason", "detail"}
	default:
		return []string{"change_type", "odata_type", "resource"}
	}
}

// Widths of a line's columns; values that are longer are shortened.
const (
	topicWidth = 26
	keyWidth   = 44
	valueWidth = 60
)

// lineStyle is how lines are laid out.
type lineStyle struct {
	prefix     string // of topics, left out
	timeLayout string
	shortKeys  bool // shorten keys to their column
}

// line returns r on one line for people: time, topic, key, then the most
// telling fields.
func (t *terminal) line(r record, style lineStyle) string {
	topic := strings.TrimPrefix(r.Topic, style.prefix)
	limit := len(r.Key)
	if style.shortKeys {
		limit = keyWidth - 1
	}
	head := fmt.Sprintf("%s  %s  %s  ",
		t.paint(dim, r.Timestamp.Format(style.timeLayout)),
		t.paint(cyan, pad(topic, topicWidth)),
		t.paint(dim, pad(printable(r.Key, limit), keyWidth)))
	switch {
	case r.Problem != "":
		return head + t.paint(yellow, "(undecodable: "+printable(r.Problem, 120)+")")
	case r.tombstone:
		return head + t.paint(dim, "(tombstone)")
	}
	return strings.TrimRight(head+strings.Join(t.words(topic, r.Value), " "), " ")
}

// words returns what value says of itself: the first telling field bare, the
// others with their names.
func (t *terminal) words(topic string, value map[string]any) []string {
	var words []string
	for i, path := range telling(topic) {
		said := strings.Join(texts(value, strings.Split(path, ".")), ", ")
		if i == 0 && said == "" {
			said, _ = value["change_type"].(string)
		}
		if strings.HasSuffix(path, "_content") {
			said = withoutMarkup(said)
		}
		said = printable(said, valueWidth)
		switch {
		case said == "":
		case i == 0 && topic == quarantineTopic:
			words = append(words, t.paint(yellow, said))
		case i == 0:
			words = append(words, t.paint(bold, said))
		default:
			if strings.Contains(said, " ") {
				said = "“" + said + "”"
			}
			words = append(words, t.paint(dim, label(path)+"=")+said)
		}
	}
	if data, _ := value["resource_data"].(string); data != "" {
		words = append(words, t.paint(dim, "(basic)"))
	}
	return words
}

var markup = regexp.MustCompile(`<[^<>]*>`)

// withoutMarkup returns the text in a piece of HTML, near enough for a line.
func withoutMarkup(s string) string {
	return html.UnescapeString(markup.ReplaceAllString(s, " "))
}

// label returns the name under which a line shows the field at path.
func label(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 && strings.HasSuffix(path, "display_name") {
		return path[:i]
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

func pad(s string, width int) string {
	if n := len([]rune(s)); n < width {
		s += strings.Repeat(" ", width-n)
	}
	return s
}

// texts returns what is at path in v as texts, one for each element of the
// arrays on the way; nothing for null, false and "".
func texts(v any, path []string) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e, path)...)
		}
		return all
	case map[string]any:
		if len(path) == 0 {
			return nil
		}
		return texts(v[path[0]], path[1:])
	}
	if len(path) > 0 {
		return nil
	}
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		return []string{v}
	case bool:
		if !v {
			return nil
		}
		return []string{"yes"}
	case time.Time:
		return []string{v.UTC().Format(time.RFC3339)}
	default:
		return []string{fmt.Sprint(v)}
	}
}
