package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/schemas"
)

func TestLine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 5e6, time.UTC)
	plain := &terminal{}
	for _, tc := range []struct {
		name string
		r    record
		want string
	}{
		{"OK", record{Topic: "teams.meeting-call-events", Key: "19:meeting_a@thread.v2", Value: map[string]any{
			"event_type": "rosterUpdated",
			"participants": []any{
				map[string]any{"display_name": "Ada Lovelace", "is_in_lobby": true},
				map[string]any{"display_name": "Alan", "is_in_lobby": false, "removed_reason": nil},
			},
		}}, `rosterUpdated participants=“Ada Lovelace, Alan” is_in_lobby=yes`},
		{"Basic", record{Topic: "teams.meeting-call-events", Value: map[string]any{"change_type": "updated", "resource_data": "{}"}}, "updated (basic)"},
		{"Markup", record{Topic: "teams.chat-messages", Value: map[string]any{"change_type": "created", "body_content": "<p>a &lt; <b>b</b></p>"}}, "created body_content=“a < b”"},
		{"Tombstone", record{Topic: "teams.subscriptions", tombstone: true}, "(tombstone)"},
		{"Undecodable", record{Topic: "teams.chats", Problem: "no\nschema"}, "(undecodable: no schema)"},
		{"OtherTopic", record{Topic: "elsewhere", Value: map[string]any{"change_type": "created", "resource": "x"}}, "created resource=x"},
		{"Hostile", record{Topic: "teams.chats", Value: map[string]any{"change_type": "created", "topic": "a\x1b[2Jb\u202ec\n\td"}}, "created chats"},
	} {
		tc.r.Timestamp = at
		got := plain.line(tc.r, lineStyle{prefix: "teams.", timeLayout: time.RFC3339})
		if tc.name == "Hostile" {
			if strings.ContainsAny(got, "\x1b\n\t\u202e") || !strings.Contains(got, "a\uFFFD[2Jb\uFFFDc d") {
				t.Errorf("%s: %q", tc.name, got)
			}
			continue
		}
		if !strings.HasPrefix(got, "2026-01-31T12:00:00Z  "+strings.TrimPrefix(tc.r.Topic, "teams.")+"  ") || !strings.HasSuffix(got, "  "+tc.want) {
			t.Errorf("%s: %q, want %q at its end", tc.name, got, tc.want)
		}
	}
}

// Ensure that lines show fields that the schemas have.
func TestTelling(t *testing.T) {
	t.Parallel()
	for _, s := range schemas.All() {
		var schema any
		if err := json.Unmarshal([]byte(s.Text), &schema); err != nil {
			t.Fatal(err)
		}
		for _, path := range telling(s.Topic) {
			if !hasField(schema, strings.Split(path, ".")) {
				t.Errorf("%s has no field %s", s.Topic, path)
			}
		}
	}
}

// hasField reports whether the Avro schema has the field at path.
func hasField(schema any, path []string) bool {
	switch s := schema.(type) {
	case []any:
		return slices.ContainsFunc(s, func(branch any) bool { return hasField(branch, path) })
	case map[string]any:
		if s["type"] == "array" {
			return hasField(s["items"], path)
		}
		fields, _ := s["fields"].([]any)
		for _, f := range fields {
			if field := f.(map[string]any); field["name"] == path[0] {
				return len(path) == 1 || hasField(field["type"], path[1:])
			}
		}
	}
	return false
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 5, ""},
		{"abcde", 5, "abcde"},
		{"abcdef", 5, "abcde…"},
		{"  a \r\n b  ", 9, "a b"},
		{"\x00\x07", 9, "\uFFFD\uFFFD"},
		{"äöü€", 3, "äöü…"},
	} {
		if got := printable(tc.in, tc.limit); got != tc.want {
			t.Errorf("printable(%q, %d) = %q, want %q", tc.in, tc.limit, got, tc.want)
		}
	}
}

// Ensure that records of several partitions come by their times, and those of
// one partition in their order whatever their times are (I6).
func TestByTime(t *testing.T) {
	t.Parallel()
	at := func(partition int32, offset int64, second int) *kgo.Record {
		return &kgo.Record{Partition: partition, Offset: offset, Timestamp: time.Unix(int64(second), 0)}
	}
	part := func(rs ...*kgo.Record) kgo.FetchPartition {
		return kgo.FetchPartition{Partition: rs[0].Partition, Records: rs}
	}
	fetches := kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "t", Partitions: []kgo.FetchPartition{
		part(at(0, 0, 5), at(0, 1, 1), at(0, 2, 9)),
		part(at(1, 0, 2), at(1, 1, 6)),
	}}}}}
	var got []int64
	for _, r := range byTime(fetches) {
		got = append(got, r.Timestamp.Unix())
	}
	if want := []int64{2, 5, 1, 6, 9}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	var m moment
	if err := m.UnmarshalText([]byte("15m")); err != nil || time.Since(m.Time).Round(time.Minute) != 15*time.Minute {
		t.Errorf("15m is %s (%v)", m.Time, err)
	}
	if err := m.UnmarshalText([]byte("2026-01-31T12:00:00.5Z")); err != nil || m.UnixMilli() != 1769860800500 {
		t.Errorf("time is %d (%v)", m.UnixMilli(), err)
	}
	for _, bad := range []string{"", "-5m", "yesterday", "2026-01-31"} {
		if err := m.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestPickTopics(t *testing.T) {
	t.Parallel()
	existing := []string{"other", "teams.chats", "teams.recent-ids"}
	for _, tc := range []struct {
		wanted []string
		want   string // of the topics, or of the error
	}{
		{nil, "teams.chats"},
		{[]string{"recent-ids", "teams.chats", "chats", "other"}, "other teams.chats teams.recent-ids"},
		{[]string{"chat"}, `topic "chat" does not exist, did you mean "chats"?`},
		{[]string{"teams.webinars"}, `topic "teams.webinars" does not exist yet: make it with meetbridge topics apply`},
	} {
		got, err := pickTopics(existing, tc.wanted, "teams.")
		text := strings.Join(got, " ")
		if err != nil {
			text = err.Error()
		}
		if text != tc.want {
			t.Errorf("pickTopics(%q) = %q, want %q", tc.wanted, text, tc.want)
		}
	}
}
