package renewer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// errUnreadable is wrapped by the errors of records that will never be read by
// this version: garbage, and what a later version has written.
var errUnreadable = errors.New("renewer: state record unreadable")

// reader decodes records, those that were written with another schema than
// today's by the schema that they name. It is safe for concurrent use.
type reader struct {
	codec    *schemas.Codec
	own      map[string]uint32 // the registry's ids of today's schemas, by topic without prefix
	registry *kafka.Registry

	mu       sync.Mutex                  // guards all below
	decoders map[uint32]*schemas.Decoder // nil: no schema of a record
	words    map[string]string           // strings that many states share
}

func newReader(codec *schemas.Codec, own map[string]uint32, registry *kafka.Registry) *reader {
	return &reader{codec: codec, own: own, registry: registry, decoders: map[uint32]*schemas.Decoder{}, words: map[string]string{}}
}

// state returns the state in r. An error that does not wrap errUnreadable is one
// of asking the registry.
func (d *reader) state(ctx context.Context, r *kgo.Record) (State, error) {
	var record schemas.SubscriptionState
	complete, err := d.decode(ctx, bridge.SubscriptionState, r.Value, &record)
	if err != nil {
		return State{}, err
	}
	if !complete { // to write the record again would lose what is new in it
		return State{}, fmt.Errorf("%w: a later version has written it", errUnreadable)
	}
	d.share(&record)
	state, err := FromRecord(record)
	if err == nil && state.String() != string(r.Key) {
		err = errors.New("it is of another subscription than its key")
	}
	if err != nil {
		return State{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return state, nil
}

// notice returns the lifecycle notice in r, with errors as those of state.
func (d *reader) notice(ctx context.Context, r *kgo.Record) (Notice, error) {
	var record schemas.LifecycleNotice
	if _, err := d.decode(ctx, bridge.Lifecycle, r.Value, &record); err != nil {
		return Notice{}, err
	}
	n := Notice{SubscriptionID: record.SubscriptionID, Event: record.LifecycleEvent, ReceivedAt: record.ReceivedAt}
	if record.TenantID != nil {
		n.TenantID = *record.TenantID
	}
	if record.SubscriptionExpiresAt != nil {
		n.ExpiresAt = *record.SubscriptionExpiresAt
	}
	return n, nil
}

// decode sets record, a pointer to the generated type of the kind, from value.
// It is not complete if value holds members that this version does not know.
func (d *reader) decode(ctx context.Context, kind bridge.Kind, value []byte, record any) (complete bool, err error) {
	id, body, err := schemas.Split(value)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if own, has := d.own[kind.Topic()]; has && id == own {
		if err := d.codec.DecodeInto(body, kind.Topic(), record); err != nil {
			return false, fmt.Errorf("%w: %w", errUnreadable, err)
		}
		return true, nil
	}
	decoder, err := d.decoder(ctx, id)
	if err != nil {
		return false, err
	}
	if decoder == nil {
		return false, fmt.Errorf("%w: there is no schema %d", errUnreadable, id)
	}
	values, err := decoder.Decode(body)
	if err == nil {
		complete, err = fill(record, values)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return complete, nil
}

func (d *reader) decoder(ctx context.Context, id uint32) (*schemas.Decoder, error) {
	d.mu.Lock()
	decoder, known := d.decoders[id]
	d.mu.Unlock()
	if known {
		return decoder, nil
	}
	text, err := d.registry.SchemaByID(ctx, int(id))
	switch {
	case err == nil:
		decoder, _ = schemas.NewDecoder(text) // what is no Avro schema is as good as none
	case !errors.Is(err, kafka.ErrUnknownSchema):
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.decoders) >= maxDecoders {
		clear(d.decoders)
	}
	d.decoders[id] = decoder
	return decoder, nil
}

// maxDecoders bounds the schemas that are kept: only garbage names many.
const maxDecoders = 256

// fill sets the fields of record, a pointer to a generated type, from decoded
// values, and reports whether there is a field for every value.
func fill(record any, values map[string]any) (complete bool, err error) {
	v := reflect.ValueOf(record).Elem()
	left := len(values)
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Tag.Get("avro")
		value, there := values[name]
		if there {
			left--
		}
		switch {
		case value != nil:
			if err := set(field, value); err != nil {
				return false, fmt.Errorf("its %s: %w", name, err)
			}
		case field.Kind() != reflect.Pointer: // all others are null by default
			return false, fmt.Errorf("it has no %s", name)
		}
	}
	return left == 0, nil
}

func set(field reflect.Value, value any) error {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	if n, is := value.(int64); is && field.Kind() == reflect.Int32 && int64(int32(n)) == n {
		value = int32(n)
	}
	got := reflect.ValueOf(value)
	if got.Type() != field.Type() {
		return fmt.Errorf("it is a %T, not a %s", value, field.Type())
	}
	field.Set(got)
	return nil
}

// maxWords bounds the shared strings, should they turn out to be all different.
const maxWords = 10_000

// share lets records share the memory of what is the same in most of them.
func (d *reader) share(r *schemas.SubscriptionState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.words) > maxWords {
		clear(d.words)
	}
	for _, p := range []*string{
		&r.TenantID, &r.ChangeType, &r.State, r.QueryOptions, r.APIVersion, r.ApplicationID, r.ClientStateKeyID, r.EncryptionCertificateID,
		r.EncryptionCertificateThumbprint, r.NotificationURL, r.LifecycleNotificationURL, r.Intent, r.LastProofOfLife, r.ErrorCode, r.Error, r.OpenGapCause,
	} {
		if p == nil {
			continue
		}
		if word, had := d.words[*p]; had {
			*p = word
		} else {
			d.words[*p] = *p
		}
	}
}
