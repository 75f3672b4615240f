package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/sealed"
	"meetbridge/ingest/token"
	"meetbridge/schemas"
)

// ReplayConfig says what to replay, and by which configuration.
type ReplayConfig struct {
	QuarantineConfig
	Trust
	Content
	Select SetAsideFilter
	Apply  bool // produce; else only say what would be
}

// ReplayOutcome is what became, or would become, of one record of the
// quarantine: a closed list.
type ReplayOutcome string

// The outcomes of a replay.
const (
	ReplayWould    ReplayOutcome = "would_produce" // a dry run: it passes now
	ReplayProduced ReplayOutcome = "produced"      // the record is in Kafka now
	ReplayThere    ReplayOutcome = "already_there" // the record was in Kafka before
	ReplayStays    ReplayOutcome = "stays"         // it does not pass: see Now
	ReplayExpired  ReplayOutcome = "expired"       // it passes now, but its topic does not keep records that long
)

// ReplayOutcomes returns every outcome.
func ReplayOutcomes() []ReplayOutcome {
	return []ReplayOutcome{ReplayWould, ReplayProduced, ReplayThere, ReplayStays, ReplayExpired}
}

// Replayed is what a replay says of one record of the quarantine.
type Replayed struct {
	*SetAside
	Outcome ReplayOutcome
	// Now is why it stays, by today's configuration; "" otherwise.
	Now bridge.Reason
	// The record that it becomes; empty if it stays.
	Kind          bridge.Kind
	Key           string
	RecordEventID string
}

// Bounds of what a replay holds in memory at once.
const (
	replayChunkRecords = 10_000
	replayChunkBytes   = 64 << 20 // of items, still sealed
)

// Replay puts what was set aside through the pipeline once more, by today's
// configuration and as of the time of receipt, and calls each with what became
// of it. The clientState is judged only if it was not found good before, the
// tokens are judged again but for their signatures, and what no change on our
// side can cure is not tried (DESIGN §7, I3).
//
// A replay may be repeated, interrupted, and started twice at once. It ends early
// with an error of each, of ctx or of Kafka; what it has said is done by then.
func Replay(ctx context.Context, cfg ReplayConfig, log *slog.Logger, each func(Replayed) error) error {
	r, err := newReplay(cfg, log)
	if err != nil {
		return err
	}
	if cfg.Apply {
		if err := r.takeOver(ctx); err != nil {
			return err
		}
		defer r.out.Close()
	}
	var chunk []*SetAside
	bytes := 0
	next := func() error {
		defer func() { chunk, bytes = nil, 0 }()
		return r.replay(ctx, chunk, each)
	}
	err = ReadQuarantine(ctx, cfg.QuarantineConfig, cfg.Select, log, func(s *SetAside) error {
		chunk, bytes = append(chunk, s), bytes+len(s.Raw)
		if len(chunk) < replayChunkRecords && bytes < replayChunkBytes {
			return nil
		}
		return next()
	})
	if err != nil {
		return err
	}
	return next()
}

// replay is one run of Replay.
type replay struct {
	cfg     ReplayConfig
	states  bridge.ClientStateKeys
	tokens  *token.Verifier
	ring    *sealed.Ring
	encoder *encoder
	out     *kafka.Transactions // nil: a dry run
	log     *slog.Logger
}

// newReplay reads the configured files, once: a replay does not outlive a
// change of them. It does no other I/O.
func newReplay(cfg ReplayConfig, log *slog.Logger) (*replay, error) {
	log = log.With("component", "replay")
	r := &replay{cfg: cfg, ring: &sealed.Ring{}, log: log}
	states, err := loadClientStates(cfg.Trust)
	if err != nil {
		return nil, err
	}
	r.states = states.Get()
	if r.tokens, err = token.New(token.Config{Authority: cfg.EntraAuthority, STS: cfg.EntraSTS, AppIDs: cfg.AppIDs, Log: log}); err != nil {
		return nil, err
	}
	if cfg.DecryptionKeys != "" {
		ring, skipped, err := sealed.LoadRing(cfg.DecryptionKeys)
		if err != nil {
			return nil, fmt.Errorf("read --decryption-keys: %w", err)
		}
		for _, err := range skipped {
			log.Warn("key file skipped", "error", err)
		}
		r.ring = ring
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, err
	}
	r.encoder = newEncoder(cfg.TopicPrefix, codec)
	return r, nil
}

// takeOver makes r the only replay that can write. Each writes under the same
// transactional id, for two reasons. A second replay, started by another person
// or after the first one was thought dead, fences the first: what the first
// committed can be read from then on, so that the look into the destination
// finds it, and what it had not committed cannot come later. And a lock that
// expires would not do: whoever holds it may be paused, and write when it wakes.
func (r *replay) takeOver(ctx context.Context) error {
	registry, err := kafka.NewRegistry(r.cfg.Registry, r.log)
	if err != nil {
		return err
	}
	ids, err := registry.RegisterAll(ctx, r.cfg.TopicPrefix, schemas.All())
	if err != nil {
		return fmt.Errorf("register schemas: %w", err)
	}
	r.encoder.ids.Store(&ids)
	out, err := kafka.NewTransactions(r.cfg.Kafka, r.cfg.TopicPrefix+bridge.Quarantine.Topic()+"-replay", r.log)
	if err != nil {
		return err
	}
	if err := out.Fence(ctx); err != nil {
		out.Close()
		return err
	}
	r.out = out
	return nil
}

// candidate is one record of the quarantine with what it becomes.
type candidate struct {
	Replayed
	item   *bridge.Item
	record bridge.Record
}

// replay judges what was set aside, looks for what is in Kafka already, and
// produces the rest. Its crash story: whatever dies where, a record is either
// committed, and then the next look finds it, or it never will be.
func (r *replay) replay(ctx context.Context, chunk []*SetAside, each func(Replayed) error) error {
	// In the order of receipt, as far as one chunk goes: the records of one
	// meeting may come from several subscriptions.
	slices.SortStableFunc(chunk, func(a, b *SetAside) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	all := make([]*candidate, 0, len(chunk))
	for _, s := range chunk {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		all = append(all, r.judge(s))
	}
	if err := r.look(ctx, all); err != nil {
		return err
	}
	if r.out != nil {
		return r.produce(ctx, all, each)
	}
	for _, c := range all {
		if err := each(c.Replayed); err != nil {
			return err
		}
	}
	return nil
}

// judge says what s becomes by today's configuration.
func (r *replay) judge(s *SetAside) *candidate {
	c := &candidate{Replayed: Replayed{SetAside: s, Outcome: ReplayStays, Now: s.Reason.Reason}}
	if !s.Reason.Replayable || len(s.Raw) == 0 { // the latter was not kept
		return c
	}
	item, payload, err := r.open(s)
	if err != nil {
		rej := &bridge.Rejection{Reason: s.Reason.Reason}
		errors.As(err, &rej)
		c.Now = rej.Reason
		return c
	}
	rules := bridge.Rules{DropPayload: r.cfg.Payload == "drop", FreshID: func() string {
		// An item that nothing identifies gets the same id in every replay.
		return bridge.DerivedID(sha256.Sum256([]byte("replay\n" + strings.ToLower(s.EventID))))
	}}
	c.item = item
	c.record, _ = bridge.Normalize(item, payload, s.ReceivedAt, rules)
	c.Outcome, c.Now = ReplayWould, ""
	c.Kind, c.Key, c.RecordEventID = c.record.Kind, c.record.Key, c.record.EventID
	return c
}

// open is what prove and pipeline.open are to a POST: it returns the item and,
// of a sealed one, its content, or the *bridge.Rejection.
func (r *replay) open(s *SetAside) (*bridge.Item, []byte, error) {
	item, err := bridge.DecodeItem(s.Raw)
	if err != nil {
		return nil, nil, err
	}
	if s.ClientStateVerified {
		item.TenantID = cmp.Or(item.TenantID, s.TenantID) // its clientState, which said so, was cut out
	} else if err := admit(item, r.states); err != nil {
		return nil, nil, err
	}
	if !item.Rich() {
		return item, nil, nil
	}
	if err := r.tokens.Rejudge(s.checked(), s.ReceivedAt).Covers(item.TenantID); err != nil {
		return nil, nil, err
	}
	payload, err := r.ring.Open(*item.EncryptedContent)
	return item, payload, err
}

// checked returns what is known of the tokens in the form of the verifier.
func (s *SetAside) checked() []token.Checked {
	all := make([]token.Checked, 0, len(s.Tokens))
	for _, t := range s.Tokens {
		all = append(all, token.Checked{Claims: t.Claims, SignatureValid: t.SignatureValid, Reason: t.Reason})
	}
	return all
}

// Bounds of one transaction: consumers of committed records wait for its end,
// and whoever reads uncommitted ones sees those of a replay that was killed in
// its midst twice. A record of more than largeRecord goes alone, since Kafka may
// refuse it.
const (
	transactionRecords = 100
	transactionBytes   = 4 << 20
	largeRecord        = 900 << 10
)

// produce writes the candidates that pass and are not there, some at a time, and
// tells each of all of them, in their order, once that is true.
func (r *replay) produce(ctx context.Context, all []*candidate, each func(Replayed) error) error {
	trace := traceparent(ctx)
	for len(all) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var batch []*kgo.Record
		n, bytes := 0, 0
		for _, c := range all {
			if c.Outcome == ReplayWould {
				k, err := r.encoder.encode(c.item, &c.record, trace, nil)
				if err != nil {
					return fmt.Errorf("encode record of %s: %w", c.EventID, err)
				}
				alone := len(k.Value) > largeRecord || bytes+len(k.Value) > transactionBytes
				if len(batch) == transactionRecords || len(batch) > 0 && alone {
					break
				}
				batch, bytes = append(batch, &k), bytes+len(k.Value)
			}
			n++
			if bytes > largeRecord && len(batch) == 1 {
				break
			}
		}
		became := ReplayProduced
		if len(batch) > 0 {
			err := r.out.Commit(ctx, batch)
			if errors.Is(err, kafka.ErrTooLarge) && len(batch) == 1 {
				became = ReplayStays
			} else if err != nil {
				return fmt.Errorf("produce what was set aside: %w", err)
			}
		}
		for _, c := range all[:n] {
			if c.Outcome == ReplayWould {
				if c.Outcome = became; became == ReplayStays {
					c.Now = bridge.RecordTooLarge
				}
			}
			if err := each(c.Replayed); err != nil {
				return err
			}
		}
		all = all[n:]
	}
	return nil
}
