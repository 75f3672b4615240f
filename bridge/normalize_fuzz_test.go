package bridge_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
	"meetbridge/schemas"
)

// Whatever comes, Normalize returns a record that can be encoded, under a key,
// with the payload as it was (I7), and nothing panics (I11).
func FuzzNormalize(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("testdata", "samples", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	plain, err := filepath.Glob(filepath.Join("testdata", "payloads", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(samples, plain...) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if c, err := bridge.DecodeCollection(b); err == nil {
			f.Add([]byte(c.Items[0]), []byte(`{}`), true)
			f.Add([]byte(c.Items[0]), []byte(nil), false)
			f.Add([]byte(c.Items[0]), []byte{}, true)
			continue
		}
		typ := strings.SplitN(filepath.Base(name), ".", 2)[0]
		f.Add([]byte(`{"subscriptionId":"s","changeType":"created","resource":"x","resourceData":{"@odata.type":"`+typ+`"}}`), b, true)
	}
	f.Add([]byte(`{"subscriptionId":"s"}`), []byte(nil), true)
	f.Add([]byte(`{"subscriptionId":"s","resource":"`+joinURLPath+`"}`), []byte(`{"participants":[{"info":{"identity":{"":{}}}}]}`), true)
	c, err := schemas.NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, raw, payload []byte, rich bool) {
		it, err := bridge.DecodeItem(raw)
		if err != nil {
			return
		}
		if !rich {
			payload = nil
		} else if payload == nil {
			payload = []byte{}
		}
		rec, lasting := bridge.Normalize(it, payload, received, bridge.Rules{})
		if rec.Key == "" || !utf8.ValidString(rec.Key) || !uuid.MatchString(rec.EventID) || rec.Type == "" {
			t.Fatalf("key %q, id %q, type %q", rec.Key, rec.EventID, rec.Type)
		}
		m := decoded(t, c, rec)
		if rec.Kind != bridge.Lifecycle && len(payload) > 0 && jsontext.Value(payload).Kind() == '{' && utf8.Valid(payload) && m["payload"] != string(payload) {
			t.Fatalf("payload is %q, was %q", m["payload"], payload)
		}
		if payload == nil && rec.Kind != bridge.Lifecycle && m["payload"] != nil {
			t.Fatalf("a basic notification has the payload %q", m["payload"])
		}
		for name, v := range m {
			if s, ok := v.(string); ok && !utf8.ValidString(s) {
				t.Fatalf("%s is no UTF-8: %q", name, s)
			}
		}
		again, stillLasting := bridge.Normalize(it, payload, received, bridge.Rules{})
		if lasting != stillLasting || !reflect.DeepEqual(decoded(t, c, again), m) || again.Key != rec.Key {
			t.Fatalf("%v, then %v", m, again)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	for _, bm := range []struct{ name, resource, payload string }{
		{"chat message", "chats('c')/messages('m')", "samples/chatMessage.decrypted.reply"},
		{"roster", joinURLPath, "samples/callEvent.decrypted.rosterUpdated.join"},
		{"recording", "users/u/onlineMeetings('" + threadInMeetingID + "')/recordings('r')", "samples/callRecording.decrypted"},
		{"basic message", "chats('c')/messages('m')", ""},
	} {
		b.Run(bm.name, func(b *testing.B) {
			it := itemOf(b, "created", bm.resource, "")
			var payload []byte
			if bm.payload != "" {
				payload = readFile(b, bm.payload)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				bridge.Normalize(it, payload, received, rules())
			}
		})
	}
}
