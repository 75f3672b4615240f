package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// lookBack is how long before the receipt of an item its record may stand: Graph
// repeats a delivery for as long as recallFor, and the first one may have gone
// through where this one did not. The rest is for clocks that differ.
const lookBack = recallFor + 5*time.Minute

// look marks the candidates whose records are in Kafka already: with the same
// event id, on the partition of the same key, no earlier than the item's first
// delivery can have been.
func (r *replay) look(ctx context.Context, all []*candidate) error {
	places := map[string]*kafka.ScanTopic{} // by topic
	wanted := map[string][]*candidate{}     // by event id
	for _, c := range all {
		if c.Outcome != ReplayWould {
			continue
		}
		wanted[c.RecordEventID] = append(wanted[c.RecordEventID], c)
		topic := r.cfg.TopicPrefix + c.Kind.Topic()
		if places[topic] == nil {
			places[topic] = &kafka.ScanTopic{Topic: topic, Since: since(c), Partitions: map[int32]struct{}{}}
		}
		if t := since(c); t.Before(places[topic].Since) {
			places[topic].Since = t
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	// Twice in the quarantine, such as after a delivery to two replicas: the
	// first one becomes the record, and of that the second is a repetition.
	for _, same := range wanted {
		for _, c := range same[1:] {
			c.Outcome = ReplayThere
		}
	}
	var topics []string
	for topic := range places {
		topics = append(topics, topic)
	}
	infos, err := kafka.Describe(ctx, r.cfg.Kafka, topics, r.log)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Outcome == ReplayWould {
			topic := r.cfg.TopicPrefix + c.Kind.Topic()
			places[topic].Partitions[kafka.PartitionOf(c.Key, infos[topic].Partitions)] = struct{}{}
		}
	}
	var scan []kafka.ScanTopic
	for _, p := range places {
		scan = append(scan, *p)
	}
	err = kafka.Scan(ctx, r.cfg.Kafka, scan, r.log, func(k *kgo.Record) error {
		for _, h := range k.Headers {
			if h.Key != eventIDHeader {
				continue
			}
			for _, c := range wanted[string(h.Value)] {
				c.Outcome = ReplayThere
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for records that are there already: %w", err)
	}
	// What the topic does not keep any more cannot be looked for: it may have
	// been there and be gone, and Kafka would soon delete it again.
	now := time.Now()
	for _, c := range all {
		keeps := infos[r.cfg.TopicPrefix+c.Kind.Topic()].Keeps
		if c.Outcome == ReplayWould && keeps > 0 && since(c).Before(now.Add(-keeps)) {
			c.Outcome = ReplayExpired
		}
	}
	return nil
}

// since returns from which timestamp on c's record may stand in its topic. A
// record bears the time of its event, which may be long ago, or, where that is
// unknown or was yet to come, that of its receipt or a little later.
func since(c *candidate) time.Time {
	t := c.ReceivedAt.Add(-lookBack)
	if at := c.record.OccurredAt; !at.IsZero() && at.Before(t) {
		t = at.Add(-time.Second) // timestamps are whole milliseconds
	}
	return t
}
