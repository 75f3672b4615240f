package graphsim

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"
)

// Digest is a SHA-256; as text it is hexadecimal.
type Digest [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// Entry is what the ledger knows of one item: what a correct bridge has to make
// of it, and what became of its deliveries. Copies of an item share its entry.
type Entry struct {
	Seq   int    `json:"seq"`   // from 1, in the order in which the world told
	Topic string `json:"topic"` // expected topic without prefix; "quarantine" for a forgery
	// Reason is the expected quarantine reason, "" for a genuine item.
	Reason  string `json:"reason,omitempty"`
	Forgery Fault  `json:"forgery,omitempty"` // "" for a genuine item
	Genuine bool   `json:"genuine"`
	// Fresh items are those of which nothing tells a copy or a redelivery from
	// another event of the same kind, so that each may become a record: basic
	// updates and lifecycle notices without an id, basic notices of members,
	// installations and foreign resources (which may go and come again), and
	// what DuplicateResealed sealed anew.
	Fresh bool `json:"fresh"`

	// Event is the number of the Event that it tells of; 0 without the API, for a
	// lifecycle notice and for a forgery.
	Event int `json:"event,omitempty"`

	// As sent, "" for absent.
	TenantID       string `json:"tenant_id"`
	SubscriptionID string `json:"subscription_id"`
	ChangeType     string `json:"change_type"`
	Resource       string `json:"resource"`
	ODataID        string `json:"odata_id"`
	ODataType      string `json:"odata_type"`
	ResourceID     string `json:"resource_id"`               // resourceData.id
	NotificationID string `json:"notification_id,omitempty"` // the item's own id; mostly absent
	LifecycleEvent string `json:"lifecycle_event,omitempty"`
	// Payload is what was sealed; nil for a basic item, and with
	// Config.OnEntry. PayloadSHA256 is its hash, zero for a basic item.
	Payload       []byte `json:"-"`
	PayloadSHA256 Digest `json:"payload_sha256,omitzero"`
	// MeetingOrEventKey is the Kafka key as the world itself knows it: the
	// meeting's or chat's thread, the channel, team, webinar, subscription;
	// "" where only the bridge's own rules say.
	MeetingOrEventKey string `json:"key"`

	Copies      int       `json:"copies"`       // POSTs that hold it, or will
	AckedCopies int       `json:"acked_copies"` // of them acknowledged by a 2xx
	Attempts    int       `json:"attempts"`     // times it was sent, over all copies
	Acked       bool      `json:"acked"`        // at least one copy was acknowledged
	Dropped     bool      `json:"dropped"`      // Graph gave all copies up
	First       time.Time `json:"first"`        // first attempt
	Last        time.Time `json:"last"`         // last attempt
}

// track is an entry that is not settled yet. Everything in it is guarded by the
// ledger's mutex, except what add sets and nothing changes.
type track struct {
	entry   Entry
	open    int // copies neither acknowledged nor dropped
	settled bool
}

// ledger keeps the entries and the sums over them.
type ledger struct {
	onEntry func(Entry)

	mu     sync.Mutex
	seq    int
	all    []*track            // without onEntry: every entry
	open   map[*track]struct{} // with onEntry: those not settled
	topics map[string]*TopicCount
	forged map[string]int
	sums   TopicCount

	emit sync.Mutex // held around onEntry, never together with mu
}

func newLedger(onEntry func(Entry)) *ledger {
	return &ledger{onEntry: onEntry, open: map[*track]struct{}{}, topics: map[string]*TopicCount{}, forged: map[string]int{}}
}

// add enters an item with one copy to come.
func (l *ledger) add(e Entry, payload []byte) *track {
	if payload != nil {
		e.PayloadSHA256 = sha256.Sum256(payload)
		if l.onEntry == nil {
			e.Payload = payload
		}
	}
	e.Copies = 1
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e.Seq = l.seq
	t := &track{entry: e, open: 1}
	if l.onEntry == nil {
		l.all = append(l.all, t)
	} else {
		l.open[t] = struct{}{}
	}
	l.topicLocked(e.Topic).Items++
	l.sums.Items++
	if !e.Genuine {
		l.forged[e.Reason]++
	}
	return t
}

func (l *ledger) topicLocked(topic string) *TopicCount {
	c := l.topics[topic]
	if c == nil {
		c = &TopicCount{}
		l.topics[topic] = c
	}
	return c
}

// copied enters one more copy of t. The caller still owes the delivery of
// another copy, so t cannot have been settled.
func (l *ledger) copied(t *track) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.entry.Copies++
	t.open++
}

// unidentified enters that the copies of t differ, so that each may pass for an
// event of its own.
func (l *ledger) unidentified(t *track) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.entry.Fresh = true
}

// attempted enters that the items were sent.
func (l *ledger) attempted(items []*item, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		e := &it.track.entry
		e.Attempts++
		if e.First.IsZero() {
			e.First = at
		}
		e.Last = at
	}
}

// delivered enters that one copy of each item was acknowledged.
func (l *ledger) delivered(items []*item) {
	l.settle(items, func(t *track) {
		t.entry.AckedCopies++
		if !t.entry.Acked {
			t.entry.Acked = true
			l.topicLocked(t.entry.Topic).Acked++
			l.sums.Acked++
		}
	})
}

// dropped enters that one copy of each item was given up.
func (l *ledger) dropped(items []*item) { l.settle(items, func(*track) {}) }

// settle takes one copy of each item off its track after change, and hands over
// the entries that are settled by it.
func (l *ledger) settle(items []*item, change func(*track)) {
	var done []Entry
	l.mu.Lock()
	for _, it := range items {
		t := it.track
		change(t)
		t.open--
		if t.open > 0 || t.settled {
			continue
		}
		t.settled = true
		if !t.entry.Acked {
			t.entry.Dropped = true
			l.topicLocked(t.entry.Topic).Dropped++
			l.sums.Dropped++
		}
		if l.onEntry != nil {
			delete(l.open, t)
			done = append(done, t.entry)
		}
	}
	l.mu.Unlock()
	l.hand(done)
}

// hand calls onEntry for each entry.
func (l *ledger) hand(entries []Entry) {
	l.emit.Lock()
	defer l.emit.Unlock()
	for _, e := range entries {
		l.onEntry(e)
	}
}

// close hands over the entries that were never settled.
func (l *ledger) close() {
	var rest []Entry
	l.mu.Lock()
	for t := range l.open {
		t.settled = true
		rest = append(rest, t.entry)
	}
	clear(l.open)
	l.mu.Unlock()
	l.hand(rest)
}

// entries returns copies of all entries in order; nil with onEntry.
func (l *ledger) entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	for _, t := range l.all {
		out = append(out, t.entry)
	}
	return out
}
