package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest/token"
	"meetbridge/schemas"
)

// outlet is the last stage: it encodes records, keeps redeliveries from being
// produced twice, hands the rest to Kafka, and settles each item's POST when
// Kafka has answered.
type outlet struct {
	*encoder
	producer *kafka.Producer
	kafka    *pulse
	recent   *recent
	strange  *recent       // of what anybody can provoke: kept apart, so that it displaces nothing genuine
	forged   *rate.Limiter // bytes a second of quarantine records that anybody can provoke
	metrics  *metrics
	log      *slog.Logger
	busy     rate.Sometimes // that what Graph sends again is told of
}

// outgoing is one record with what is needed should Kafka refuse it.
type outgoing struct {
	delivery
	key        id
	memory     *recent // where key is remembered
	repeatable bool    // key identifies it: a redelivery has the same
	digest     id      // of the sealed item it came from; zero if none
	work       *work
	verdict    token.Verdict
	record     bridge.Record
	trace      string
	described  bool       // record holds a description instead of the item
	sent       kgo.Record // the producer's until done is called
	headers    [headerCount]kgo.RecordHeader
}

// produce hands rec to Kafka unless it is there or on its way already.
func (o *outlet) produce(post *post, w *work, rec bridge.Record, repeatable bool, verdict token.Verdict, trace string) {
	g := &outgoing{
		delivery: delivery{post: post, kind: rec.Kind, outcome: bridge.Produced},
		memory:   o.recent, repeatable: repeatable, digest: w.digest, work: w, verdict: verdict, record: rec, trace: trace,
	}
	o.claimAndSend(g)
}

// claimAndSend sends g, together with what else its POST holds, unless it is in
// Kafka or on its way already.
func (o *outlet) claimAndSend(g *outgoing) {
	if g.repeatable {
		u, err := uuid.Parse(g.record.EventID)
		if err != nil {
			o.fail(g, fmt.Errorf("read event id: %w", err))
			return
		}
		g.key = id(u)
		seen, joined := g.memory.claim(g.key, &g.delivery, g.post.arrived)
		if seen {
			o.recognise(g)
			g.outcome = bridge.Duplicate
			o.settle(&g.delivery, nil)
			return
		}
		if joined {
			return
		}
	}
	if !o.encoded(g) {
		return
	}
	if g.post.batch = append(g.post.batch, o.parcel(g)); len(g.post.batch) == together {
		o.sendAll(g.post)
	}
}

// together is how many records of a POST are handed to the producer at once: none of
// them waits for the others, and they share batches and requests.
const together = 64

// sendAll produces what was gathered of post. Its crash story: until Kafka
// acknowledges, nothing is remembered and nobody was told 202, so a process that
// dies here makes Graph send again; one that dies after the acknowledgement but
// before the answer makes a duplicate with the same event id.
func (o *outlet) sendAll(post *post) {
	o.producer.ProduceTogether(post.batch)
	clear(post.batch) // each lives as long as Kafka needs it
	post.batch = post.batch[:0]
}

func (o *outlet) parcel(g *outgoing) kafka.Parcel {
	return kafka.Parcel{Record: &g.sent, Done: func(err error) { o.done(g, err) }}
}

// encoded makes the record of g that is sent; false: it cannot be made, and g is
// done.
func (o *outlet) encoded(g *outgoing) bool {
	var err error
	g.sent, err = o.encode(g.work.item, &g.record, g.trace, g.headers[:0])
	switch {
	case errors.Is(err, errUnavailable):
		o.done(g, err)
	case err != nil:
		o.fail(g, err)
	}
	return err == nil
}

// sendAgain is for what was refused, and has another record now.
func (o *outlet) sendAgain(g *outgoing) {
	if o.encoded(g) {
		o.producer.ProduceTogether([]kafka.Parcel{o.parcel(g)})
	}
}

// fail is done for what should be impossible: our fault, said loudly, and sent
// again by Graph in case another replica does better.
func (o *outlet) fail(g *outgoing, err error) {
	o.log.Error("record cannot be produced", "topic", g.record.Kind.Topic(), "error", err)
	o.done(g, err)
}

// done is called once per record that was sent, when Kafka has answered or the
// producer has given up; on the producer's goroutine, so it must not block.
func (o *outlet) done(g *outgoing, err error) {
	if errors.Is(err, kafka.ErrTooLarge) && g.kind == bridge.Quarantine && !g.described {
		// It would be refused each time that Graph sends it, and be gone in the end
		// with nobody told. What it was can be asked of Graph.
		o.log.Error("item is too large even for the quarantine, only its description is kept", "subscription_id", short(g.work.item.SubscriptionID), "bytes", len(g.work.item.Raw))
		g.described = true
		g.record.Value = described(g.record.Value, g.work.item)
		o.sendAgain(g)
		return
	}
	if errors.Is(err, kafka.ErrTooLarge) && g.kind != bridge.Quarantine {
		// Kept sealed, as it came, under the same claim: mostly smaller than what was
		// refused, and an operator can raise the limit and replay it.
		rej := bridge.Reject(bridge.RecordTooLarge, "produce record: %w", err)
		o.metrics.reasons[rej.Reason].Inc()
		g.record = quarantined(g.work.item, rej.Reason, g.verdict, g.record.ReceivedAt, g.record.EventID)
		g.kind, g.outcome = bridge.Quarantine, bridge.Quarantined
		o.sendAgain(g)
		return
	}
	if err != nil {
		topic := o.topics[g.record.Kind]
		if errors.Is(err, kafka.ErrBusy) || errors.Is(err, errUnavailable) {
			o.busy.Do(func() { o.log.Warn("records not produced, Graph sends them again", "topic", topic, "error", err) })
		} else {
			o.log.Error("record not produced", "topic", topic, "error", err)
		}
	}
	acknowledged, now := err == nil, time.Now()
	if acknowledged {
		o.kafka.beat(now)
	}
	if g.repeatable {
		for _, j := range g.memory.settle(g.key, acknowledged, now) {
			j.kind, j.outcome = g.kind, bridge.Duplicate
			o.settle(j, err)
		}
		if acknowledged {
			o.recognise(g)
		}
	}
	o.settle(&g.delivery, err)
}

// recognise remembers the sealed item that g, which Kafka holds, came from: its
// repetition need not be opened, and so a POST of more items than can be opened
// in time gets further each time that it comes, whoever produced its beginning.
func (o *outlet) recognise(g *outgoing) {
	if g.digest != (id{}) {
		o.recent.remember(g.digest, time.Now())
	}
}

// settle counts d's outcome and tells its POST.
func (o *outlet) settle(d *delivery, err error) {
	if err != nil {
		d.outcome = bridge.Unproduced
	}
	o.metrics.item(d.kind, d.outcome)
	d.post.settle(err == nil)
}

// register gives the schemas their ids, trying until ctx ends. Only an error
// that no repetition can cure comes back: an incompatible schema.
func (o *outlet) register(ctx context.Context, reg *kafka.Registry) error {
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ids, err := reg.RegisterAll(ctx, o.prefix, schemas.All())
		if err == nil {
			o.ids.Store(&ids)
			o.log.InfoContext(ctx, "schemas registered", "count", len(ids))
			return nil
		}
		if errors.Is(err, kafka.ErrIncompatible) {
			return fmt.Errorf("register schemas: %w", err)
		}
		if ctx.Err() != nil {
			return nil // we are ending: that is why
		}
		o.log.WarnContext(ctx, "schemas not registered yet", "error", err, "retry_in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
