package schemas_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"meetbridge/schemas"
)

func newCodec(tb testing.TB) *schemas.Codec {
	tb.Helper()
	c, err := schemas.NewCodec()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func text(tb testing.TB, topic string) string {
	tb.Helper()
	for _, s := range schemas.All() {
		if s.Topic == topic {
			return s.Text
		}
	}
	tb.Fatalf("no schema for %s", topic)
	return ""
}

// Every field of every record survives the way to Avro and back, through the
// generic decoder and into the generated type.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	for _, s := range schemas.All() {
		for _, full := range []bool{true, false} {
			rec := records()[s.Topic]
			if full {
				fill(rec)
			} else {
				empty(rec)
			}
			value, err := c.Append([]byte("before"), s.Topic, 70_000, rec)
			if err != nil {
				t.Fatalf("%s: append: %v", s.Topic, err)
			}
			if string(value[:6]) != "before" {
				t.Fatalf("%s: append changed what stood before", s.Topic)
			}
			id, body, err := schemas.Split(value[6:])
			if err != nil || id != 70_000 {
				t.Fatalf("%s: split: id %d, error %v", s.Topic, id, err)
			}
			got, err := schemas.Decode(s.Text, body)
			if err != nil {
				t.Fatalf("%s: decode: %v", s.Topic, err)
			}
			want := plain(reflect.ValueOf(rec).Elem())
			if !reflect.DeepEqual(any(got), want) {
				t.Errorf("%s: decoded\n%v\nwant\n%v", s.Topic, got, want)
			}
			back := records()[s.Topic]
			if err := c.DecodeInto(body, s.Topic, back); err != nil {
				t.Fatalf("%s: decode into: %v", s.Topic, err)
			}
			if got, want := plain(reflect.ValueOf(back).Elem()), want; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: decoded into\n%v\nwant\n%v", s.Topic, got, want)
			}
		}
	}
}

// A list of more items than any other writer would put into one block is read whole.
func TestLongList(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	rec := &schemas.MeetingCallEvent{Participants: make([]schemas.CallParticipant, 1000)}
	for i := range rec.Participants {
		fill(&rec.Participants[i])
	}
	value, err := c.Append(nil, "meeting-call-events", 1, rec)
	if err != nil {
		t.Fatal(err)
	}
	var back schemas.MeetingCallEvent
	if err := c.DecodeInto(value[5:], "meeting-call-events", &back); err != nil || !reflect.DeepEqual(back.Participants, rec.Participants) {
		t.Errorf("%d participants came back, error %v, want the %d that were written", len(back.Participants), err, len(rec.Participants))
	}
}

// empty sets only what has no null: times, which would otherwise be of the
// year 1, and the one array.
func empty(rec any) {
	v := reflect.ValueOf(rec).Elem()
	for i := range v.NumField() {
		if v.Field(i).Type() == reflect.TypeFor[time.Time]() {
			v.Field(i).Set(reflect.ValueOf(time.UnixMicro(1).UTC()))
		}
	}
	if q, ok := rec.(*schemas.QuarantinedItem); ok {
		q.Item = []byte{}
		q.Tokens = []schemas.QuarantinedToken{}
	}
}

func TestFraming(t *testing.T) {
	t.Parallel()
	value, err := newCodec(t).Append(nil, "chats", 0x01020304, &schemas.Chat{EventID: "e"})
	if err != nil {
		t.Fatal(err)
	}
	if value[0] != 0 || binary.BigEndian.Uint32(value[1:]) != 0x01020304 {
		t.Errorf("value begins %x, want 00 01020304", value[:5])
	}
	for _, bad := range [][]byte{nil, {0}, {0, 0, 0, 0}, {1, 0, 0, 0, 1, 2}} {
		if _, _, err := schemas.Split(bad); !errors.Is(err, schemas.ErrFraming) {
			t.Errorf("split %x: %v, want ErrFraming", bad, err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	for _, tc := range []struct {
		name, topic string
		record      schemas.Record
		want        error
	}{
		{"unknown topic", "nothing", &schemas.Chat{}, schemas.ErrUnknownTopic},
		{"another topic's record", "teams", &schemas.Chat{}, schemas.ErrRecordType},
		{"nothing", "chats", nil, schemas.ErrRecordType},
		{"nil pointer", "chats", (*schemas.Chat)(nil), schemas.ErrRecordType},
	} {
		dst := []byte("kept")
		got, err := c.Append(dst, tc.topic, 1, tc.record)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: error %v, want %v", tc.name, err, tc.want)
		}
		if string(got) != "kept" {
			t.Errorf("%s: dst is %q after an error", tc.name, got)
		}
	}
}

// A body that lies about its lengths, ends early or goes on is an error, never
// a half record.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	for _, s := range schemas.All() {
		rec := records()[s.Topic]
		fill(rec)
		value, err := c.Append(nil, s.Topic, 1, rec)
		if err != nil {
			t.Fatal(err)
		}
		body := value[5:]
		d, err := schemas.NewDecoder(s.Text)
		if err != nil {
			t.Fatal(err)
		}
		for n := range body {
			if _, err := d.Decode(body[:n]); !errors.Is(err, schemas.ErrBody) {
				t.Fatalf("%s: decode of the first %d of %d bytes: %v, want ErrBody", s.Topic, n, len(body), err)
			}
		}
		for _, bad := range [][]byte{body[:len(body)-1], append(append([]byte{}, body...), 0), nil} {
			if err := c.DecodeInto(bad, s.Topic, records()[s.Topic]); !errors.Is(err, schemas.ErrBody) {
				t.Errorf("%s: decode into of %d bytes: %v, want ErrBody", s.Topic, len(bad), err)
			}
		}
	}
	if _, err := schemas.Decode(`{"type":"array","items":"null"}`, binary.AppendVarint(nil, 1<<60)); !errors.Is(err, schemas.ErrBody) {
		t.Errorf("array of a huge count: %v, want ErrBody", err)
	}
	if _, err := schemas.Decode(`"string"`, binary.AppendVarint(nil, 1<<40)); !errors.Is(err, schemas.ErrBody) {
		t.Errorf("string of a huge length: %v, want ErrBody", err)
	}
	if _, err := schemas.Decode(`{"type":"record"`, nil); err == nil {
		t.Error("a schema that is no JSON was taken")
	}
	if err := schemas.DecodeInto(nil, "chats", (*schemas.Chat)(nil)); !errors.Is(err, schemas.ErrRecordType) {
		t.Errorf("decode into nil: %v, want ErrRecordType", err)
	}
}

func TestTimesKeepMicroseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.FixedZone("", 7200))
	value, err := newCodec(t).Append(nil, "chats", 1, &schemas.Chat{ReceivedAt: at})
	if err != nil {
		t.Fatal(err)
	}
	var back schemas.Chat
	if err := schemas.DecodeInto(value[5:], "chats", &back); err != nil {
		t.Fatal(err)
	}
	if !back.ReceivedAt.Equal(at) || back.ReceivedAt.Location() != time.UTC {
		t.Errorf("received_at is %v, want %v in UTC", back.ReceivedAt, at)
	}
}

func FuzzDecode(f *testing.F) {
	c := newCodec(f)
	all := schemas.All()
	decoders := make([]*schemas.Decoder, len(all))
	for i, s := range all {
		var err error
		if decoders[i], err = schemas.NewDecoder(s.Text); err != nil {
			f.Fatal(err)
		}
		rec := records()[s.Topic]
		fill(rec)
		value, err := c.Append(nil, s.Topic, 1, rec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, value[5:])
		f.Add(i, value[5:20])
	}
	f.Add(3, binary.AppendVarint(nil, -1<<63))
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		n := uint(i) % uint(len(all))
		s := all[n]
		got, err := decoders[n].Decode(body)
		rec := records()[s.Topic]
		intoErr := c.DecodeInto(body, s.Topic, rec)
		if (err == nil) != (intoErr == nil) {
			t.Fatalf("%s: decode says %v, decode into %v", s.Topic, err, intoErr)
		}
		if err != nil {
			return
		}
		value, err := c.Append(nil, s.Topic, 1, rec)
		if err != nil {
			t.Fatalf("%s: append of what was decoded: %v", s.Topic, err)
		}
		again, err := decoders[n].Decode(value[5:])
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%s: %v\nthen %v\n%v", s.Topic, got, again, err)
		}
	})
}

func FuzzSchemaText(f *testing.F) {
	f.Add(text(f, "chats"), []byte{1, 2, 3})
	f.Add(`{"type":"record","name":"n","fields":[{"name":"next","type":["null","n"]}]}`, []byte{2, 2, 2, 0})
	f.Add(`{"type":"array","items":"null"}`, []byte{2, 0})
	f.Fuzz(func(_ *testing.T, text string, body []byte) {
		_, _ = schemas.Decode(text, body) // must neither panic nor run away
	})
}

func BenchmarkAppend(b *testing.B) {
	c := newCodec(b)
	for _, topic := range []string{"chat-messages", "meeting-call-events"} {
		b.Run(topic, func(b *testing.B) {
			rec := records()[topic]
			fill(rec)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = c.Append(dst[:0], topic, 1, rec); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}
