package ingest

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"meetbridge/bridge"
)

// contentType is the media type of a record's value: Avro in Confluent's wire
// format.
const contentType = "application/vnd.confluent.avro"

// eventIDHeader is CloudEvents' id: the event_id of the record.
const eventIDHeader = "ce_id"

// maxHeader bounds what stands in a header a second time, in bytes. Ids and
// paths of Graph's are far shorter; a stranger's may be as long as a body, and a
// record that held it twice would be too large even for the quarantine.
const maxHeader = 8 << 10

// fixedHeaders is more than what the headers hold beside ids and the type's name,
// in bytes.
const fixedHeaders = 224

// headerCount is how many headers a record has at most.
const headerCount = 8

// pack returns the record's key, a copy of its value, and its headers, appended to
// h: CloudEvents 1.0, Kafka binding, binary mode, and the W3C trace context of the
// POST that it came with. What is longer than maxHeader stands in the value only.
func pack(it *bridge.Item, rec *bridge.Record, traceparent string, rough []byte, h []kgo.RecordHeader) (key, value []byte, _ []kgo.RecordHeader) {
	// Of everything: one allocation instead of ten. The ids that stand in the key or
	// in headers a second time are counted, all else there is of fixed length.
	room := make([]byte, 0, fixedHeaders+len(rec.Key)+len(rec.Type)+min(len(it.TenantID), maxKey)+
		min(len(it.SubscriptionID), maxKey)+min(len(it.Resource), maxHeader)+len(rough))
	room = append(room, rec.Key...)
	key = room[:len(room):len(room)]
	room = append(room, rough...)
	value = room[len(key):len(room):len(room)]
	add := func(name string, value ...string) {
		n := 0
		for _, v := range value {
			n += len(v)
		}
		if n == 0 || n > maxHeader {
			return
		}
		from := len(room)
		for _, v := range value {
			room = append(room, v...)
		}
		h = append(h, kgo.RecordHeader{Key: name, Value: room[from:len(room):len(room)]})
	}
	add("ce_specversion", "1.0")
	add(eventIDHeader, rec.EventID)
	add("ce_type", "com.microsoft.graph.", rec.Type)
	if len(it.TenantID) > maxKey || len(it.SubscriptionID) > maxKey {
		add("ce_source", "/") // required; ids that are none of Graph's do not belong there
	} else {
		add("ce_source", "/tenants/", it.TenantID, "/subscriptions/", it.SubscriptionID)
	}
	add("ce_subject", it.Resource)
	var at [len(time.RFC3339Nano)]byte
	add("ce_time", string(when(rec).UTC().AppendFormat(at[:0], time.RFC3339Nano)))
	add("content-type", contentType)
	add("traceparent", traceparent)
	return key, value, h
}

// when returns when rec's event was: as its payload says, else when we heard.
func when(rec *bridge.Record) time.Time {
	if rec.OccurredAt.IsZero() {
		return rec.ReceivedAt
	}
	return rec.OccurredAt
}

// traceparent returns the trace context of ctx as the W3C header's value: that
// of the span if there is one, else a fresh trace that nobody samples, so that
// the records of one POST can be told to belong together.
func traceparent(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
	}
	const form = "00-00112233445566778899aabbccddeeff-0011223344556677-00"
	var b [24]byte
	for i := 0; i < len(b); i += 8 {
		binary.BigEndian.PutUint64(b[i:], rand.Uint64())
	}
	text := [len(form)]byte([]byte(form))
	hex.Encode(text[3:], b[:16])
	hex.Encode(text[36:], b[16:])
	return string(text[:])
}
