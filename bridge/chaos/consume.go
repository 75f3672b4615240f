package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicPrefix is what the names of the bridge's topics begin with.
const topicPrefix = "teams."

// stored is a record as a plain consumer finds it.
type stored struct {
	Topic     string // without prefix
	Partition int32
	Offset    int64
	Key       string
	EventID   string // of the header
	Trace     string // of the POST that it came with
	Value     map[string]any
}

// text returns a text of the value, "" for null.
func (s stored) text(field string) string {
	v, _ := s.Value[field].(string)
	return v
}

// instant returns a time of the value, zero for null.
func (s stored) instant(field string) time.Time {
	v, _ := s.Value[field].(time.Time)
	return v
}

// consume reads what is committed in all of the bridge's topics, to the end.
func consume(ctx context.Context, brokers []string, registryURL string, each func(stored) error) error {
	admin, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer admin.Close()
	adm := kadm.NewClient(admin)
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range topics.Names() {
		if strings.HasPrefix(t, topicPrefix) {
			names = append(names, t)
		}
	}
	starts, err := adm.ListStartOffsets(ctx, names...)
	if err != nil {
		return err
	}
	ends, err := adm.ListCommittedOffsets(ctx, names...)
	if err != nil {
		return err
	}
	from := map[string]map[int32]kgo.Offset{}
	left := map[string]map[int32]int64{} // offsets at which a partition is read to its end
	ends.Each(func(e kadm.ListedOffset) {
		s, _ := starts.Lookup(e.Topic, e.Partition)
		if e.Err != nil {
			err = e.Err
		}
		if e.Offset <= s.Offset {
			return
		}
		if from[e.Topic] == nil {
			from[e.Topic], left[e.Topic] = map[int32]kgo.Offset{}, map[int32]int64{}
		}
		from[e.Topic][e.Partition] = kgo.NewOffset().At(s.Offset)
		left[e.Topic][e.Partition] = e.Offset
	})
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxPartitionBytes(40<<20), kgo.FetchMaxBytes(80<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	d := newDecoders(registryURL)
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read the topics: %w", err)
		}
		fetches.EachError(func(t string, p int32, e error) { err = fmt.Errorf("read %s/%d: %w", t, p, e) })
		if err != nil {
			return err
		}
		fetches.EachRecord(func(k *kgo.Record) {
			end, more := left[k.Topic][k.Partition]
			if !more || err != nil {
				return
			}
			if k.Offset >= end-1 {
				delete(left[k.Topic], k.Partition)
			}
			if len(left[k.Topic]) == 0 {
				delete(left, k.Topic)
			}
			if k.Attrs.IsControl() || k.Offset >= end {
				return
			}
			var s stored
			if s, err = d.decode(k); err == nil {
				err = each(s)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
