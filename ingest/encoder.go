package ingest

import (
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/schemas"
)

// encoder turns records into what Kafka holds: topic, key, headers and Avro.
type encoder struct {
	prefix string
	codec  *schemas.Codec
	ids    atomic.Pointer[map[string]int] // schema id by topic; nil until they are registered
}

// registered reports whether the schemas have their ids.
func (e *encoder) registered() bool { return e.ids.Load() != nil }

// encode returns the Kafka record of rec, which it became, or errUnavailable
// while the schemas have no ids. Any other error is our fault.
func (e *encoder) encode(it *bridge.Item, rec bridge.Record, trace string) (*kgo.Record, error) {
	ids := e.ids.Load()
	if ids == nil {
		return nil, errUnavailable
	}
	topic := rec.Kind.Topic()
	value, err := e.codec.Append(nil, topic, uint32((*ids)[topic]), rec.Value)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return &kgo.Record{
		Topic:     e.prefix + topic,
		Key:       []byte(rec.Key),
		Value:     value,
		Headers:   headers(it, rec, trace),
		Timestamp: when(rec),
	}, nil
}
