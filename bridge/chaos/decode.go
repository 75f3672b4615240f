package chaos

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// decoders decodes values by the schemas of a registry.
type decoders struct {
	url  string
	byID map[uint32]avro.Schema
}

func newDecoders(url string) decoders { return decoders{url, map[uint32]avro.Schema{}} }

// decode returns a record as a consumer finds it; without a value if it is a
// tombstone or no Avro.
func (d decoders) decode(k *kgo.Record) (stored, error) {
	s := stored{Topic: strings.TrimPrefix(k.Topic, topicPrefix), Partition: k.Partition, Offset: k.Offset, Key: string(k.Key)}
	for _, h := range k.Headers {
		switch h.Key {
		case "ce_id":
			s.EventID = string(h.Value)
		case "traceparent":
			s.Trace = string(h.Value)
		}
	}
	if len(k.Value) < 5 || k.Value[0] != 0 { // a tombstone, or no Avro: a topic that is not for consumers
		return s, nil
	}
	id := binary.BigEndian.Uint32(k.Value[1:5])
	schema := d.byID[id]
	if schema == nil {
		body, err := fetch(fmt.Sprintf("%s/schemas/ids/%d", d.url, id), 20*time.Second)
		if err != nil {
			return s, fmt.Errorf("%s/%d@%d: %w", k.Topic, k.Partition, k.Offset, err)
		}
		var answer struct {
			Schema string `json:"schema"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return s, fmt.Errorf("read schema %d: %w", id, err)
		}
		if schema, err = avro.ParseWithCache(answer.Schema, "", &avro.SchemaCache{}); err != nil {
			return s, fmt.Errorf("read schema %d: %w", id, err)
		}
		d.byID[id] = schema
	}
	if err := avro.Unmarshal(schema, k.Value[5:], &s.Value); err != nil {
		return s, fmt.Errorf("%s/%d@%d: %w", k.Topic, k.Partition, k.Offset, err)
	}
	return s, nil
}
