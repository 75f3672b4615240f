package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Result is what a run showed. A run is good if Violations is 0 and every fault
// is proved.
type Result struct {
	Seed   uint64        `json:"seed"`
	Took   time.Duration `json:"took"` // from the first fault's lane to the verdict
	Faults []Fault       `json:"faults"`

	Proved     int      `json:"proved"`
	Unproved   int      `json:"unproved"`
	Skipped    int      `json:"skipped"` // cannot be had on this machine
	Violations int      `json:"violations"`
	Words      []string `json:"words,omitempty"` // the first violations of each sort
	Fell       []string `json:"fell,omitempty"`  // processes that ended by themselves: violations too

	Sent        int `json:"sent"` // items, forged ones included
	Forged      int `json:"forged"`
	Acked       int `json:"acked"`
	Dropped     int `json:"dropped"` // given up by the simulated Graph: never acknowledged
	Identities  int `json:"identities"`
	Stored      int `json:"stored"` // records
	Quarantined int `json:"quarantined"`
	Lost        int `json:"lost"`       // acknowledged and not stored
	Aside       int `json:"aside"`      // genuine, acknowledged and in quarantine
	Duplicates  int `json:"duplicates"` // second records of one event id

	Answers     map[string]int `json:"answers"`
	P50         time.Duration  `json:"p50"`
	P99         time.Duration  `json:"p99"`
	Longest     time.Duration  `json:"longest"`
	Late        int            `json:"late"`         // over 2.9 s
	LateFrozen  int            `json:"late_frozen"`  // of them by an ingest that was stopped, or cut off from the front
	LateStalled int            `json:"late_stalled"` // of them while nothing on the machine ran

	Traced   int `json:"traced"`   // POSTs whose records are known to be theirs
	Untraced int `json:"untraced"` // traces that fit no POST, or several
	Ordered  int `json:"ordered"`  // pairs of neighbours whose order was looked at

	Windows       int `json:"windows"` // with two brokers of three away
	WindowRefused int `json:"window_refused"`
	WindowKnown   int `json:"window_known"` // POSTs of which all was stored before

	Wishes    int `json:"wishes"`
	Alive     int `json:"alive"`
	Deaths    int `json:"deaths"`
	Gaps      int `json:"gaps"`
	OpenGaps  int `json:"open_gaps"`
	Unnoticed int `json:"unnoticed"` // silent deaths of the last moments
	Renewals  int `json:"renewals"`

	Graph json.RawMessage `json:"graph,omitempty"` // what graphsim says of itself
}

// Good reports whether nothing is wrong.
func (r Result) Good() bool { return r.Violations == 0 && r.Unproved == 0 }

// judge gathers what the run left behind and has the oracle look at it.
func (r *run) judge(ctx context.Context, unhealed []string) (Result, error) {
	ended := time.Now()
	out := Result{Seed: r.cfg.Seed, Faults: r.faults}
	s := seen{
		posts: r.front.passed(), wishes: r.wishes, end: ended, notice: r.cfg.Lifetime,
		windows: r.windows, excuses: r.excuses, stalls: r.stalls,
	}
	var err error
	if s.entries, err = readLines[entry](filepath.Join(r.dir, ledgerFile)); err != nil {
		return out, err
	}
	if s.lives, err = readLines[life](filepath.Join(r.dir, livesFile)); err != nil {
		return out, err
	}
	url, err := r.registry.scripts.run(ctx, "registry", "url")
	if err != nil {
		return out, err
	}
	read, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := consume(read, r.cluster.direct, url, func(k stored) error { s.records = append(s.records, k); return nil }); err != nil {
		return out, err
	}
	if err := errors.Join(writeLines(filepath.Join(r.dir, "records.jsonl"), s.records), writeLines(filepath.Join(r.dir, "posts.jsonl"), s.posts)); err != nil {
		return out, err // whoever looks into a violation wants them
	}
	if said, err := readLines[json.RawMessage](filepath.Join(r.dir, "graphsim.out")); err == nil && len(said) > 0 {
		out.Graph = said[len(said)-1]
	}
	for _, f := range out.Faults {
		switch {
		case f.Skip:
			out.Skipped++
		case f.Proof == "" || f.Error != "":
			out.Unproved++
		default:
			out.Proved++
		}
	}
	verdict(s, &out)
	r.mu.Lock()
	out.Fell = slices.Clone(r.fell)
	r.mu.Unlock()
	for _, w := range unhealed {
		out.Violations++
		out.Words = append(out.Words, "not put right: "+w)
	}
	out.Violations += len(out.Fell)
	out.Took = time.Since(r.began)
	return out, nil
}

// WriteTo writes the result for people.
func (r Result) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	type count struct{ proved, all int }
	byKind := map[string]count{}
	for _, f := range r.Faults {
		c := byKind[string(f.Lane)+": "+f.Kind]
		c.all++
		if f.Proof != "" && f.Error == "" {
			c.proved++
		}
		byKind[string(f.Lane)+": "+f.Kind] = c
	}
	fmt.Fprintf(&b, "\n%-62s %6s %6s\n", "fault", "times", "proved")
	for _, k := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Fprintf(&b, "%-62s %6d %6d\n", k, byKind[k].all, byKind[k].proved)
	}
	fmt.Fprintf(&b, "%-62s %6d %6d\n\n", "all", len(r.Faults), r.Proved)
	row := func(what string, format string, args ...any) {
		fmt.Fprintf(&b, "%-34s %s\n", what, fmt.Sprintf(format, args...))
	}
	row("seed, time", "%d, %s", r.Seed, r.Took.Round(time.Second))
	row("sent", "%d items, %d of them forged; %d acknowledged, %d given up by Graph", r.Sent, r.Forged, r.Acked, r.Dropped)
	row("stored", "%d records, %d in quarantine", r.Stored, r.Quarantined)
	row("acknowledged and not stored", "%d", r.Lost)
	row("genuine and in quarantine", "%d", r.Aside)
	row("second records of one event id", "%d", r.Duplicates)
	var answers []string
	for _, a := range slices.Sorted(maps.Keys(r.Answers)) {
		answers = append(answers, fmt.Sprintf("%s: %d", a, r.Answers[a]))
	}
	row("answers", "%s", strings.Join(answers, ", "))
	row("answered after", "median %s, 99 %% %s, longest %s", r.P50, r.P99, r.Longest)
	row("over 2.9 s", "%d: %d by an ingest that was stopped or cut off, %d while the machine stood still", r.Late, r.LateFrozen, r.LateStalled)
	row("order looked at", "%d pairs, of %d POSTs (%d traces fit no POST or several)", r.Ordered, r.Traced, r.Untraced)
	row("two brokers of three away", "%d times: %d answers 503, %d answers 202 to what was stored before", r.Windows, r.WindowRefused, r.WindowKnown)
	row("subscriptions", "%d desired, %d alive in the end; %d renewals, %d deaths, %d gaps", r.Wishes, r.Alive, r.Renewals, r.Deaths, r.Gaps)
	row("faults", "%d proved, %d not, %d skipped", r.Proved, r.Unproved, r.Skipped)
	row("violations", "%d", r.Violations)
	for _, line := range slices.Concat(r.Words, r.Fell) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for _, f := range r.Faults {
		if f.Error != "" && !f.Skip {
			fmt.Fprintf(&b, "  not proved: %s: %s\n", f.step, f.Error)
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
