package ingest

import (
	"fmt"
	"sync"
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
	rough  sync.Pool                      // of *[]byte, where values are written before their size is known
}

// keepRough is how large a rough value's memory may be to be used again.
const keepRough = 64 << 10

func newEncoder(prefix string, codec *schemas.Codec) *encoder {
	e := &encoder{prefix: prefix, codec: codec, topics: map[bridge.Kind]string{}}
	e.rough.New = func() any { return new([]byte) }
	for _, k := range bridge.Kinds() {
		e.topics[k.Kind] = prefix + k.Topic
	}
	return e
}

// registered reports whether the schemas have their ids.
func (e *encoder) registered() bool { return e.ids.Load() != nil }

// encode returns the Kafka record of rec, which it became, or errUnavailable
// while the schemas have no ids. Any other error is our fault. The record's headers
// are appended to headers.
func (e *encoder) encode(it *bridge.Item, rec *bridge.Record, trace string, headers []kgo.RecordHeader) (kgo.Record, error) {
	ids := e.ids.Load()
	if ids == nil {
		return kgo.Record{}, errUnavailable
	}
	topic := rec.Kind.Topic()
	rough := e.rough.Get().(*[]byte)
	value, err := e.codec.Append((*rough)[:0], topic, uint32((*ids)[topic]), rec.Value)
	if err != nil {
		return kgo.Record{}, fmt.Errorf("encode record: %w", err)
	}
	r := kgo.Record{Topic: e.topics[rec.Kind], Timestamp: when(rec)}
	r.Key, r.Value, r.Headers = pack(it, rec, trace, value, headers)
	if cap(value) <= keepRough {
		*rough = value
		e.rough.Put(rough)
	}
	return r, nil
}
