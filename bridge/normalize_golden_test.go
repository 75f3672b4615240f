package bridge_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
	"meetbridge/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

var received = time.Date(2026, 3, 2, 9, 15, 31, 987_654_321, time.UTC)

// freshID is what the rules of these tests give to items without an identity.
const freshID = "01890000-0000-7000-8000-000000000000"

func rules() bridge.Rules { return bridge.Rules{FreshID: func() string { return freshID }} }

// golden is one item, from a sample or as written here, and the opened payload
// that it carries, if it is rich.
type golden struct{ name, sample, item, payload string }

func goldens() []golden {
	return []golden{
		{"callStarted", "callEvent.rich", "", "samples/callEvent.decrypted.callStarted"},
		{"callEnded", "callEvent.rich", "", "samples/callEvent.decrypted.callEnded"},
		{"rosterUpdated.join", "callEvent.rich", "", "samples/callEvent.decrypted.rosterUpdated.join"},
		{"rosterUpdated.exit", "callEvent.rich", "", "samples/callEvent.decrypted.rosterUpdated.exit"},
		{"rosterUpdated.inactive", "callEvent.rich", "", "samples/callEvent.decrypted.rosterUpdated.inactive"},
		{"rosterUpdated.everybody", "callEvent.rich", "", "payloads/callEvent.everybody"},
		{"legacy2022.rosterUpdate", "", legacyItem, "samples/callEvent.legacy2022.decrypted.rosterUpdate"},
		{"legacy2022.inClear", "", "", "payloads/callEvent.legacy2022.ended"},
		{"recording.onlineMeeting", "callRecording.rich.onlineMeeting", "", "samples/callRecording.decrypted"},
		{"recording.adhocCall", "callRecording.rich.adhocCall", "", "payloads/callRecording.adhoc"},
		{"transcript.onlineMeeting", "callTranscript.rich.onlineMeeting", "", "samples/callTranscript.decrypted.onlineMeeting"},
		{"transcript.adhocCall", "callTranscript.rich.adhocCall", "", "samples/callTranscript.decrypted.onlineMeeting"},
		{"channel", "channel.rich", "", "payloads/channel"},
		{"chat", "chat.rich.capitalised", "", "payloads/chat"},
		{"message.basic.channel", "chatMessage.basic.channel", "", ""},
		{"message.basic.chat", "chatMessage.basic.observed-null-encryptedContent", "", ""},
		{"message.rich", "chatMessage.rich", "", "payloads/chatMessage"},
		{"message.reply", "", replyItem, "samples/chatMessage.decrypted.reply"},
		{"member.channel", "conversationMember.channel.rich", "", "samples/conversationMember.decrypted.channel"},
		{"member.chat", "conversationMember.chat.rich.capitalised", "", "payloads/conversationMember"},
		{"member.team", "conversationMember.team.rich", "", "payloads/conversationMember"},
		{"eventhubs.validation", "eventhubs.validation-message", "", ""},
		{"lifecycle", "lifecycle", "", ""},
		{"team", "team.rich", "", "payloads/team"},
		{"appInstallation", "teamsAppInstallation.rich", "", "samples/teamsAppInstallation.decrypted"},
		{"attendanceReport", "virtualEvent.attendanceReport.created", "", ""},
		{"webinar.created", "virtualEvent.event.created", "", ""},
		{"registration", "virtualEvent.registration.created", "", ""},
		{"session.created", "virtualEvent.session.created", "", ""},
		{"session.onDemand", "virtualEvent.session.vod.updated", "", ""},
		{"townhall", "virtualEvent.townhall.created.no-tenantId", "", ""},
		{"webinar.updated", "virtualEvent.webinar.updated", "", ""},
		{"other.rich", "", `{"subscriptionId":"s","changeType":"Updated","tenantId":"t","resource":"copilot/users/u/onlineMeetings/m/aiInsights/i",` +
			`"resourceData":{"@odata.type":"#microsoft.graph.callAiInsight","@odata.id":"copilot/users/u/onlineMeetings/m/aiInsights/i","id":"i"}}`, "payloads/channel"},
		{"other.basic", "", `{"subscriptionId":"s","changeType":"created","tenantId":"t","resource":"communications/callRecords/e523d2ed",` +
			`"resourceData":{"@odata.type":"#microsoft.graph.callrecord","@odata.id":"communications/callRecords/e523d2ed","id":"e523d2ed","more":{"x":1}}}`, ""},
	}
}

const (
	legacyItem = `{"subscriptionId":"s","clientState":"c","changeType":"updated","tenantId":"t","resource":` +
		`"communications/onlineMeetings?$filter=JoinWebUrl eq 'https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_ZmYwZTEy%2540thread.v2%2F0%3Fcontext%3D%257b%257d'"}`
	replyItem = `{"subscriptionId":"s","changeType":"created","tenantId":"8afd02d6-ebdd-4270-a515-c749898ea5c5","resource":` +
		`"teams('79852646-8963-4d32-95f1-e0c5237d37fa')/channels('19:etTE40ziboDEfQ1v0B96_nCVjGUsZ77LQa5KRb0cukQ1@thread.tacv2')/messages('1625067617497')/replies('1625126194597')"}`
)

// read returns the item of g and its payload, nil if it is basic.
func (g golden) read(t *testing.T) (*bridge.Item, []byte) {
	t.Helper()
	raw := jsontext.Value(g.item)
	if g.sample != "" {
		body := readFile(t, "samples/"+g.sample)
		c, err := bridge.DecodeCollection(body)
		if err != nil || len(c.Items) != 1 {
			t.Fatalf("%s: %d items, error %v", g.sample, len(c.Items), err)
		}
		raw = c.Items[0]
	}
	var payload []byte
	if g.payload != "" {
		payload = readFile(t, g.payload)
	}
	if len(raw) == 0 { // in 2022, the fields stood in resourceData where nothing was sealed
		raw = append([]byte(legacyItem[:len(legacyItem)-1]+`,"resourceData":`), append(payload, '}')...)
		payload = nil
	}
	it, err := bridge.DecodeItem(raw)
	if err != nil {
		t.Fatal(err)
	}
	return it, payload
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// decoded returns the record as a consumer reads it: through Avro and back.
func decoded(tb testing.TB, c *schemas.Codec, rec bridge.Record) map[string]any {
	tb.Helper()
	value, err := c.Append(nil, rec.Kind.Topic(), 1, rec.Value)
	if err != nil {
		tb.Fatalf("append to %s: %v", rec.Kind, err)
	}
	for _, s := range schemas.All() {
		if s.Topic != rec.Kind.Topic() {
			continue
		}
		m, err := schemas.Decode(s.Text, value[5:])
		if err != nil {
			tb.Fatalf("decode from %s: %v", rec.Kind, err)
		}
		return m
	}
	tb.Fatalf("no schema for kind %d", rec.Kind)
	return nil
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// prune takes out what is null, so that a golden file shows what is there.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			if x == nil {
				delete(v, name)
			} else {
				v[name] = prune(x)
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}

func TestGolden(t *testing.T) {
	t.Parallel()
	c, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, g := range goldens() {
		used[g.sample+".json"], used[strings.TrimPrefix(g.payload, "samples/")+".json"] = true, true
		t.Run(g.name, func(t *testing.T) {
			it, payload := g.read(t)
			rec, lasting := bridge.Normalize(it, payload, received, rules())
			value := decoded(t, c, rec)
			if payload != nil {
				if value["payload"] != string(payload) {
					t.Errorf("payload is %q, want it byte for byte (I7)", value["payload"])
				}
				delete(value, "payload")
			}
			got := indented(t, map[string]any{
				"topic": rec.Kind.Topic(), "key": rec.Key, "type": rec.Type, "misfit": rec.Misfit,
				"id lasts": lasting, "value": prune(value),
			})
			file := filepath.Join("testdata", "golden", g.name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("record is\n%s\nwant\n%s", got, want)
			}
		})
	}
	samples, err := filepath.Glob(filepath.Join("testdata", "samples", "*.json"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, s := range samples {
		if !used[filepath.Base(s)] {
			t.Errorf("%s is in no golden file", s)
		}
	}
}
