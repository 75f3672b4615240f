package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
)

type quarantineReplayCmd struct {
	EventIDs []string `arg:"" optional:"" name:"id" help:"Event ids of the records to replay, as quarantine list prints them. None: all that the filter selects."`
	Apply    bool     `help:"Produce the records. Unset: a dry run, that only says what would be."`
	All      bool     `help:"With --apply, everything that can be replayed, where neither ids nor a filter select."`
	JSON     bool     `name:"json" help:"Print one JSON object a record, and the summary as the last one."`
	quarantineFilter
	ingest.Trust
	ingest.Content
	quarantineFlags
}

// Help is printed below what the command is for.
func (quarantineReplayCmd) Help() string {
	return `
Takes the very settings of meetbridge ingest, corrected: its flags, its variables or its
file. Everything but the signatures of the
tokens is judged again, as of the time of receipt. What passes becomes the record that it
would have become, with that time. What had a bad signature, MAC or clientState never does.

It can be repeated, interrupted and run twice at once: a record that is in Kafka already is
not produced again. What is older than its topic keeps records is "expired" and not produced:
Kafka would delete it at once; raise the topic's retention first. Exit code 1 if a record asked for by its id is not in Kafka afterwards.

Examples:
  meetbridge quarantine replay --client-state-keys keys/client-state.keys \
      --decryption-keys keys/decryption --app-ids 6f2c…                  what would be
  meetbridge quarantine replay --config meetbridge.yaml --reason token_audience --apply
  meetbridge quarantine replay --config meetbridge.yaml --apply 2f1c7f0a-… 77ab0e3d-…`
}

// replayedLine is the JSON form of what became of one record.
type replayedLine struct {
	EventID       string    `json:"event_id"`
	ReceivedAt    time.Time `json:"received_at"`
	Reason        string    `json:"reason"`
	Outcome       string    `json:"outcome"`
	Now           string    `json:"now,omitempty"` // why it stays
	Topic         string    `json:"topic,omitempty"`
	Key           string    `json:"key,omitempty"`
	RecordEventID string    `json:"record_event_id,omitempty"`
}

// replayTally counts a replay.
type replayTally struct {
	Outcomes map[string]int  `json:"outcomes"`
	Stay     map[string]int  `json:"stay"` // by the reason of now
	asked    map[string]bool // event ids asked for, in lower case: true once a record
}

// Run replays.
func (c quarantineReplayCmd) Run(ctx context.Context, t *terminal) error {
	filter, err := c.filter(c.EventIDs)
	if err != nil {
		return err
	}
	switch {
	case c.Apply && filter.Empty() && !c.All:
		return usagef("--apply needs ids, a filter such as --reason, or --all")
	case c.All && !filter.Empty():
		return usagef("--all does not go with ids or a filter")
	}
	if err := c.checkTrust(); err != nil {
		return err
	}
	where, err := c.config(ctx, t)
	if err != nil {
		return err
	}
	tally := replayTally{Outcomes: map[string]int{}, Stay: map[string]int{}, asked: map[string]bool{}}
	for _, id := range c.EventIDs {
		tally.asked[strings.ToLower(id)] = false
	}
	cfg := ingest.ReplayConfig{QuarantineConfig: where, Trust: c.Trust, Content: c.Content, Select: filter, Apply: c.Apply}
	err = ingest.Replay(ctx, cfg, t.log, func(r ingest.Replayed) error {
		tally.count(r)
		return c.print(t, r)
	})
	if errors.Is(err, kafka.ErrFenced) {
		err = errors.New("another replay has taken over: let it end, then run this one again for what is left")
	}
	if err != nil && len(tally.Outcomes) == 0 {
		return err // nothing is known of what fits
	}
	if printErr := tally.print(t, c.Apply, c.JSON); err == nil {
		err = printErr
	}
	if err != nil {
		return err
	}
	return tally.verdict(c.Apply)
}

// checkTrust refuses a replay without what decides whether an item is genuine:
// everything would stay, for a reason that has nothing to do with the item.
func (c quarantineReplayCmd) checkTrust() error {
	const same = "give the very settings that ingest has (--client-state-keys or --client-states, --decryption-keys, --app-ids, …; or --config FILE)"
	switch {
	case c.ClientStateKeys == "" && c.ClientStates == "":
		return usagef("--client-state-keys is not set, nor is --client-states, so nothing could be judged: %s", same)
	case c.DecryptionKeys == "" && len(c.AppIDs) > 0:
		return usagef("--decryption-keys is not set, but --app-ids is, and sealed notifications need both: %s", same)
	case c.DecryptionKeys != "" && len(c.AppIDs) == 0:
		return usagef("--app-ids is not set, but --decryption-keys is, and sealed notifications need both: %s", same)
	}
	return nil
}

func (c quarantineReplayCmd) print(t *terminal, r ingest.Replayed) error {
	topic := ""
	if r.RecordEventID != "" {
		topic = c.TopicPrefix + r.Kind.Topic()
	}
	if c.JSON {
		return t.printJSON(replayedLine{
			EventID: r.EventID, ReceivedAt: r.ReceivedAt, Reason: string(r.Reason.Reason), Outcome: string(r.Outcome), Now: string(r.Now),
			Topic: topic, Key: r.Key, RecordEventID: r.RecordEventID,
		})
	}
	style := green
	if r.Outcome == ingest.ReplayStays || r.Outcome == ingest.ReplayExpired {
		style = yellow
	}
	what := topic + "  " + printable(r.Key, keyWidth)
	if r.Now != "" {
		what = string(r.Now)
	}
	return t.printf("%s  %s  %s  %s  %s\n", t.paint(dim, r.ReceivedAt.Format(setAsideTime)), printable(r.EventID, 36),
		pad(printable(string(r.Reason.Reason), reasonWidth), reasonWidth),
		t.paint(style, pad(words(r.Outcome), len("would produce"))), what)
}

// reasonWidth is the length of the longest reason.
const reasonWidth = len(bridge.ClientStateUnknownKey)

func words(o ingest.ReplayOutcome) string { return strings.ReplaceAll(string(o), "_", " ") }

func (y replayTally) count(r ingest.Replayed) {
	y.Outcomes[string(r.Outcome)]++
	if r.Outcome == ingest.ReplayStays {
		y.Stay[string(r.Now)]++
	}
	if id := strings.ToLower(r.EventID); len(y.asked) > 0 {
		y.asked[id] = y.asked[id] || r.Outcome != ingest.ReplayStays && r.Outcome != ingest.ReplayExpired
	}
}

func (y replayTally) print(t *terminal, applied, asJSON bool) error {
	if asJSON {
		return t.printJSON(map[string]replayTally{"summary": y})
	}
	var parts []string
	for _, o := range ingest.ReplayOutcomes() {
		if n := y.Outcomes[string(o)]; n > 0 {
			parts = append(parts, words(o)+" "+strconv.Itoa(n))
		}
	}
	if len(parts) == 0 {
		return t.printf("Nothing was set aside that fits.\n")
	}
	stay := ""
	if len(y.Stay) > 0 {
		var reasons []string
		for _, r := range slices.Sorted(maps.Keys(y.Stay)) {
			reasons = append(reasons, r+" "+strconv.Itoa(y.Stay[r]))
		}
		stay = " What stays: " + strings.Join(reasons, ", ") + "."
	}
	hint := ""
	if !applied && y.Outcomes[string(ingest.ReplayWould)] > 0 {
		hint = " Nothing was written: carry it out with --apply."
	}
	return t.printf("\nReplay: %s.%s%s\n", strings.Join(parts, ", "), stay, hint)
}

// verdict returns an error if a record that was asked for by its id is not one,
// or, in a dry run, would not be.
func (y replayTally) verdict(applied bool) error {
	var missing []string
	for _, id := range slices.Sorted(maps.Keys(y.asked)) {
		if !y.asked[id] {
			missing = append(missing, printable(id, 36))
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case applied:
		return fmt.Errorf("%d of %d records asked for stay in the quarantine or are not there: %s", len(missing), len(y.asked), strings.Join(missing, ", "))
	}
	return fmt.Errorf("%d of %d records asked for would stay in the quarantine or are not there: %s", len(missing), len(y.asked), strings.Join(missing, ", "))
}
