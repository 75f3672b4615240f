package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// world is a small run in which all went well.
type world struct {
	seen
	began time.Time
}

func (w *world) at(seconds float64) time.Time {
	return w.began.Add(time.Duration(seconds * float64(time.Second)))
}

// deliver has one POST with n sealed items of one key sent, answered 202 by an
// ingest, and stored.
func (w *world) deliver(name string, at float64, n int) {
	p := post{Backend: 0, Life: 1, Sent: w.at(at), Ended: w.at(at + .1), Answered: w.at(at + .1), Status: 202, Whole: true}
	for i := range n {
		payload := fmt.Sprintf(`{"id":"%s-%d"}`, name, i)
		sum := sha256.Sum256([]byte(payload))
		resource := fmt.Sprintf("chats('%s')/messages('%d')", name, i)
		w.entries = append(w.entries, entry{
			Seq: len(w.entries) + 1, Topic: "chat-messages", Genuine: true, SubscriptionID: "s", ChangeType: "Created", Resource: resource,
			PayloadSHA256: hex.EncodeToString(sum[:]), Key: "k", Copies: 1, Attempts: 1, Acked: true,
		})
		p.Items = append(p.Items, look("s", "created", resource, ""))
		id := name + fmt.Sprint(i)
		w.records = append(w.records, stored{
			Topic: "chat-messages", Offset: int64(len(w.records)), Key: "k", EventID: id, Trace: name,
			Value: map[string]any{
				"event_id": id, "subscription_id": "s", "change_type": "created", "resource": resource, "payload": payload,
				"received_at": w.at(at + .01),
			},
		})
	}
	w.posts = append(w.posts, p)
}

func newWorld() *world {
	w := &world{began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.end, w.notice = w.at(1000), 100*time.Second
	w.excuses = map[int][]span{}
	w.deliver("a", 1, 3)
	w.deliver("b", 2, 2)
	w.entries = append(w.entries, entry{Seq: 9, Topic: "quarantine", Reason: "token_expired", Acked: true, Attempts: 1, Copies: 1})
	w.records = append(w.records, stored{Topic: "quarantine", EventID: "q", Value: map[string]any{"event_id": "q", "reason": "token_expired"}})
	w.wishes = []wish{{"t", "chats"}}
	w.lives = []life{
		{w.at(0), "created", "s", "t", "/Chats"},
		{w.at(50), "renewed", "s", "t", "/Chats"},
		{w.at(100), "lost", "s", "t", "/Chats"},
		{w.at(130), "created", "s2", "t", "/Chats"},
	}
	w.gap("g", 90, 131)
	return w
}

func (w *world) gap(id string, from, to float64) {
	for _, open := range []bool{true, false} {
		v := map[string]any{"gap_id": id, "tenant_id": "t", "resource": "chats", "from": w.at(from)}
		if !open && to > 0 {
			v["to"] = w.at(to)
		}
		w.records = append(w.records, stored{Topic: "gaps", Value: v})
	}
}

// A run in which all went well passes, and the oracle looked at everything.
func TestOraclePasses(t *testing.T) {
	t.Parallel()
	var out Result
	verdict(newWorld().seen, &out)
	if out.Violations > 0 {
		t.Error(strings.Join(out.Words, "\n"))
	}
	if out.Traced != 2 || out.Ordered != 4 || out.Stored != 5 || out.Quarantined != 1 || out.Deaths != 1 || out.Gaps != 1 || out.Alive != 1 || out.Renewals != 1 {
		t.Errorf("not all was looked at: %+v", out)
	}
}

// Whatever is wrong with a run, the oracle says so, and says it of that alone.
func TestOracleFinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sort string
		harm       func(*world)
	}{
		{"a record is missing (I1)", "lost", func(w *world) { w.records = w.records[1:] }},
		{"a genuine item is in quarantine", "set aside", func(w *world) {
			item := `{"subscriptionId":"s","changeType":"created","resource":"chats('a')/messages('0')"}`
			w.records[0] = stored{Topic: "quarantine", EventID: "x", Value: map[string]any{"event_id": "x", "reason": "token_expired", "item": []byte(item)}}
		}},
		{"one byte of a payload differs (I7)", "unknown", func(w *world) { w.records[0].Value["payload"] = `{"id":"a-0" }` }},
		{"a record of nothing that was sent (I3)", "unknown", func(w *world) {
			r := w.records[0]
			r.Value = map[string]any{"event_id": r.EventID, "subscription_id": "x", "change_type": "created", "resource": "r", "payload": "{}"}
			w.records = append(w.records, r)
		}},
		{"a forged item became a record (I3)", "unknown", func(w *world) { w.entries[0].Genuine, w.entries[0].Reason = false, "token_expired" }},
		{"a forged item is not in quarantine", "quarantine", func(w *world) { w.records[5].Value["reason"] = "token_issuer" }},
		{"another key", "key", func(w *world) { w.records[1].Key = "other" }},
		{"the header is another record's", "header", func(w *world) { w.records[1].EventID = "other" }},
		{"an item under two ids (I8)", "event id", func(w *world) {
			r := w.records[0]
			r.EventID, r.Trace = "new", ""
			r.Value = map[string]any{"event_id": "new", "subscription_id": "s", "change_type": "created", "resource": r.text("resource"), "payload": r.text("payload")}
			w.records = append(w.records, r)
		}},
		{"an answer after 3 s (I5)", "late", func(w *world) { w.posts[1].Ended = w.posts[1].Sent.Add(3 * time.Second) }},
		{"500", "answer", func(w *world) { w.posts[1].Status = 500 }},
		{"POSTs in another order than they came (I6)", "order", func(w *world) {
			for i := range w.records[:3] {
				w.records[i].Offset = int64(10 + i)
			}
		}},
		{"items in another order than their POST had (I6)", "order", func(w *world) { w.records[0].Offset, w.records[1].Offset = 1, 0 }},
		{"acknowledged below min ISR", "below min ISR", func(w *world) { w.windows = []span{{w.at(.5), w.at(10)}} }},
		{"a death without a gap (I9)", "gap", func(w *world) { w.records = w.records[:6] }},
		{"a gap that begins too late (I9)", "gap", func(w *world) { w.records = w.records[:6]; w.gap("g", 101, 131) }},
		{"a gap that ends too soon (I9)", "gap", func(w *world) { w.records = w.records[:6]; w.gap("g", 90, 129) }},
		{"one that is dead at the end (I9)", "gap", func(w *world) { w.lives = w.lives[:3] }},
		{"one that never lived (I9)", "subscription", func(w *world) { w.wishes = append(w.wishes, wish{"t", "teams"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			c.harm(w)
			var out Result
			verdict(w.seen, &out)
			if out.Violations == 0 {
				t.Fatal("the oracle found nothing")
			}
			found := false
			for _, words := range out.Words {
				found = found || strings.HasPrefix(words, c.sort+": ")
			}
			if !found {
				t.Errorf("want a violation of sort %q, got %q", c.sort, out.Words)
			}
		})
	}
}

// What could not be answered in time is no violation, nor is what is right below
// min ISR: 503, and 202 for what was stored before.
func TestOracleExcuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"frozen":  func(w *world) { w.excuses[0] = []span{{w.at(2.5), w.at(4)}} },
		"stalled": func(w *world) { w.stalls = []span{{w.at(2.5), w.at(4)}} },
	} {
		w := newWorld()
		w.posts[1].Ended = w.posts[1].Sent.Add(3 * time.Second)
		change(w)
		var out Result
		if verdict(w.seen, &out); out.Violations > 0 || out.Late != 1 {
			t.Errorf("%s: %d late, %q", name, out.Late, out.Words)
		}
	}
	w := newWorld()
	w.windows = []span{{w.at(50), w.at(90)}}
	for i, status := range []int{503, 202} {
		w.posts = append(w.posts, post{Sent: w.at(60 + float64(i)), Ended: w.at(61 + float64(i)), Status: status, Whole: true, Items: w.posts[0].Items})
	}
	var out Result
	if verdict(w.seen, &out); out.Violations > 0 || out.WindowRefused != 1 || out.WindowKnown != 1 {
		t.Errorf("%+v", out)
	}
}
