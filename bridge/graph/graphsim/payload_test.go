package graphsim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"meetbridge/bridge/graph/graphsim"
)

// members adds the paths of all members of v to set: a.b, a[].b.
func members(set map[string]bool, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			set[prefix+name] = true
			members(set, prefix+name+".", m)
		}
	case []any:
		for _, m := range v {
			members(set, strings.TrimSuffix(prefix, ".")+"[].", m)
		}
	}
}

func parse(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %.200s", err, b)
	}
	return v
}

func sample(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every member of every payload that the documentation prints is one that the
// world writes, too, in a payload of that topic.
func TestPayloadsHaveTheDocumentedMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&receiver{})
		cfg.Tenants, cfg.MeetingsPerTenant = 1, 8 // the eighth is watched in the shape of 2022
		cfg.Seed = 11                             // where all has been seen early
		s := play(t, cfg, graphsim.Limit{Items: 3000})
		written := map[string]map[string]bool{}
		for _, e := range s.Ledger() {
			if e.Payload == nil {
				continue
			}
			if written[e.Topic] == nil {
				written[e.Topic] = map[string]bool{}
			}
			members(written[e.Topic], "", parse(t, e.Payload))
		}
		for file, topic := range map[string]string{
			"samples/callEvent.decrypted.callStarted.json":             "meeting-call-events",
			"samples/callEvent.decrypted.callEnded.json":               "meeting-call-events",
			"samples/callEvent.decrypted.rosterUpdated.join.json":      "meeting-call-events",
			"samples/callEvent.decrypted.rosterUpdated.exit.json":      "meeting-call-events",
			"samples/callEvent.decrypted.rosterUpdated.inactive.json":  "meeting-call-events",
			"samples/callEvent.legacy2022.decrypted.rosterUpdate.json": "meeting-call-events",
			"samples/callRecording.decrypted.json":                     "call-recordings",
			"samples/callTranscript.decrypted.onlineMeeting.json":      "call-transcripts",
			"samples/conversationMember.decrypted.channel.json":        "conversation-members",
			"samples/teamsAppInstallation.decrypted.json":              "app-installations",
			"vectors/plaintext.json":                                   "chat-messages",
		} {
			want := map[string]bool{}
			members(want, "", parse(t, sample(t, file)))
			for m := range want {
				if !written[topic][m] {
					t.Errorf("%s: no payload of %s has %s", file, topic, m)
				}
			}
		}
		for _, both := range []string{"eventType", "callEventType", "recordingState.sequenceNumber", "participants@delta[].isMuted", "participants@delta[].info.identity.guest.id"} {
			if !written["meeting-call-events"][both] {
				t.Errorf("no call event has %s", both)
			}
		}
	})
}

// Every notification that the documentation prints has its like: the same
// members, the same form of path, the same spelling of the type.
func TestItemsHaveTheDocumentedShapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := config(r)
		cfg.ClientState = nil // so that town halls come without tenantId
		play(t, cfg, graphsim.Limit{Items: 5000})
		sent := map[string]bool{}
		for _, d := range r.acknowledged() {
			for _, raw := range d.collection(t).Value {
				sent[shapeOf(parse(t, raw))] = true
			}
		}
		files, err := filepath.Glob("testdata/samples/*.json")
		if err != nil || len(files) < 30 {
			t.Fatalf("%d samples, %v", len(files), err)
		}
		for _, file := range files {
			if strings.Contains(file, "decrypted") {
				continue
			}
			item := parse(t, sample(t, strings.TrimPrefix(file, "testdata/")))["value"].([]any)[0].(map[string]any)
			if e, ok := item["encryptedContent"].(map[string]any); ok {
				e["dataSignature"] = "" // which half of the samples forgets (FACTS §0.4)
			}
			if e, ok := item["EncryptedContent"].(map[string]any); ok {
				e["dataSignature"] = ""
			}
			if want := shapeOf(item); !sent[want] {
				t.Errorf("%s: nothing was sent like\n%s", file, want)
			}
		}
	})
}

// shapeOf reduces an item to its members, the letter case of its values, and
// its path with every id replaced by x.
func shapeOf(item map[string]any) string {
	set := map[string]bool{}
	members(set, "", item)
	names := []string{}
	for m := range set {
		names = append(names, m)
	}
	slices.Sort(names)
	shape := strings.Join(names, " ")
	text := func(v any) string { s, _ := v.(string); return s }
	shape += "\n" + text(item["changeType"]) + text(item["lifecycleEvent"]) + "\n" + pathShape(text(item["resource"]))
	if data, ok := item["resourceData"].(map[string]any); ok {
		shape += "\n" + text(data["@odata.type"]) + "\n" + pathShape(text(data["@odata.id"]))
	}
	return shape
}

// pathShape replaces what is no fixed segment by x.
func pathShape(p string) string {
	var out []string
	for _, seg := range strings.Split(inQuotes(p), "/") {
		name, rest, _ := strings.Cut(seg, "(")
		switch {
		case rest != "" && strings.HasPrefix(rest, "'"):
			seg = name + "('x')"
		case rest != "" && strings.HasPrefix(rest, "joinWebUrl"):
			seg = name + "(joinWebUrl='x')"
		case rest != "":
			seg = name + "(x)"
		case strings.ContainsAny(seg, "0123456789{"):
			seg = "x"
		}
		out = append(out, seg)
	}
	return strings.NewReplacer("/webinars/x", "/event/x", "/townhalls/x", "/event/x", "/x/x", "/event/x", "virtualevents", "virtualEvents").Replace(strings.Join(out, "/"))
}

// inQuotes drops what stands between quotes.
func inQuotes(p string) string {
	var b strings.Builder
	for i, part := range strings.Split(p, "'") {
		if i%2 == 0 {
			b.WriteString(part)
		} else {
			b.WriteString("''")
		}
	}
	return b.String()
}

// Grown, misfit and big payloads are still JSON, and what they say is known.
func TestSpoiledPayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&receiver{})
		cfg.Faults.Every = map[graphsim.Fault]int{graphsim.GrownPayload: 5, graphsim.MisfitPayload: 7, graphsim.BigPayload: 50}
		s := play(t, cfg, graphsim.Limit{Items: 300})
		grown, misfit, big := 0, 0, 0
		for _, e := range s.Ledger() {
			if e.Payload == nil {
				continue
			}
			v := parse(t, e.Payload)
			if strings.Contains(string(e.Payload), `"futureProperty`) {
				grown++
			}
			for _, m := range v {
				if m == 42.0 {
					misfit++
				}
			}
			if len(e.Payload) > 100_000 {
				big++
			}
		}
		f := s.Summary().Faults
		if grown != f[graphsim.GrownPayload] || misfit != f[graphsim.MisfitPayload] || big != f[graphsim.BigPayload] || grown*misfit*big == 0 {
			t.Errorf("grown %d, misfit %d, big %d; faults %v", grown, misfit, big, f)
		}
	})
}
