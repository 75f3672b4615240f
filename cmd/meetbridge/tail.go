package main

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

type tailCmd struct {
	Topics        []string `arg:"" optional:"" name:"topic" help:"Topics to read, with or without the prefix. None: all that begin with it."`
	FromBeginning bool     `xor:"start" help:"Begin with the oldest record instead of the next one."`
	Since         moment   `xor:"start" placeholder:"WHEN" help:"Only records of that time or later (RFC 3339, or a duration such as 15m for the last 15 minutes)."`
	Key           string   `placeholder:"KEY" help:"Print only records with that key, such as a meeting's chat thread id."`
	Count         int      `placeholder:"N" help:"End after N records. 0 or unset: go on until stopped."`
	JSON          bool     `name:"json" help:"Print one JSON object a record: topic, partition, offset, key, timestamp, headers, value."`
	topicsFlags
	Kafka    kafka.Config         `embed:"" group:"Kafka"`
	Registry kafka.RegistryConfig `embed:"" group:"Schema registry"`
}

// Help is printed below what the command is for.
func (tailCmd) Help() string {
	return `
A line has the record's time, its topic, its key, and the fields that say most. A record
without a value (a tombstone) and one that the registry's schemas do not decode are shown
as such.

Examples:
  meetbridge tail                                      everything, from now on
  meetbridge tail meeting-call-events --since 1h       the last hour's calls, then what comes
  meetbridge tail --from-beginning --count 10 --json   the first ten records
  meetbridge tail --from-beginning --key '19:meeting_MjY…@thread.v2'   one meeting's story`
}

// moment is a point in time, given as RFC 3339 or as a duration before now.
type moment struct{ time.Time }

// UnmarshalText is how kong reads a moment.
func (m *moment) UnmarshalText(b []byte) error {
	if d, err := time.ParseDuration(string(b)); err == nil && d >= 0 {
		m.Time = time.Now().Add(-d)
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("expected a duration such as 15m, without a sign, or a time such as 2026-01-31T12:00:00Z but got %q", b)
	}
	m.Time = at
	return nil
}

// Run prints records until there were enough of them or ctx ends.
func (c tailCmd) Run(ctx context.Context, t *terminal) error {
	if c.Count < 0 {
		return usagef("--count is %d: must not be negative", c.Count)
	}
	registry, err := kafka.NewRegistry(c.Registry, t.log)
	if err != nil {
		return usageError{err}
	}
	if err := registry.Ping(ctx); err != nil {
		return registryHint(err, c.Registry.URL)
	}
	opts := []kgo.Opt{
		kgo.ConsumeResetOffset(c.start()), kgo.MetadataMaxAge(5 * time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // what a replay that was killed had begun is none
	}
	if len(c.Topics) == 0 { // topics that are made later shall be read too
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+regexp.QuoteMeta(c.TopicPrefix)), kgo.ConsumeExcludeTopics("^"+regexp.QuoteMeta(bridge.RecentIDs(c.TopicPrefix))+"$"))
	}
	client, err := connect(ctx, c.Kafka, t.log, opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	existing, err := topicNames(ctx, client)
	if err != nil {
		return err
	}
	topics, err := pickTopics(existing, c.Topics, c.TopicPrefix)
	if err != nil {
		return err
	}
	client.AddConsumeTopics(topics...) // does nothing where the expression chooses
	return c.follow(ctx, t, client, newDecoder(registry))
}

// start returns where in each partition to begin.
func (c tailCmd) start() kgo.Offset {
	switch {
	case c.FromBeginning:
		return kgo.NewOffset().AtStart()
	case !c.Since.IsZero():
		return kgo.NewOffset().AfterMilli(c.Since.UnixMilli())
	default:
		return kgo.NewOffset().AtEnd()
	}
}

// follow prints what client consumes.
func (c tailCmd) follow(ctx context.Context, t *terminal, client *kgo.Client, d *decoder) error {
	printed := 0
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil // stopped: that is how tail ends
		}
		for _, e := range fetches.Errors() {
			t.log.Error("topic cannot be read, trying again", "topic", e.Topic, "partition", e.Partition, "error", e.Err)
		}
		for _, r := range byTime(fetches) {
			// Kafka begins a partition without a record of that time at its end or,
			// by the order of arrival, with one that is followed by older ones.
			if c.Key != "" && string(r.Key) != c.Key || r.Timestamp.Before(c.Since.Time) {
				continue
			}
			if err := c.print(t, d.decode(ctx, r)); err != nil {
				return err
			}
			if printed++; printed == c.Count {
				return nil
			}
		}
	}
}

func (c tailCmd) print(t *terminal, r record) error {
	if c.JSON {
		return t.printJSON(r)
	}
	return t.printf("%s\n", t.line(r, lineStyle{prefix: c.TopicPrefix, timeLayout: "2006-01-02T15:04:05.000Z"}))
}
