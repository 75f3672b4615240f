package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/modern-go/reflect2"
)

// Errors of the codec, to be compared with errors.Is.
var (
	ErrUnknownTopic = errors.New("schemas: no schema for this topic")
	ErrRecordType   = errors.New("schemas: record is not of the topic's type")
	ErrFraming      = errors.New("schemas: not in the Confluent wire format")
	ErrBody         = errors.New("schemas: body does not fit its schema")
)

const (
	magic      = 0  // first byte of the Confluent wire format
	headerSize = 5  // magic and schema id
	maxDepth   = 64 // nesting beyond this is refused, lest a body exhaust the stack
)

// Record is a pointer to one of the generated types, which write themselves: the
// library's encoder, led by reflection, takes nearly three times as long.
type Record interface{ appendAvro(b []byte) []byte }

// Codec turns the generated types into Avro and back. It is safe for concurrent
// use.
type Codec struct {
	api      avro.API
	bindings map[string]binding // by topic without prefix; never written after NewCodec
}

// binding is what en- and decoding of one topic's records needs.
type binding struct {
	schema avro.Schema
	rtype  uintptr // of the pointer to the Go type
}

// NewCodec returns a codec for all topics. An error means that the embedded
// schemas and the generated types do not belong together.
func NewCodec() (*Codec, error) {
	api := newAPI()
	c := &Codec{api: api, bindings: make(map[string]binding, len(kinds()))}
	all, err := parsed()
	if err != nil {
		return nil, err
	}
	for _, k := range kinds() {
		c.bindings[k.topic] = bind(k, all[k.topic])
	}
	return c, nil
}

// newAPI returns an instance of the Avro library with caches of its own.
func newAPI() avro.API {
	return avro.Config{MaxByteSliceSize: -1}.Freeze()
}

func bind(k kind, schema avro.Schema) binding {
	return binding{schema: schema, rtype: reflect2.RTypeOf(k.zero)}
}

// parsed returns the embedded schemas by topic, which are read once a process:
// that takes some 10 ms.
var parsed = sync.OnceValues(func() (map[string]avro.Schema, error) { //nolint:gochecknoglobals // a constant, as the texts are
	all := make(map[string]avro.Schema, len(kinds()))
	for _, k := range kinds() {
		schema, err := parse(text(k.topic))
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", k.topic, err)
		}
		all[k.topic] = schema
	}
	return all, nil
})

// parse returns the schema in text. It has a name cache of its own, so that
// versions of one schema do not meet. Texts may come from a registry, so a
// panic of the parser is only an error.
func parse(text string) (s avro.Schema, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parse schema: %v", r)
		}
	}()
	return avro.ParseWithCache(text, "", &avro.SchemaCache{})
}

// Append appends record, a pointer to the generated type of topic (without
// prefix), to dst in the Confluent wire format: a zero byte, the registry's id
// of the schema, big endian, and the Avro body. On an error dst comes back as
// it was.
func (c *Codec) Append(dst []byte, topic string, schemaID uint32, record Record) ([]byte, error) {
	b, ok := c.bindings[topic]
	if !ok {
		return dst, fmt.Errorf("%w: %q", ErrUnknownTopic, topic)
	}
	if reflect2.RTypeOf(record) != b.rtype || reflect2.IsNil(record) {
		return dst, fmt.Errorf("%w: %T in %s", ErrRecordType, record, topic)
	}
	dst = append(dst, magic)
	dst = binary.BigEndian.AppendUint32(dst, schemaID)
	return record.appendAvro(dst), nil
}

// Split returns the schema id and the Avro body of a value in the Confluent
// wire format. The body is a part of value.
func Split(value []byte) (schemaID uint32, body []byte, err error) {
	if len(value) < headerSize || value[0] != magic {
		return 0, nil, ErrFraming
	}
	return binary.BigEndian.Uint32(value[1:]), value[headerSize:], nil
}

// DecodeInto decodes body, which was written by today's schema of topic, into
// v, a pointer to the topic's generated type.
func (c *Codec) DecodeInto(body []byte, topic string, v any) error {
	b, ok := c.bindings[topic]
	if !ok {
		return fmt.Errorf("%w: %q", ErrUnknownTopic, topic)
	}
	return decodeInto(c.api, b, body, v)
}

// DecodeInto is Codec.DecodeInto for those that decode once: it prepares a
// decoder on every call.
func DecodeInto(body []byte, topic string, v any) error {
	for _, k := range kinds() {
		if k.topic != topic {
			continue
		}
		all, err := parsed()
		if err != nil {
			return err
		}
		api := newAPI()
		return decodeInto(api, bind(k, all[topic]), body, v)
	}
	return fmt.Errorf("%w: %q", ErrUnknownTopic, topic)
}

// decodeInto walks the body first: the library believes the counts and lengths
// that a body states, takes a body that ends early for a whole one and does not
// see what is left over.
func decodeInto(api avro.API, b binding, body []byte, v any) error {
	if reflect2.RTypeOf(v) != b.rtype || reflect2.IsNil(v) {
		return fmt.Errorf("%w: %T", ErrRecordType, v)
	}
	if err := (&Decoder{schema: b.schema}).check(body); err != nil {
		return err
	}
	if err := api.Unmarshal(b.schema, body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	return nil
}

// Compatible reports why records of one schema could not be read with the
// other, in either direction (the registry's FULL); nil if they can.
func Compatible(newText, oldText string) error {
	newSchema, err := parse(newText)
	if err != nil {
		return fmt.Errorf("new schema: %w", err)
	}
	oldSchema, err := parse(oldText)
	if err != nil {
		return fmt.Errorf("old schema: %w", err)
	}
	if err := avro.NewSchemaCompatibility().Compatible(newSchema, oldSchema); err != nil {
		return fmt.Errorf("read old records by the new schema: %w", err)
	}
	if err := avro.NewSchemaCompatibility().Compatible(oldSchema, newSchema); err != nil {
		return fmt.Errorf("read new records by the old schema: %w", err)
	}
	return nil
}

// Decoder decodes bodies by the schema that they were written with, into
// generic values. It is safe for concurrent use.
type Decoder struct{ schema avro.Schema }

// NewDecoder returns a decoder for the schema in writerText.
func NewDecoder(writerText string) (*Decoder, error) {
	s, err := parse(writerText)
	if err != nil {
		return nil, err
	}
	return &Decoder{schema: s}, nil
}

// Decode returns the record in body, which was written with the schema in
// writerText. Nulls are nil, longs and ints int64, timestamps time.Time in UTC,
// bytes and fixed []byte, arrays []any, nested records and maps
// map[string]any. Memory stays in proportion to the body.
func Decode(writerText string, body []byte) (map[string]any, error) {
	d, err := NewDecoder(writerText)
	if err != nil {
		return nil, err
	}
	return d.Decode(body)
}

// Decode is the function Decode for a schema that is parsed already.
func (d *Decoder) Decode(body []byte) (map[string]any, error) {
	r := reader{rest: body}
	v := r.value(d.schema, 0, true)
	if err := r.end(); err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: the schema is not of a record", ErrBody)
	}
	return m, nil
}

// check reports whether body is one whole value of the schema.
func (d *Decoder) check(body []byte) error {
	r := reader{rest: body}
	r.value(d.schema, 0, false)
	return r.end()
}

// reader walks an Avro body. After the first error it returns zero values.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s with %d bytes left", ErrBody, what, len(r.rest))
	}
	r.rest = nil
}

func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("bytes after the record")
	}
	return r.err
}

func (r *reader) long() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail("bad integer")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.rest)) {
		r.fail("bad length")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// value returns the next value, of schema s; nil if it need not be kept.
func (r *reader) value(s avro.Schema, depth int, keep bool) any {
	if r.err != nil {
		return nil
	}
	if depth > maxDepth {
		r.fail("nested too deep")
		return nil
	}
	switch s := s.(type) {
	case *avro.RefSchema:
		return r.value(s.Schema(), depth+1, keep)
	case *avro.NullSchema:
		return nil
	case *avro.PrimitiveSchema:
		return r.primitive(s, keep)
	case *avro.RecordSchema:
		var m map[string]any
		if keep {
			m = make(map[string]any, len(s.Fields()))
		}
		for _, f := range s.Fields() {
			if v := r.value(f.Type(), depth+1, keep); keep {
				m[f.Name()] = v
			}
		}
		return m
	case *avro.UnionSchema:
		i := r.long()
		if i < 0 || i >= int64(len(s.Types())) {
			r.fail("no such branch of a union")
			return nil
		}
		return r.value(s.Types()[i], depth+1, keep)
	case *avro.ArraySchema:
		items := []any{}
		r.blocks(func() {
			if v := r.value(s.Items(), depth+1, keep); keep {
				items = append(items, v)
			}
		})
		return items
	case *avro.MapSchema:
		m := map[string]any{}
		r.blocks(func() {
			name := string(r.take(r.long()))
			if v := r.value(s.Values(), depth+1, keep); keep {
				m[name] = v
			}
		})
		return m
	case *avro.EnumSchema:
		i := r.long()
		if i < 0 || i >= int64(len(s.Symbols())) {
			r.fail("no such symbol of an enumeration")
			return nil
		}
		return s.Symbols()[i]
	case *avro.FixedSchema:
		return append([]byte{}, r.take(int64(s.Size()))...)
	}
	r.fail("a type that cannot be read")
	return nil
}

// blocks calls each for every element of an array or map. Every element of
// our types takes a byte or more, so a count beyond what is left is a lie.
func (r *reader) blocks(each func()) {
	for r.err == nil {
		n := r.long()
		if n == 0 {
			return
		}
		if n < 0 {
			n = -n
			r.long() // size in bytes
		}
		if n < 0 || n > int64(len(r.rest)) {
			r.fail("bad count")
			return
		}
		for ; n > 0 && r.err == nil; n-- {
			each()
		}
	}
}

func (r *reader) primitive(s *avro.PrimitiveSchema, keep bool) any {
	switch s.Type() {
	case avro.String:
		if b := r.take(r.long()); keep {
			return string(b)
		}
		return nil
	case avro.Bytes:
		if b := r.take(r.long()); keep {
			return append([]byte{}, b...)
		}
		return nil
	case avro.Boolean:
		b := r.take(1)
		if len(b) == 1 && b[0] > 1 {
			r.fail("bad boolean")
		}
		return len(b) == 1 && b[0] == 1
	case avro.Float:
		if b := r.take(4); len(b) == 4 {
			return math.Float32frombits(binary.LittleEndian.Uint32(b))
		}
		return nil
	case avro.Double:
		if b := r.take(8); len(b) == 8 {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
		return nil
	case avro.Int:
		v := r.long()
		if int64(int32(v)) != v {
			r.fail("integer over 32 bits")
		}
		return v
	case avro.Long:
		return instant(r.long(), s.Logical())
	}
	r.fail("a type that cannot be read")
	return nil
}

// instant returns v as the time that it means by its logical type, else v.
func instant(v int64, l avro.LogicalSchema) any {
	if l == nil {
		return v
	}
	switch l.Type() {
	case avro.TimestampMicros, avro.LocalTimestampMicros:
		return time.UnixMicro(v).UTC()
	case avro.TimestampMillis, avro.LocalTimestampMillis:
		return time.UnixMilli(v).UTC()
	}
	return v
}
