package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
)

type quarantineCmd struct {
	List   quarantineListCmd   `cmd:"" help:"List what was set aside, and why."`
	Show   quarantineShowCmd   `cmd:"" help:"Show one thing that was set aside, without what is secret, and what would cure it."`
	Replay quarantineReplayCmd `cmd:"" help:"Put what was set aside through the pipeline once more, after the configuration was corrected."`
}

// quarantineFlags say where the quarantine is.
type quarantineFlags struct {
	topicsFlags
	Kafka    kafka.Config         `embed:"" group:"Kafka"`
	Registry kafka.RegistryConfig `embed:"" group:"Schema registry"`
}

// quarantineFilter selects in it.
type quarantineFilter struct {
	Reason []string `placeholder:"REASON" help:"Only what was set aside for that reason, or one of those, separated by commas."`
	Tenant string   `placeholder:"ID" help:"Only what claims to be of that tenant."`
	Since  moment   `placeholder:"WHEN" help:"Only what was received then or later (RFC 3339, or a duration such as 15m for the last 15 minutes)."`
	Until  moment   `placeholder:"WHEN" help:"Only what was received before then (as --since)."`
}

type quarantineListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a record, and the summary as the last one."`
	quarantineFilter
	quarantineFlags
}

// Help is printed below what the command is for.
func (quarantineListCmd) Help() string {
	return `
Reads the quarantine to its end, the oldest first, and counts by reason. A record has the
column REPLAY if a change of the configuration can cure it.

Examples:
  meetbridge quarantine list
  meetbridge quarantine list --reason token_audience,token_issuer --since 24h
  meetbridge quarantine list --json | jq -r 'select(.replayable).event_id'`
}

// filter returns what f selects; an unknown reason is an error.
func (f quarantineFilter) filter(eventIDs []string) (ingest.SetAsideFilter, error) {
	out := ingest.SetAsideFilter{EventIDs: eventIDs, TenantID: f.Tenant, Since: f.Since.Time, Until: f.Until.Time}
	var known []string
	for _, r := range bridge.Reasons() {
		known = append(known, string(r.Reason))
	}
	for _, r := range f.Reason {
		if !slices.Contains(known, r) {
			return out, usagef("--reason is %q: there is no such reason%s", r, didYouMean(r, known))
		}
		out.Reasons = append(out.Reasons, bridge.Reason(r))
	}
	return out, nil
}

// config returns where the quarantine is, once Kafka was reached and the topic
// is known to be there: the errors say what to do.
func (f quarantineFlags) config(ctx context.Context, t *terminal) (ingest.QuarantineConfig, error) {
	cfg := ingest.QuarantineConfig{Kafka: f.Kafka, Registry: f.Registry, TopicPrefix: f.TopicPrefix}
	client, err := connect(ctx, f.Kafka, t.log)
	if err != nil {
		return cfg, err
	}
	defer client.Close()
	names, err := topicNames(ctx, client)
	if err == nil {
		_, err = pickTopics(names, []string{f.TopicPrefix + quarantineTopic}, f.TopicPrefix)
	}
	return cfg, err
}

// setAside is what may be told of a record in one line, and its JSON form.
type setAside struct {
	EventID        string    `json:"event_id"`
	ReceivedAt     time.Time `json:"received_at"`
	Reason         string    `json:"reason"`
	Replayable     bool      `json:"replayable"`
	TenantID       string    `json:"tenant_id,omitempty"`
	SubscriptionID string    `json:"subscription_id,omitempty"`
	Kind           string    `json:"kind,omitempty"` // topic of what it would become, as far as its path tells
	Sealed         bool      `json:"sealed"`
	Size           int       `json:"size"` // of the item, in bytes
}

func newSetAside(s *ingest.SetAside) setAside {
	line := setAside{
		EventID: s.EventID, ReceivedAt: s.ReceivedAt, Reason: string(s.Reason.Reason), Replayable: s.Reason.Replayable,
		TenantID: s.TenantID, SubscriptionID: s.SubscriptionID, Size: len(s.Raw),
	}
	if item, err := bridge.DecodeItem(s.Raw); err == nil {
		line.Sealed, line.Kind = item.Rich(), bridge.ParseResource(item.Resource).Kind.Topic()
		if item.LifecycleEvent != "" {
			line.Kind = lifecycleTopic
		}
	}
	return line
}

// Run lists the quarantine.
func (c quarantineListCmd) Run(ctx context.Context, t *terminal) error {
	filter, err := c.filter(nil)
	if err != nil {
		return err
	}
	cfg, err := c.config(ctx, t)
	if err != nil {
		return err
	}
	var lines []setAside // without the items: a line each
	err = ingest.ReadQuarantine(ctx, cfg, filter, t.log, func(s *ingest.SetAside) error {
		lines = append(lines, newSetAside(s))
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(lines, func(a, b setAside) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	counts := map[string]int{}
	for _, l := range lines {
		counts[l.Reason]++
	}
	if c.JSON {
		for _, l := range lines {
			if err := t.printJSON(l); err != nil {
				return err
			}
		}
		return t.printJSON(map[string]any{"summary": map[string]any{"records": len(lines), "reasons": counts}})
	}
	if len(lines) == 0 {
		return t.printf("Nothing was set aside that fits.\n")
	}
	if err := c.table(t, lines); err != nil {
		return err
	}
	return summarizeReasons(t, counts)
}

func (c quarantineListCmd) table(t *terminal, lines []setAside) error {
	rows := [][]string{{"RECEIVED", "EVENT ID", "REASON", "REPLAY", "TENANT", "SUBSCRIPTION", "KIND", "SIZE"}}
	for _, l := range lines {
		replay := ""
		if l.Replayable {
			replay = "yes"
		}
		cells := []string{l.ReceivedAt.Format(setAsideTime), l.EventID, l.Reason, replay, l.TenantID, l.SubscriptionID, l.Kind}
		for i, cell := range cells {
			cells[i] = cmp.Or(printable(cell, keyWidth), "-")
		}
		rows = append(rows, append(cells, fmt.Sprint(l.Size)))
	}
	return t.table(rows, func(row, column int) string {
		switch {
		case row == 0:
			return dim
		case column == 2:
			return yellow
		default:
			return ""
		}
	})
}

const setAsideTime = "2006-01-02T15:04:05.000Z"

// summarizeReasons prints how many records each reason has, in the order of the
// checks.
func summarizeReasons(t *terminal, counts map[string]int) error {
	total, replayable := 0, 0
	var rows [][]string
	for _, r := range bridge.Reasons() {
		n := counts[string(r.Reason)]
		if n == 0 {
			continue
		}
		total += n
		if r.Replayable {
			replayable += n
		}
		rows = append(rows, []string{number(n), string(r.Reason), r.Means})
	}
	if err := t.printf("\n"); err != nil {
		return err
	}
	if err := t.table(rows, func(_, column int) string { return []string{"", yellow, dim}[column] }); err != nil {
		return err
	}
	hint := ""
	if replayable > 0 {
		hint = " See meetbridge quarantine show ID for what would cure one, then meetbridge quarantine replay."
	}
	return t.printf("\nSet aside: %d, of which %d can be replayed once the configuration is corrected.%s\n", total, replayable, hint)
}

// oneOf returns s in words: "a", "a or b", "a, b or c".
func oneOf(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " or " + s[len(s)-1]
}
