package renewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// avroType is the media type of a record's value: Avro in Confluent's wire
// format.
const avroType = "application/vnd.confluent.avro"

// journal is where the shards' states and gaps stand, and how they are written
// there: what the stores of all shards share.
type journal struct {
	kafka   kafka.Config
	prefix  string // of every topic
	codec   *schemas.Codec
	reader  *reader
	log     *slog.Logger
	counted *metrics
}

func (j *journal) topic(k bridge.Kind) string { return j.prefix + k.Topic() }

// store is the memory of one shard for one term: teams.subscriptions holds the
// last word on each subscription, teams.gaps what was lost. It is for one
// goroutine. After an error of write nothing more can be written: the term ends,
// and the next one reads what took effect.
type store struct {
	*journal
	shard int32
	tx    *kafka.Transactions
}

// openStore takes the shard's memory over: when it returns, whoever led before
// can write no more (I10), and what it has written can be read.
func openStore(ctx context.Context, j *journal, shard int32) (*store, error) {
	tx, err := kafka.NewTransactions(j.kafka, fmt.Sprintf("%srenewer-%d", j.prefix, shard), j.log)
	if err != nil {
		return nil, err
	}
	if err := tx.Fence(ctx); err != nil {
		tx.Close()
		return nil, err
	}
	return &store{journal: j, shard: shard, tx: tx}, nil
}

func (s *store) close() { s.tx.Close() }

// epoch returns the epoch of the transactional id as of the take-over: it rises with
// each, and with each transaction where Kafka has it so (KIP-890).
func (s *store) epoch() int16 { return s.tx.Epoch() }

// load returns the last word on each subscription of the shard, which is one of
// so many. Records that this version cannot read are there with the status Aside,
// so that nothing is done about them, and are reported.
func (s *store) load(ctx context.Context, shards int) (states, error) {
	read, aside, err := s.states(ctx, map[int32]struct{}{s.shard: {}}, shards)
	if err != nil {
		return nil, fmt.Errorf("read the states of shard %d: %w", s.shard, err)
	}
	s.counted.asides.WithLabelValues(strconv.Itoa(int(s.shard))).Set(float64(aside))
	return read, nil
}

// states returns the last word on each subscription of those shards, nil for all
// of so many, and how many records cannot be read.
func (j *journal) states(ctx context.Context, only map[int32]struct{}, shards int) (read states, aside int, err error) {
	read = states{}
	partition := kafka.Partitioner(shards)
	err = kafka.Scan(ctx, j.kafka, []kafka.ScanTopic{{Topic: j.topic(bridge.SubscriptionState), Partitions: only}}, j.log, func(r *kgo.Record) error {
		key, ok := ParseKey(string(r.Key))
		if !ok || partition(string(r.Key)) != r.Partition { // written when there were more partitions, or fewer
			aside++
			j.report(r, errors.New("its key is not one of this shard"))
			return nil
		}
		if before, had := read[key]; had && before.shared.Value().status == Aside {
			aside--
		}
		delete(read, key)
		if r.Value == nil {
			return nil
		}
		state, err := j.reader.state(ctx, r)
		switch {
		case errors.Is(err, errUnreadable):
			aside++
			j.report(r, err)
			state = State{Key: key, Status: Aside}
		case err != nil:
			return err
		}
		read[key] = pack(&state)
		return nil
	})
	return read, aside, err
}

func (j *journal) report(r *kgo.Record, why error) {
	j.log.Error("state record kept as it is, its subscription is not looked after", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset,
		"error", why, "fix", "run the version that wrote it, or produce a record without value under its key")
}

// partitions returns the number of shards.
func (j *journal) partitions(ctx context.Context) (int, error) {
	topic := j.topic(bridge.SubscriptionState)
	infos, err := kafka.Describe(ctx, j.kafka, []string{topic}, j.log)
	if err != nil {
		return 0, err
	}
	return infos[topic].Partitions, nil
}

// write makes states and gaps the last word, all or none, and returns when they
// are. A state whose status is Deleted takes its record with it.
func (s *store) write(ctx context.Context, states []State, gaps []Gap) error {
	if len(states)+len(gaps) == 0 {
		return nil
	}
	records := make([]*kgo.Record, 0, len(states)+len(gaps))
	for _, state := range states {
		if state.Status == Aside {
			continue // never overwritten
		}
		r, err := s.stateRecord(state)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	for _, gap := range gaps {
		r, err := s.gapRecord(gap)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	began := time.Now()
	err := s.tx.Commit(ctx, records)
	s.counted.committed(len(states), gaps, time.Since(began), err)
	return err
}

func (s *store) stateRecord(state State) (*kgo.Record, error) {
	r := &kgo.Record{Topic: s.topic(bridge.SubscriptionState), Key: []byte(state.String()), Timestamp: state.UpdatedAt}
	if state.Status == Deleted {
		return r, nil // compaction takes what stood there
	}
	record := state.ToRecord()
	value, err := s.codec.Append(nil, bridge.SubscriptionState.Topic(), s.reader.own[bridge.SubscriptionState.Topic()], &record)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	r.Value = value
	r.Headers = []kgo.RecordHeader{{Key: "content-type", Value: []byte(avroType)}}
	return r, nil
}

// gapRecord returns the record of a gap, a CloudEvent as those of ingest are.
func (s *store) gapRecord(gap Gap) (*kgo.Record, error) {
	record := gap.ToRecord()
	value, err := s.codec.Append(nil, bridge.Gap.Topic(), s.reader.own[bridge.Gap.Topic()], &record)
	if err != nil {
		return nil, fmt.Errorf("encode gap: %w", err)
	}
	r := &kgo.Record{Topic: s.topic(bridge.Gap), Key: []byte(gap.Key.Resource), Value: value, Timestamp: gap.RecordedAt}
	for _, h := range []struct{ key, value string }{
		{"ce_specversion", "1.0"},
		{"ce_id", gap.EventID},
		{"ce_type", "meetbridge.subscriptionGap"},
		{"ce_source", "/tenants/" + gap.Key.TenantID + "/subscriptions/" + gap.OldSubscriptionID},
		{"ce_subject", gap.Key.Resource},
		{"ce_time", gap.RecordedAt.UTC().Format(time.RFC3339Nano)},
		{"content-type", avroType},
	} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.key, Value: []byte(h.value)})
	}
	return r, nil
}
