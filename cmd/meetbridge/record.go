package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// record is a Kafka record as tail and demo show it; its JSON form is what
// --json prints.
type record struct {
	Topic     string            `json:"topic"` // full name
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Key       string            `json:"key"`
	Timestamp time.Time         `json:"timestamp"`
	Headers   map[string]string `json:"headers"`
	Value     map[string]any    `json:"value"`           // null: a tombstone, or not decoded
	Problem   string            `json:"error,omitempty"` // why it was not decoded

	tombstone bool
}

// decoder turns Kafka records into records by the schemas in the registry. It
// is not safe for concurrent use.
type decoder struct {
	registry *kafka.Registry
	byID     map[uint32]*schemas.Decoder
}

func newDecoder(registry *kafka.Registry) *decoder {
	return &decoder{registry: registry, byID: map[uint32]*schemas.Decoder{}}
}

// decode never fails: what cannot be decoded says why.
func (d *decoder) decode(ctx context.Context, r *kgo.Record) record {
	out := record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: string(r.Key),
		Timestamp: r.Timestamp.UTC(), Headers: map[string]string{}, tombstone: r.Value == nil,
	}
	for _, h := range r.Headers {
		out.Headers[h.Key] = string(h.Value)
	}
	if out.tombstone {
		return out
	}
	value, err := d.value(ctx, r.Value)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Value = value
	return out
}

func (d *decoder) value(ctx context.Context, b []byte) (map[string]any, error) {
	id, body, err := schemas.Split(b)
	if err != nil {
		return nil, err
	}
	one := d.byID[id]
	if one == nil {
		text, err := d.registry.SchemaByID(ctx, int(id))
		if err != nil {
			return nil, fmt.Errorf("get schema %d: %w", id, err)
		}
		if one, err = schemas.NewDecoder(text); err != nil {
			return nil, fmt.Errorf("read schema %d: %w", id, err)
		}
		d.byID[id] = one
	}
	value, err := one.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("decode by schema %d: %w", id, err)
	}
	return value, nil
}

// byTime returns the records of fetches, merged over the partitions by their
// timestamps; the records of one partition stay in their order.
func byTime(fetches kgo.Fetches) []*kgo.Record {
	var heads [][]*kgo.Record
	n := 0
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			heads = append(heads, p.Records)
			n += len(p.Records)
		}
	})
	merged := make([]*kgo.Record, 0, n)
	for len(heads) > 0 {
		first := 0
		for i := range heads {
			if heads[i][0].Timestamp.Before(heads[first][0].Timestamp) {
				first = i
			}
		}
		merged = append(merged, heads[first][0])
		if heads[first] = heads[first][1:]; len(heads[first]) == 0 {
			heads = append(heads[:first], heads[first+1:]...)
		}
	}
	return merged
}
