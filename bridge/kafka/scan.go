package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// scanStalledAfter is how long a scan waits for a record that must be there.
const scanStalledAfter = 30 * time.Second

// ScanTopic is what Scan reads of one topic.
type ScanTopic struct {
	Topic      string             // full name
	Partitions map[int32]struct{} // nil: all
	// Since leaves out what stands before the first record of that time or
	// later; zero: nothing. Where timestamps do not rise from record to record,
	// earlier ones come too.
	Since time.Time
}

// Scan calls each with every committed record of the topics that is there when
// it is called, partition by partition in their order, and returns then: it
// follows nothing. It ends early with an error of each, of ctx, or of Kafka.
func Scan(ctx context.Context, c Config, topics []ScanTopic, log *slog.Logger, each func(*kgo.Record) error) error {
	opts, err := c.Options(log)
	if err != nil {
		return err
	}
	// Control records are kept for their offsets: the last one of a partition
	// may be the end of a transaction, and would be waited for in vain.
	client, err := kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(time.Second))...)
	if err != nil {
		return fmt.Errorf("set up kafka client: %w", err)
	}
	defer client.Close()
	from, last, err := spans(ctx, kadm.NewClient(client), topics)
	if err != nil {
		return c.Explain(err)
	}
	client.AddConsumePartitions(from)
	for len(last) > 0 {
		within, cancel := context.WithTimeout(ctx, scanStalledAfter)
		fetches := client.PollFetches(within)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			return c.Explain(fmt.Errorf("read topic %s to its end: %w", e.Topic, needs(e.Err, "Read")))
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			at := topicPartition{r.Topic, r.Partition}
			end, open := last[at]
			if open && r.Offset >= end {
				delete(last, at)
			}
			if !open || r.Offset > end || r.Attrs.IsControl() {
				continue
			}
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

type topicPartition struct {
	topic     string
	partition int32
}

// spans returns where to begin in each partition that has something to read,
// and the offset of the last record there.
func spans(ctx context.Context, adm *kadm.Client, topics []ScanTopic) (from map[string]map[int32]kgo.Offset, last map[topicPartition]int64, err error) {
	from, last = map[string]map[int32]kgo.Offset{}, map[topicPartition]int64{}
	for _, t := range topics {
		ends, err := adm.ListCommittedOffsets(ctx, t.Topic)
		if err = errors.Join(err, ends.Error()); err != nil {
			return nil, nil, fmt.Errorf("find the end of topic %s: %w", t.Topic, err)
		}
		list := adm.ListStartOffsets
		if ms := t.Since.UnixMilli(); !t.Since.IsZero() && ms > 0 {
			list = func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
				return adm.ListOffsetsAfterMilli(ctx, ms, topics...)
			}
		}
		starts, err := list(ctx, t.Topic)
		if err = errors.Join(err, starts.Error()); err != nil {
			return nil, nil, fmt.Errorf("find the beginning of topic %s: %w", t.Topic, err)
		}
		from[t.Topic] = map[int32]kgo.Offset{}
		starts.Each(func(o kadm.ListedOffset) {
			end, ok := ends.Lookup(o.Topic, o.Partition)
			if _, wanted := t.Partitions[o.Partition]; t.Partitions != nil && !wanted || !ok || o.Offset >= end.Offset {
				return
			}
			from[t.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
			last[topicPartition{o.Topic, o.Partition}] = end.Offset - 1
		})
	}
	return from, last, nil
}

// TopicInfo is what a writer of old records needs to know of a topic.
type TopicInfo struct {
	Partitions int
	Keeps      time.Duration // how long records are kept by their timestamps; 0: for ever
}

// Describe returns what Kafka says of the topics. An error names one that does
// not exist.
func Describe(ctx context.Context, c Config, topics []string, log *slog.Logger) (map[string]TopicInfo, error) {
	adm, err := NewAdmin(c, log)
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	details, err := listTopics(ctx, adm, topics)
	if err != nil {
		return nil, c.Explain(err)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, c.Explain(fmt.Errorf("read the settings of topics %s: %w", strings.Join(topics, ", "), needs(err, "DescribeConfigs")))
	}
	infos := map[string]TopicInfo{}
	for _, topic := range topics {
		d := details[topic]
		config, err := configs.On(topic, nil)
		if err = errors.Join(d.Err, err, config.Err); err != nil {
			return nil, fmt.Errorf("topic %s cannot be used (make it with meetbridge topics apply; our user needs Describe and DescribeConfigs): %w", topic, err)
		}
		info := TopicInfo{Partitions: len(d.Partitions)}
		for _, kv := range config.Configs {
			if kv.Key != "retention.ms" {
				continue
			}
			if ms, err := strconv.ParseInt(kv.MaybeValue(), 10, 64); err == nil && ms > 0 && ms < math.MaxInt64/int64(time.Millisecond) {
				info.Keeps = time.Duration(ms) * time.Millisecond
			}
		}
		infos[topic] = info
	}
	return infos, nil
}

// PartitionOf returns on which of n partitions the producers of this package put
// a record with the key.
func PartitionOf(key string, n int) int32 { return Partitioner(n)(key) }

// Partitioner is PartitionOf for many keys, since making one costs more than
// asking it. The function is for one goroutine.
func Partitioner(n int) func(key string) int32 {
	p := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return func(key string) int32 { return int32(p.Partition(&kgo.Record{Key: []byte(key)}, n)) }
}
