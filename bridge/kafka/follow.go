package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// followBytes bounds what is fetched at once: a process that only follows a small
// topic shall not keep megabytes for it.
const followBytes = 1 << 20

// Follow reads a topic from its records of since on, and calls each with every
// one, in the order of each partition, until ctx ends. It calls caughtUp once all
// that was there when it began has been read.
//
// It waits out a Kafka that goes away. It returns with an error when the topic
// cannot be found or read, as one that does not exist, or was made anew meanwhile:
// the caller may try again from the last record on. Partitions that are added are
// seen then.
func Follow(ctx context.Context, c Config, topic string, since time.Time, log *slog.Logger, each func(*kgo.Record), caughtUp func()) error {
	opts, err := c.Options(log)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(opts, kgo.FetchMaxBytes(followBytes), kgo.FetchMaxPartitionBytes(followBytes))...)
	if err != nil {
		return fmt.Errorf("set up kafka client: %w", err)
	}
	defer client.Close()
	from, behind, err := followFrom(ctx, kadm.NewClient(client), topic, since)
	if err != nil {
		return c.Explain(err)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	for told := false; ; {
		if len(behind) == 0 && !told {
			told = true
			caughtUp()
		}
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			return c.Explain(fmt.Errorf("read topic %s: %w", e.Topic, needs(e.Err, "Read")))
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			if last, ok := behind[r.Partition]; ok && r.Offset >= last {
				delete(behind, r.Partition)
			}
			each(r)
		}
	}
}

// followFrom returns where to begin in each partition of the topic, and the
// offset of the last record in those that have something to read.
func followFrom(ctx context.Context, adm *kadm.Client, topic string, since time.Time) (from map[int32]kgo.Offset, behind map[int32]int64, err error) {
	starts, err := adm.ListOffsetsAfterMilli(ctx, since.UnixMilli(), topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, nil, fmt.Errorf("find the records of topic %s since %s: %w", topic, since.UTC().Format(time.RFC3339), err)
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, nil, fmt.Errorf("find the end of topic %s: %w", topic, err)
	}
	from, behind = map[int32]kgo.Offset{}, map[int32]int64{}
	starts.Each(func(o kadm.ListedOffset) {
		from[o.Partition] = kgo.NewOffset().At(o.Offset)
		if end, ok := ends.Lookup(topic, o.Partition); ok && end.Offset > o.Offset {
			behind[o.Partition] = end.Offset - 1
		}
	})
	return from, behind, nil
}
