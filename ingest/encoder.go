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
	topics map[bridge.Kind]string         // with their prefix
	ids    atomic.Pointer[map[string]int] // schema id by topic; nil until they are registered
}

func newEncoder(prefix string, codec *schemas.Codec) *encoder {
	e := &encoder{prefix: prefix, codec: codec, topics: map[bridge.Kind]string{}}
	for _, k := range bridge.Kinds() {
		e.topics[k.Kind] = prefix + k.Topic
	}
	return e
}

// registered reports whether the schemas have their ids.
func (e *encoder) registered() bool { return e.ids.Load() != nil }

// encode returns the Kafka record of rec, which it became, or errUnavailable
// while the schemas have no ids. Any other error is our fault.
func (e *encoder) encode(it *bridge.Item, rec *bridge.Record, trace string) (kgo.Record, error) {
	ids := e.ids.Load()
	if ids == nil {
		return kgo.Record{}, errUnavailable
	}
	topic := rec.Kind.Topic()
	value, err := e.codec.Append(nil, topic, uint32((*ids)[topic]), rec.Value)
	if err != nil {
		return kgo.Record{}, fmt.Errorf("encode record: %w", err)
	}
	key, headers := keyAndHeaders(it, rec, trace)
	return kgo.Record{Topic: e.topics[rec.Kind], Key: key, Value: value, Headers: headers, Timestamp: when(rec)}, nil
}
