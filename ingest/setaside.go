package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// SetAside is one record of the quarantine.
type SetAside struct {
	EventID             string
	TenantID            string // claimed; "" if none
	SubscriptionID      string // claimed; "" if none
	ReceivedAt          time.Time
	Reason              bridge.ReasonInfo
	Detail              string
	Raw                 []byte // the item, still sealed, as it is in the record
	ClientStateVerified bool
	Tokens              []SetAsideToken

	Partition int32
	Offset    int64
}

// SetAsideToken is what is kept of a validation token.
type SetAsideToken struct {
	Claims         string // JSON text, "" if it could not be read
	SignatureValid bool   // what the check said when it came
	Reason         bridge.Reason
}

// SetAsideFilter selects records of the quarantine: those that fit every field
// that is set.
type SetAsideFilter struct {
	EventIDs []string        // in any letter case
	Reasons  []bridge.Reason // one of them
	TenantID string          // in any letter case
	Since    time.Time       // received then or later
	Until    time.Time       // received before
}

// Empty reports whether f selects everything.
func (f SetAsideFilter) Empty() bool {
	return len(f.EventIDs) == 0 && len(f.Reasons) == 0 && f.TenantID == "" && f.Since.IsZero() && f.Until.IsZero()
}

func (f SetAsideFilter) takes(s *SetAside) bool {
	sameID := func(id string) bool { return strings.EqualFold(id, s.EventID) }
	switch {
	case len(f.EventIDs) > 0 && !slices.ContainsFunc(f.EventIDs, sameID),
		len(f.Reasons) > 0 && !slices.Contains(f.Reasons, s.Reason.Reason),
		f.TenantID != "" && !strings.EqualFold(f.TenantID, s.TenantID),
		!f.Since.IsZero() && s.ReceivedAt.Before(f.Since),
		!f.Until.IsZero() && !s.ReceivedAt.Before(f.Until):
		return false
	}
	return true
}

// QuarantineConfig says where the quarantine is.
type QuarantineConfig struct {
	Kafka       kafka.Config
	Registry    kafka.RegistryConfig
	TopicPrefix string
}

// ReadQuarantine calls each with every record of the quarantine that f selects
// and that is there when it is called; those of one subscription come in the
// order in which they were received. It ends early with an error of each, of
// Kafka or of the registry. A record that is none of ours is logged and left out.
func ReadQuarantine(ctx context.Context, cfg QuarantineConfig, f SetAsideFilter, log *slog.Logger, each func(*SetAside) error) error {
	registry, err := kafka.NewRegistry(cfg.Registry, log)
	if err != nil {
		return err
	}
	topic := kafka.ScanTopic{Topic: cfg.TopicPrefix + bridge.Quarantine.Topic()}
	if !f.Since.IsZero() {
		topic.Since = f.Since.Add(-time.Minute) // clocks of replicas differ
	}
	decoders := map[uint32]*schemas.Decoder{}
	return kafka.Scan(ctx, cfg.Kafka, []kafka.ScanTopic{topic}, log, func(r *kgo.Record) error {
		value, err := decodeSetAside(ctx, registry, decoders, r.Value)
		switch {
		case err == nil:
		case errors.Is(err, schemas.ErrFraming), errors.Is(err, schemas.ErrBody):
			log.WarnContext(ctx, "quarantine record cannot be decoded", "partition", r.Partition, "offset", r.Offset, "error", err)
			return nil
		default:
			return err
		}
		s := newSetAside(value)
		s.Partition, s.Offset = r.Partition, r.Offset
		if !f.takes(s) {
			return nil
		}
		return each(s)
	})
}

func decodeSetAside(ctx context.Context, registry *kafka.Registry, decoders map[uint32]*schemas.Decoder, value []byte) (map[string]any, error) {
	id, body, err := schemas.Split(value)
	if err != nil {
		return nil, err
	}
	d := decoders[id]
	if d == nil {
		text, err := registry.SchemaByID(ctx, int(id))
		if err != nil {
			return nil, fmt.Errorf("get schema %d: %w", id, err)
		}
		if d, err = schemas.NewDecoder(text); err != nil {
			return nil, fmt.Errorf("read schema %d: %w", id, err)
		}
		decoders[id] = d
	}
	return d.Decode(body)
}

// newSetAside reads a record by the names of its fields, so that one written by
// an older or a newer schema is read too. What is absent is zero, and what is
// zero is never in the item's favour.
func newSetAside(value map[string]any) *SetAside {
	s := &SetAside{
		EventID: text(value, "event_id"), TenantID: text(value, "tenant_id"), SubscriptionID: text(value, "subscription_id"),
		Reason: reasonInfo(bridge.Reason(text(value, "reason"))), Detail: text(value, "detail"),
	}
	s.ReceivedAt, _ = value["received_at"].(time.Time)
	s.ReceivedAt = s.ReceivedAt.UTC()
	s.Raw, _ = value["item"].([]byte)
	s.ClientStateVerified, _ = value["client_state_verified"].(bool)
	tokens, _ := value["tokens"].([]any)
	for _, t := range tokens {
		fields, _ := t.(map[string]any)
		valid, _ := fields["signature_valid"].(bool)
		s.Tokens = append(s.Tokens, SetAsideToken{text(fields, "claims"), valid, bridge.Reason(text(fields, "reason"))})
	}
	return s
}

func text(fields map[string]any, name string) string {
	s, _ := fields[name].(string)
	return s
}

// reasonInfo describes r; a reason that is not ours cannot be replayed.
func reasonInfo(r bridge.Reason) bridge.ReasonInfo {
	for _, info := range bridge.Reasons() {
		if info.Reason == r {
			return info
		}
	}
	return bridge.ReasonInfo{Reason: r, Means: "a reason that this version does not know"}
}
