//go:build synctests

package bridgetest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"meetbridge/bridge/bridgetest"
)

// sampleTenant stands in for the placeholders of the printed samples.
const sampleTenant = "84bd8158-6d4d-4958-8b9f-9d6445542f95"

// opened says what each sealed sample of the documentation holds: the payload
// printed beside it, or one of ours where none is.
func opened() map[string][]string {
	return map[string][]string{
		"callEvent.rich": {
			"samples/callEvent.decrypted.callStarted", "samples/callEvent.decrypted.callEnded", "samples/callEvent.decrypted.rosterUpdated.join",
			"samples/callEvent.decrypted.rosterUpdated.exit", "samples/callEvent.decrypted.rosterUpdated.inactive", "samples/callEvent.legacy2022.decrypted.rosterUpdate",
		},
		"callRecording.rich.onlineMeeting":         {"samples/callRecording.decrypted"},
		"callRecording.rich.adhocCall":             {"payloads/callRecording.adhoc"},
		"callTranscript.rich.onlineMeeting":        {"samples/callTranscript.decrypted.onlineMeeting"},
		"callTranscript.rich.adhocCall":            {"samples/callTranscript.decrypted.onlineMeeting"},
		"channel.rich":                             {"payloads/channel"},
		"chat.rich.capitalised":                    {"payloads/chat"},
		"chatMessage.rich":                         {"payloads/chatMessage", "samples/chatMessage.decrypted.reply"},
		"conversationMember.channel.rich":          {"samples/conversationMember.decrypted.channel"},
		"conversationMember.chat.rich.capitalised": {"payloads/conversationMember"},
		"conversationMember.team.rich":             {"payloads/conversationMember"},
		"team.rich":                                {"payloads/team"},
		"teamsAppInstallation.rich":                {"samples/teamsAppInstallation.decrypted"},
	}
}

// topicOf says where each sample has to end, by what it is.
func topicOf(sample string) string {
	for _, c := range [][2]string{
		{"callEvent", "meeting-call-events"},
		{"callRecording", "call-recordings"},
		{"callTranscript", "call-transcripts"},
		{"channel", "channels"},
		{"chatMessage", "chat-messages"},
		{"chat.", "chats"},
		{"conversationMember", "conversation-members"},
		{"team.", "teams"},
		{"teamsApp", "app-installations"},
		{"lifecycle", "lifecycle"},
		{"eventhubs", "other"},
		{"virtualEvent.attendanceReport", "webinar-attendance-reports"},
		{"virtualEvent.registration", "webinar-registrations"},
		{"virtualEvent.session", "webinar-sessions"},
		{"virtualEvent.", "webinars"},
	} {
		if strings.HasPrefix(sample, c[0]) {
			return c[1]
		}
	}
	return ""
}

// Every notification that the documentation prints goes through a running
// ingest: as printed it is set aside with its reason, with our clientState and
// what it lacks (tokens, sealed content) it becomes its record.
func TestSamples(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		sim := world(r, nil)
		r.Ready()
		files, err := filepath.Glob("../testdata/samples/*.json")
		if err != nil || len(files) < 34 {
			t.Fatalf("%d samples: %v", len(files), err)
		}
		token, err := sim.Token(sampleTenant, true)
		if err != nil {
			t.Fatal(err)
		}
		type expected struct{ topic, reason, payload, where string }
		want := map[string]expected{} // by subscription, which each POST gets anew
		used := map[string]bool{}
		send := func(body map[string]any, e expected) {
			t.Helper()
			subscription := fmt.Sprintf("subscription-%d", len(want))
			body["value"].([]any)[0].(map[string]any)["subscriptionId"] = subscription
			want[subscription] = e
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := r.HTTP.Post(r.NotificationURL(), "application/json", strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("%s: answered %d", e.where, resp.StatusCode)
			}
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			body := readJSON(t, file)
			value, isPOST := body["value"].([]any)
			if !isPOST {
				continue // a payload: goes along with its item
			}
			item := value[0].(map[string]any)
			send(body, expected{"quarantine", "client_state_mismatch", "", name + " as printed"})

			item["clientState"] = bridgetest.LiteralState
			if tenant, ok := item["tenantId"]; ok && strings.ContainsAny(tenant.(string), "<{") {
				item["tenantId"] = sampleTenant
			}
			payloads := opened()[name]
			if payloads == nil {
				send(body, expected{topicOf(name), "", "", name})
				continue
			}
			send(body, expected{"quarantine", "token_malformed", "", name + " with a good clientState"})
			body["validationTokens"] = []any{token}
			send(body, expected{"quarantine", "sealed_malformed", "", name + " with a good token"})
			for _, p := range payloads {
				used[p] = true
				payload, err := os.ReadFile("../testdata/" + p + ".json")
				if err != nil {
					t.Fatal(err)
				}
				content, err := sim.Seal(payload)
				if err != nil {
					t.Fatal(err)
				}
				for _, member := range []string{"encryptedContent", "EncryptedContent"} {
					if item[member] != nil {
						item[member] = json.RawMessage(content)
					}
				}
				send(body, expected{topicOf(name), "", string(payload), name + " holding " + p})
			}
		}
		for _, file := range files {
			if p := "samples/" + strings.TrimSuffix(filepath.Base(file), ".json"); strings.Contains(p, "decrypted") && !used[p] {
				t.Errorf("%s was sent by no sample", p)
			}
		}
		for _, s := range r.Records() {
			e, ok := want[s.Text("subscription_id")]
			if !ok {
				t.Errorf("a record on %s of subscription %q, which sent none or has one already", s.Topic, s.Text("subscription_id"))
				continue
			}
			delete(want, s.Text("subscription_id"))
			if s.Topic != e.topic || s.Text("reason") != e.reason || e.topic != "lifecycle" && e.topic != "quarantine" && s.Text("payload") != e.payload {
				t.Errorf("%s: landed on %s %s", e.where, s.Topic, s.Text("reason"))
			}
		}
		for _, e := range want {
			t.Errorf("%s: nothing landed", e.where)
		}
	})
}

func readJSON(t *testing.T, file string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}
