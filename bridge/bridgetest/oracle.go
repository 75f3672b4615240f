package bridgetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"meetbridge/bridge/graph/graphsim"
)

// Judge compares what the simulated Graph saw answered with what a plain
// consumer found in Kafka, and returns every difference:
//
//   - a genuine item that was acknowledged has its record, on the topic and under
//     the key that Graph's own documentation implies, with the payload byte for
//     byte (I1, I2, I7), and only one, unless nothing tells it from another (I8);
//   - a forged item that was acknowledged is in quarantine with its reason, and
//     nowhere else (I3);
//   - nothing else is in Kafka.
//
// After a restart of ingest there may be a second record of an item, under the
// same event_id: restarted says so.
//
// It shares no code with the bridge: identities are made from the sent and the
// stored fields, not from event ids.
func Judge(entries []graphsim.Entry, stored []Stored, restarted bool) []string {
	j := judge{restarted: restarted, want: map[string]*expectation{}, reasons: map[string][2]int{}, events: map[string]string{}}
	for _, e := range entries {
		j.expect(e)
	}
	for _, s := range stored {
		if s.Topic != "subscriptions" && s.Topic != "gaps" { // the renewer's: see System.Judge
			j.find(s)
		}
	}
	return j.differences()
}

// expectation is what is expected of all items that look the same.
type expectation struct {
	example             graphsim.Entry
	sent, acked, stored int
	fresh               bool
}

type judge struct {
	restarted bool
	want      map[string]*expectation
	reasons   map[string][2]int // quarantine records by reason: least, most
	found     map[string]int    // quarantine records found, by reason
	events    map[string]string // event id → the identity under which it was found
	diffs     []string
}

func (j *judge) differ(format string, args ...any) {
	j.diffs = append(j.diffs, fmt.Sprintf(format, args...))
}

func (j *judge) expect(e graphsim.Entry) {
	if !e.Genuine {
		r := j.reasons[e.Reason]
		if e.Acked {
			r[0]++
		}
		r[1] += max(e.Attempts, e.Copies)
		j.reasons[e.Reason] = r
		return
	}
	id := identity(e.Topic, e.SubscriptionID, e.ChangeType, e.Resource, string(e.Payload), e.ODataID, e.LifecycleEvent)
	w := j.want[id]
	if w == nil {
		w = &expectation{example: e}
		j.want[id] = w
	}
	w.sent++
	w.fresh = w.fresh || e.Fresh || mayRecur(e)
	if e.Acked {
		w.acked++
	}
}

// mayRecur reports whether e could have happened twice as it stands: somebody
// who is removed and added again, a channel renamed there and back, a notice
// without an id. Such items are never taken for one another.
func mayRecur(e graphsim.Entry) bool {
	switch e.Topic {
	case "conversation-members", "app-installations", "other", "lifecycle":
		return true
	case "channels", "teams", "chats":
		return !strings.EqualFold(e.ChangeType, "created")
	default:
		return false
	}
}

func identity(topic, subscription, change, resource, payload, odataID, lifecycle string) string {
	if lifecycle != "" {
		return strings.Join([]string{topic, subscription, lifecycle}, "\x00")
	}
	if payload != "" {
		odataID = ""
	}
	return strings.Join([]string{topic, subscription, strings.ToLower(change), resource, payload, odataID}, "\x00")
}

func (j *judge) find(s Stored) {
	where := fmt.Sprintf("%s/%d@%d", s.Topic, s.Partition, s.Offset)
	if s.Headers["ce_id"] != s.Text("event_id") {
		j.differ("%s: ce_id %q is not its event_id", where, s.Headers["ce_id"])
	}
	if s.Topic == "quarantine" {
		if j.found == nil {
			j.found = map[string]int{}
		}
		j.found[s.Text("reason")]++
		return
	}
	var data struct {
		ODataID string `json:"@odata.id"`
	}
	_ = json.Unmarshal([]byte(s.Text("resource_data")), &data) // absent in rich records
	id := identity(s.Topic, s.Text("subscription_id"), s.Text("change_type"), s.Text("resource"), s.Text("payload"), data.ODataID, s.Text("lifecycle_event"))
	event := s.Text("event_id")
	if first, again := j.events[event]; again && (first != id || !j.restarted) {
		j.differ("%s: its event_id %s stands on another record", where, event)
	} else if again {
		return
	}
	j.events[event] = id
	w := j.want[id]
	if w == nil {
		j.differ("%s: nothing genuine was sent that looks like this: key %q, resource %q", where, s.Key, s.Text("resource"))
		return
	}
	w.stored++
	if want := w.example.MeetingOrEventKey; want != "" && s.Key != want {
		j.differ("%s: key %q, want %q (resource %q)", where, s.Key, want, s.Text("resource"))
	}
	if s.Key == "" {
		j.differ("%s: no key", where)
	}
}

func (j *judge) differences() []string {
	for _, w := range j.want {
		e := w.example
		switch {
		case w.stored < w.acked:
			j.differ("lost: %d acknowledged, %d stored: #%d %s %s %q", w.acked, w.stored, e.Seq, e.Topic, e.ChangeType, e.Resource)
		case w.stored > w.sent && !w.fresh:
			j.differ("doubled: %d sent, %d stored: #%d %s %s %q", w.sent, w.stored, e.Seq, e.Topic, e.ChangeType, e.Resource)
		}
	}
	for reason, r := range j.reasons {
		if n := j.found[reason]; n < r[0] || n > r[1] {
			j.differ("quarantine: %d records of %s, want %d to %d", n, reason, r[0], r[1])
		}
		delete(j.found, reason)
	}
	for reason, n := range j.found {
		j.differ("quarantine: %d records of %s, and nothing of that kind was sent", n, reason)
	}
	slices.Sort(j.diffs)
	return j.diffs
}
