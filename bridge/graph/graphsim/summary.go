package graphsim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// lateAfter is how long an answer may take before Graph's own bookkeeping calls
// it slow (FACTS §1.4).
const lateAfter = 2900 * time.Millisecond

// TopicCount counts the items of one topic, each once however many copies of it
// were sent.
type TopicCount struct {
	Items   int `json:"items"`
	Acked   int `json:"acked"`
	Dropped int `json:"dropped"`
}

// Pending returns how many items wait for an acknowledgement.
func (c TopicCount) Pending() int { return c.Items - c.Acked - c.Dropped }

// Latency describes how long answers took.
type Latency struct {
	P50  time.Duration `json:"p50"`
	P90  time.Duration `json:"p90"`
	P99  time.Duration `json:"p99"`
	P999 time.Duration `json:"p999"`
	Max  time.Duration `json:"max"`
}

// Summary says what a run sent and what became of it.
type Summary struct {
	Seed uint64 `json:"seed"`

	Items   int `json:"items"` // told by the world, forgeries included
	Genuine int `json:"genuine"`
	Forged  int `json:"forged"`
	Acked   int `json:"acked"`
	Pending int `json:"pending"`
	Dropped int `json:"dropped"`

	ByTopic        map[string]TopicCount `json:"by_topic"` // expected topic; forgeries under "quarantine"
	ForgedByReason map[string]int        `json:"forged_by_reason"`
	Faults         map[Fault]int         `json:"faults"` // how often each that can fire has fired

	Posts     int            `json:"posts"`
	Copies    int            `json:"copies"` // items in those POSTs, duplicates included
	Attempts  int            `json:"attempts"`
	Answers   map[string]int `json:"answers"` // by status code, "timeout", "cut" or "unreachable"
	Latency   Latency        `json:"latency"` // of answered attempts
	Late      int            `json:"late"`    // answers slower than 2.9 s, timeouts included
	Slow      int            `json:"slow"`    // times an endpoint became slow
	Drop      int            `json:"drop"`    // times an endpoint was dropped
	Authority int            `json:"authority_requests"`

	API *APISummary `json:"api,omitempty"` // nil without Config.API
}

// WriteTo writes the summary for people.
func (s Summary) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "sent      %d items (%d genuine, %d forged) in %d POSTs, %d attempts, seed %d\n", s.Items, s.Genuine, s.Forged, s.Posts, s.Attempts, s.Seed)
	fmt.Fprintf(&b, "became    %d acknowledged, %d pending, %d dropped\n", s.Acked, s.Pending, s.Dropped)
	for _, topic := range slices.Sorted(maps.Keys(s.ByTopic)) {
		c := s.ByTopic[topic]
		fmt.Fprintf(&b, "  %-26s %8d sent %8d acknowledged %6d pending %6d dropped\n", topic, c.Items, c.Acked, c.Pending(), c.Dropped)
	}
	fmt.Fprintf(&b, "answers   %s; p50 %s p99 %s max %s; %d slower than %s\n", list(s.Answers), s.Latency.P50, s.Latency.P99, s.Latency.Max, s.Late, lateAfter)
	if s.Forged > 0 {
		fmt.Fprintf(&b, "forged    %s\n", list(s.ForgedByReason))
	}
	fmt.Fprintf(&b, "faults    %s\n", list(s.Faults))
	if s.Slow+s.Drop > 0 {
		fmt.Fprintf(&b, "endpoint  slow %d times, dropped %d times\n", s.Slow, s.Drop)
	}
	if s.API != nil {
		s.API.write(&b)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// list returns the entries of m that are not zero, sorted.
func list[K ~string](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// summarize fills in what the ledger knows.
func (l *ledger) summarize(s *Summary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Items, s.Acked, s.Dropped, s.Pending = l.sums.Items, l.sums.Acked, l.sums.Dropped, l.sums.Pending()
	s.ForgedByReason = maps.Clone(l.forged)
	for _, n := range l.forged {
		s.Forged += n
	}
	s.Genuine = s.Items - s.Forged
	s.ByTopic = map[string]TopicCount{}
	for topic, c := range l.topics {
		s.ByTopic[topic] = *c
	}
}
