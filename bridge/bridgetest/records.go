package bridgetest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// Stored is one record as a plain consumer finds it.
type Stored struct {
	Topic     string // without prefix
	Partition int32
	Offset    int64
	Key       string
	Timestamp time.Time
	Headers   map[string]string
	Value     map[string]any // nil for a record without value
	// Producer and Epoch are whose transaction it came in; -1 for none.
	Producer int64
	Epoch    int16
}

// Text returns a string field of the value, "" if it is null or absent.
func (s Stored) Text(field string) string {
	switch v := s.Value[field].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Instant returns a time of the value; zero if it is null or absent.
func (s Stored) Instant(field string) time.Time {
	at, _ := s.Value[field].(time.Time)
	return at.UTC()
}

// Records reads what is committed in every topic, to its end, and decodes each
// record by the schema that the registry has for its id.
func (r *Rig) Records() []Stored {
	r.tb.Helper()
	return Consume(r.tb, r.Config.Kafka, kafka.RegistryConfig{URL: r.Kafka.RegistryURL(), HTTP: r.HTTP}, "teams.", r.log)
}

// Consume is Records for any broker, registry and prefix.
func Consume(tb testing.TB, from kafka.Config, by kafka.RegistryConfig, prefix string, log *slog.Logger) []Stored {
	tb.Helper()
	var topics []kafka.ScanTopic
	for _, k := range bridge.Kinds() {
		topics = append(topics, kafka.ScanTopic{Topic: prefix + k.Topic})
	}
	registry, err := kafka.NewRegistry(by, log)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	decoders := map[uint32]*schemas.Decoder{}
	var all []Stored
	err = kafka.Scan(ctx, from, topics, log, func(k *kgo.Record) error {
		all = append(all, decode(tb, registry, decoders, k, k.Topic[len(prefix):]))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func decode(tb testing.TB, registry *kafka.Registry, decoders map[uint32]*schemas.Decoder, k *kgo.Record, topic string) Stored {
	tb.Helper()
	s := Stored{
		Topic: topic, Partition: k.Partition, Offset: k.Offset, Key: string(k.Key), Timestamp: k.Timestamp, Headers: map[string]string{},
		Producer: k.ProducerID, Epoch: k.ProducerEpoch,
	}
	for _, h := range k.Headers {
		s.Headers[h.Key] = string(h.Value)
	}
	if k.Value == nil {
		return s
	}
	id, body, err := schemas.Split(k.Value)
	if err != nil {
		tb.Fatal(err)
	}
	d := decoders[id]
	if d == nil {
		text, err := registry.SchemaByID(context.Background(), int(id))
		if err != nil {
			tb.Fatal(err)
		}
		if d, err = schemas.NewDecoder(text); err != nil {
			tb.Fatal(err)
		}
		decoders[id] = d
	}
	if s.Value, err = d.Decode(body); err != nil {
		tb.Fatal(err)
	}
	return s
}
