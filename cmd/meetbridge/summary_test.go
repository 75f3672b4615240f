package main

import (
	"strings"
	"testing"

	"meetbridge/bridge/graph/graphsim"
)

// sentChat is a genuine sealed item that was acknowledged.
func sentChat(payload string, change ...func(*graphsim.Entry)) graphsim.Entry {
	e := graphsim.Entry{
		Topic: "chats", Genuine: true, SubscriptionID: "s1", ChangeType: "Updated", Resource: "chats('c1')",
		Payload: []byte(payload), Copies: 1, AckedCopies: 1, Attempts: 1, Acked: true,
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func fresh(e *graphsim.Entry)    { e.Fresh, e.Payload, e.ResourceID = true, nil, "r1" }
func unacked(e *graphsim.Entry)  { e.Acked, e.AckedCopies = false, 0 }
func repeated(e *graphsim.Entry) { e.Copies, e.AckedCopies, e.Attempts = 2, 2, 3 }

func forged(reason string) func(*graphsim.Entry) {
	return func(e *graphsim.Entry) { e.Genuine, e.Reason, e.Topic = false, reason, "quarantine" }
}

func foundChat(payload any) record {
	return record{Topic: "teams.chats", Value: map[string]any{
		"subscription_id": "s1", "change_type": "updated", "resource": "chats('c1')", "payload": payload,
	}}
}

func withEvent(r record) record {
	r.Value["event_id"] = "e1"
	return r
}

// foundBasic is the record of a basic item about the resource with the id.
func foundBasic(id string) record {
	r := foundChat(nil)
	r.Value["resource_data"] = `{"id":"` + id + `"}`
	return r
}

func foundForged(reason, item string) record {
	return record{Topic: "teams.quarantine", Value: map[string]any{"reason": reason, "item": []byte(item)}}
}

const forgedItem = `{"subscriptionId":"s1","changeType":"updated","resource":"chats('c1')","encryptedContent":{}}`

// Ensure that the demo's verdict sees what it must see: a loss (I1, I2), a
// forgery that became a record (I3), what nobody sent, and one event stored
// twice (I8).
func TestCompare(t *testing.T) {
	t.Parallel()
	lifecycle := graphsim.Entry{Topic: "lifecycle", Genuine: true, SubscriptionID: "s1", LifecycleEvent: "missed", Attempts: 1, Acked: true}
	for _, tc := range []struct {
		name       string
		sent       []graphsim.Entry
		found      []record
		counts     counted
		want       string // of the first difference; "" for none
		duplicates int
	}{
		{name: "Nothing"},
		{name: "OK", sent: []graphsim.Entry{sentChat(`{"a":1}`), lifecycle, sentChat("x", forged("token_missing"))}, found: []record{
			foundChat(`{"a":1}`),
			{Topic: "teams.lifecycle", Value: map[string]any{"subscription_id": "s1", "lifecycle_event": "missed"}},
			foundForged("token_missing", forgedItem),
		}},
		{name: "Redelivered", sent: []graphsim.Entry{sentChat(`{}`, repeated)}, found: []record{foundChat(`{}`)}},
		{name: "SameContentTwice", sent: []graphsim.Entry{sentChat(`{}`), sentChat(`{}`)}, found: []record{foundChat(`{}`)}},
		{
			name: "SameContentOtherID", sent: []graphsim.Entry{sentChat(`{}`), sentChat(`{}`, func(e *graphsim.Entry) { e.NotificationID = "n" })},
			found: []record{foundChat(`{}`)}, want: "acknowledged but not in Kafka (1 of 2)",
		},
		{name: "Duplicate", sent: []graphsim.Entry{sentChat(`{}`, repeated)}, found: []record{foundChat(`{}`), foundChat(`{}`)}, duplicates: 1},
		{name: "SameEventTwice", sent: []graphsim.Entry{sentChat(`{}`, repeated)}, found: []record{withEvent(foundChat(`{}`)), withEvent(foundChat(`{}`))}, want: "twice in Kafka", duplicates: 1},
		{name: "FreshRepeated", sent: []graphsim.Entry{sentChat("", fresh, repeated)}, found: []record{foundBasic("r1"), foundBasic("r1")}, duplicates: 1},
		{name: "FreshLost", sent: []graphsim.Entry{sentChat("", fresh), sentChat("", fresh)}, found: []record{foundBasic("r1")}, want: "(1 of 2)"},
		{name: "BasicOther", sent: []graphsim.Entry{sentChat("", fresh)}, found: []record{foundBasic("r2")}, want: "in Kafka but never sent"},
		{name: "Lost", sent: []graphsim.Entry{sentChat(`{}`)}, want: "acknowledged but not in Kafka (1 of 1): chats of subscription s1, updated chats('c1')"},
		{name: "OtherPayload", sent: []graphsim.Entry{sentChat(`{}`)}, found: []record{foundChat(`{ }`)}, want: "in Kafka but never sent"},
		{name: "NeverSent", found: []record{foundChat(`{}`)}, want: "in Kafka but never sent"},
		{name: "NotAcknowledged", sent: []graphsim.Entry{sentChat(`{}`, unacked)}, want: "not acknowledged: chats"},
		{name: "StoredNotAcknowledged", sent: []graphsim.Entry{sentChat(`{}`, unacked)}, found: []record{foundChat(`{}`)}, want: "not acknowledged: chats"},
		{name: "ForgedStored", sent: []graphsim.Entry{sentChat(`{}`, forged("token_missing"))}, found: []record{foundChat(`{}`)}, want: "in Kafka but never sent: chats"},
		{name: "ForgedLost", sent: []graphsim.Entry{sentChat(`{}`, forged("client_state_missing"))}, want: "acknowledged but not in Kafka (1 of 1): quarantine"},
		{name: "ForgedLimited", sent: []graphsim.Entry{sentChat(`{}`, forged("client_state_missing"))}, counts: counted{limited: 1}},
		{name: "ForgedOtherReason", sent: []graphsim.Entry{sentChat(`{}`, forged("token_missing"))}, found: []record{foundForged("token_tenant", forgedItem)}, want: "never sent: quarantine"},
		{name: "Malformed", sent: []graphsim.Entry{sentChat(``, forged("malformed_item"))}, found: []record{foundForged("malformed_item", `42`)}},
		{name: "MalformedTwice", sent: []graphsim.Entry{sentChat(``, forged("malformed_item")), sentChat(``, forged("malformed_item"))}, found: []record{foundForged("malformed_item", `42`), foundForged("malformed_item", `43`)}},
		{name: "GenuineQuarantined", sent: []graphsim.Entry{sentChat(`{}`)}, found: []record{foundForged("decryption_key_unknown", forgedItem)}, want: "never sent: quarantine"},
		{name: "Undecodable", found: []record{{Topic: "teams.chats", Problem: "no schema"}}, want: "no record that can be read: chats"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := compare(tc.sent, tc.found, tc.counts)
			switch {
			case tc.want == "" && len(s.Differences) > 0:
				t.Errorf("differences: %q", s.Differences)
			case tc.want != "" && (len(s.Differences) == 0 || !strings.Contains(s.Differences[0], tc.want)):
				t.Errorf("differences: %q, want %q first", s.Differences, tc.want)
			case s.Agree != (tc.want == ""):
				t.Errorf("agree is %t, differences: %q", s.Agree, s.Differences)
			case s.Total.Duplicates != tc.duplicates:
				t.Errorf("%d duplicates, want %d", s.Total.Duplicates, tc.duplicates)
			case s.Sent != len(tc.sent) || s.Stored != len(tc.found):
				t.Errorf("sent %d, stored %d, want %d, %d", s.Sent, s.Stored, len(tc.sent), len(tc.found))
			}
		})
	}
}

// Ensure that a summary of many differences stays readable.
func TestCompareBounded(t *testing.T) {
	t.Parallel()
	var found []record
	for range 100 {
		found = append(found, foundChat(`{}`))
	}
	s := compare(nil, found, counted{})
	if s.Different != 100 || len(s.Differences) != maxDifferences {
		t.Errorf("%d differences, %d listed", s.Different, len(s.Differences))
	}
}

// Ensure that what the renewers write, and nobody sent, is shown apart from the sum.
func TestSummaryRenewersOwn(t *testing.T) {
	t.Parallel()
	s := compare([]graphsim.Entry{sentChat(`{}`)}, []record{foundChat(`{}`), {Topic: "teams.gaps", Value: map[string]any{}}, {Topic: "teams.subscriptions"}}, counted{})
	if !s.Agree || s.Sent != 1 || s.Stored != 1 || s.Total.Stored != 1 || len(s.Topics) != 3 {
		t.Errorf("got %+v", s)
	}
	var out strings.Builder
	if err := s.print(&terminal{stdout: &out}, false); err != nil {
		t.Fatal(err)
	}
	_, below, ok := strings.Cut(out.String(), "\ntotal ")
	if !ok || !strings.Contains(below, "\nWritten by the renewers beside it: gaps 1, subscriptions 1.\n") || strings.Contains(out.String(), "\ngaps") {
		t.Errorf("printed %s", out.String())
	}
}
