package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"
)

// seen is all that a run left behind, for the oracle.
type seen struct {
	entries []entry  // the simulated Graph's ledger
	lives   []life   // what happened to its subscriptions, in order
	posts   []post   // what passed the front
	records []stored // what a plain consumer finds
	wishes  []wish
	end     time.Time     // when nothing was sent any more
	notice  time.Duration // how long a renewer may take to notice a silent death

	windows []span         // in which nothing can have been acknowledged
	excuses map[int][]span // by ingest: when it could not answer
	stalls  []span         // when the machine stood still
}

// oracle compares them.
type oracle struct {
	seen
	out    *Result
	quoted map[string]int // violations of each sort that were put into words
	traced []matched
}

// verdict returns what is to be said of a run. It fills in the counts of out
// and the violations.
func verdict(s seen, out *Result) {
	o := oracle{seen: s, out: out, quoted: map[string]int{}}
	o.items()
	o.answers()
	o.traced = o.match()
	o.order()
	o.belowISR()
	o.subscriptions()
}

// quotes is how many violations of one sort are put into words.
const quotes = 5

func (o *oracle) violate(sort, format string, args ...any) {
	o.quoted[sort]++
	o.out.Violations++
	if o.quoted[sort] <= quotes {
		o.out.Words = append(o.out.Words, sort+": "+fmt.Sprintf(format, args...))
	}
}

// sent is what was sent of one identity, and what became of it.
type sent struct {
	example      entry
	items, acked int
	stored       int
	events       map[string]int // records by event id
	fresh        bool
}

// identity tells items apart by what was sent: the payload to the byte.
func identity(topic, subscription, change, resource, payload, odataID, lifecycle string) string {
	switch {
	case lifecycle != "":
		return strings.Join([]string{topic, subscription, lifecycle}, "\x00")
	case payload != "":
		odataID = ""
	}
	return strings.Join([]string{topic, subscription, strings.ToLower(change), resource, payload, odataID}, "\x00")
}

// identity of a record, and whether it tells of an item at all.
func (s stored) identity() string {
	payload := ""
	if text := s.text("payload"); text != "" {
		sum := sha256.Sum256([]byte(text))
		payload = hex.EncodeToString(sum[:])
	}
	var data struct {
		ODataID string `json:"@odata.id"`
	}
	_ = json.Unmarshal([]byte(s.text("resource_data")), &data) // absent in rich records
	return identity(s.Topic, s.text("subscription_id"), s.text("change_type"), s.text("resource"), payload, data.ODataID, s.text("lifecycle_event"))
}

// mayRecur reports whether e could have happened twice as it stands: somebody
// who is removed and added again, a channel renamed there and back, a notice.
// Such items are never taken for one another.
func (e entry) mayRecur() bool {
	switch e.Topic {
	case "conversation-members", "app-installations", "other", "lifecycle":
		return true
	case "channels", "teams", "chats":
		return !strings.EqualFold(e.ChangeType, "created")
	}
	return e.Fresh
}

// items looks that what was acknowledged is stored, byte for byte and under its
// key, and that nothing else is (I1, I2, I3, I7, I8).
func (o *oracle) items() {
	all := map[string]*sent{}
	least, most, found := map[string]int{}, map[string]int{}, map[string]int{}
	for _, e := range o.entries {
		o.out.Sent++
		if e.Acked {
			o.out.Acked++
		}
		if e.Dropped {
			o.out.Dropped++
		}
		if !e.Genuine {
			o.out.Forged++
			if e.Acked {
				least[e.Reason]++
			}
			most[e.Reason] += max(e.Attempts, e.Copies)
			continue
		}
		id := identity(e.Topic, e.SubscriptionID, e.ChangeType, e.Resource, e.PayloadSHA256, e.ODataID, e.LifecycleEvent)
		s := all[id]
		if s == nil {
			s = &sent{example: e, events: map[string]int{}}
			all[id] = s
		}
		s.items++
		s.fresh = s.fresh || e.mayRecur()
		if e.Acked {
			s.acked++
		}
	}
	aside := map[uint64]string{} // reasons in quarantine, by look
	owner := map[string]string{} // event id → identity
	for _, r := range o.records {
		if r.Value == nil || r.Topic == "subscriptions" || r.Topic == "gaps" {
			continue
		}
		where := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
		if id := r.text("event_id"); id != r.EventID {
			o.violate("header", "%s: ce_id %q, event_id %q", where, r.EventID, id)
		}
		if r.Topic == "quarantine" {
			o.out.Quarantined++
			found[r.text("reason")]++
			var it struct{ SubscriptionID, ChangeType, Resource string }
			raw, _ := r.Value["item"].([]byte)
			if json.Unmarshal(raw, &it) == nil {
				aside[look(it.SubscriptionID, it.ChangeType, it.Resource, "")] = r.text("reason")
			}
			continue
		}
		o.out.Stored++
		id := r.identity()
		s := all[id]
		if s == nil {
			o.violate("unknown", "%s: nothing genuine that was sent looks like this, to the byte: key %q, resource %q, subscription %s", where, r.Key, r.text("resource"), r.text("subscription_id"))
			continue
		}
		if want := s.example.Key; want != "" && want != r.Key {
			o.violate("key", "%s: key %q, want %q", where, r.Key, want)
		}
		if first, again := owner[r.EventID]; again && first != id {
			o.violate("event id", "%s: %s stands on records of different items", where, r.EventID)
		}
		owner[r.EventID] = id
		s.events[r.EventID]++
		s.stored++
	}
	for _, s := range all {
		o.out.Identities++
		e := s.example
		reason := aside[look(e.SubscriptionID, e.ChangeType, e.Resource, "")]
		if s.acked > s.stored && reason != "" { // nothing is lost, but the load or the bridge is wrong
			o.violate("set aside", "%d genuine items as %s: #%d %s %s %q", s.acked-s.stored, reason, e.Seq, e.Topic, e.ChangeType, e.Resource)
			o.out.Aside += s.acked - s.stored
		} else if s.acked > s.stored {
			o.violate("lost", "%d acknowledged, %d stored: #%d %s %s %q of subscription %s", s.acked, s.stored, e.Seq, e.Topic, e.ChangeType, e.Resource, e.SubscriptionID)
			o.out.Lost += s.acked - s.stored
		}
		if !s.fresh && len(s.events) > 1 {
			o.violate("event id", "%d event ids for one item: #%d %s %q", len(s.events), e.Seq, e.Topic, e.Resource)
		}
		for _, n := range s.events {
			o.out.Duplicates += n - 1
		}
	}
	reasons := map[string]bool{}
	for _, m := range []map[string]int{most, found} {
		for r := range m {
			reasons[r] = true
		}
	}
	for r := range reasons {
		if n := found[r]; n < least[r] || n > most[r] {
			o.violate("quarantine", "%d records of %s, want %d to %d", n, r, least[r], most[r])
		}
	}
}

// answerWithin is what Graph allows.
const answerWithin = 2900 * time.Millisecond

// grace is how long after the end of a trouble its effects may be felt.
const grace = 500 * time.Millisecond

// answers looks that each POST was answered in time by an ingest that could
// (I5).
func (o *oracle) answers() {
	o.out.Answers = map[string]int{}
	var took []time.Duration
	for _, p := range o.posts {
		d := p.Ended.Sub(p.Sent)
		switch {
		case p.Status != 0:
			o.out.Answers[fmt.Sprint(p.Status)]++
			took = append(took, d)
		case p.Whole:
			o.out.Answers["none"]++
		default:
			o.out.Answers["none, half a body"]++
		}
		if p.Status >= 500 && p.Status != 503 {
			o.violate("answer", "%d from ingest-%d at %s", p.Status, p.Backend+1, p.Ended.Format(clock))
		}
		if d <= answerWithin || !p.Whole {
			continue
		}
		o.out.Late++
		switch {
		case anyOverlaps(o.excuses[p.Backend], p.Sent, p.Ended):
			o.out.LateFrozen++
		case anyOverlaps(o.stalls, p.Sent, p.Ended):
			o.out.LateStalled++
		default:
			o.violate("late", "ingest-%d had %s for a POST of %s (status %d)", p.Backend+1, d.Round(time.Millisecond), p.Sent.Format(clock), p.Status)
		}
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	at := func(q float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[min(int(q*float64(len(took))), len(took)-1)].Round(100 * time.Microsecond)
	}
	o.out.P50, o.out.P99, o.out.Longest = at(.5), at(.99), at(1)
}

const clock = "15:04:05.000"

func anyOverlaps(spans []span, from, to time.Time) bool {
	for _, s := range spans {
		if (span{s.From, s.To.Add(grace)}).overlaps(from, to) {
			return true
		}
	}
	return false
}
