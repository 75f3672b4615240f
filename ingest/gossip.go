package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

const (
	// announceEvery is how long ids are gathered before they are announced: Graph
	// sends again after 10 s at the earliest (FACTS §1.3).
	announceEvery = 100 * time.Millisecond
	// mostAnnounced bounds the ids of one announcement: half of the bytes that
	// brokers take unless they are told otherwise.
	mostAnnounced = 1 << 15
	// hearWithin is how long a process is not ready because it has not yet read
	// what was announced before it began.
	hearWithin = 10 * time.Second
	// lastWords is how long a process that ends waits for Kafka's last
	// acknowledgements before it announces for the last time.
	lastWords = time.Second
	// firstRetry and lastRetry are the pauses after trouble.
	firstRetry, lastRetry = time.Second, 30 * time.Second
)

// errUnheard is what /readyz says until the announcements are read.
var errUnheard = errors.New("what other replicas announced of the last 4 h is not read yet; waited for at most 10 s")

// gossip lets the replicas, and a process and its predecessor, know from each
// other which event ids Kafka holds, so that a redelivery is produced once
// wherever it lands (I8).
//
// Each replica gathers the ids that Kafka acknowledged, never those that are only
// on their way, and announces them ten times a second at most, as one record of 16
// bytes each on the topic of bridge.RecentIDs. Each reads all that is announced,
// its own included, from 4 h ago on, and is ready when it has read what there was
// at its beginning. No POST waits for any of this: what is not known is produced.
//
// How it breaks, each time towards a record too many and never one too few (I2):
//   - A redelivery comes before the announcement has been read, 0.1 s and some
//     milliseconds after the acknowledgement: two records.
//   - A process is killed between the acknowledgement and the announcement: so
//     for what it took in its last 0.1 s. One that is stopped announces all.
//   - Kafka does not take announcements: they are tried again, up to mostNews ids
//     are kept for it, the others stay unannounced.
//   - The topic is missing or may not be read: ready nonetheless, tried again.
//   - An announcement that cannot be understood is passed over whole.
//
// Whoever may write to the topic can have genuine items taken for redeliveries, as
// whoever may delete from the others can have them deleted.
type gossip struct {
	topic    string
	config   kafka.Config
	recent   *recent
	producer *kafka.Producer
	metrics  *metrics
	log      *slog.Logger

	began    atomic.Int64 // when reading began, Unix ns; 0: not yet
	caughtUp atomic.Bool  // what there was then has been read, or cannot be
	hearing  atomic.Bool  // the topic can be read
	lag      atomic.Int64 // ns; how old the last announcement was when it was read
}

// newGossip returns what makes the ids that o remembers known.
func newGossip(cfg Config, o *outlet, log *slog.Logger) *gossip {
	o.recent.some = make(chan struct{}, 1)
	return &gossip{
		topic: bridge.RecentIDs(cfg.TopicPrefix), config: cfg.Kafka,
		recent: o.recent, producer: o.producer, metrics: o.metrics, log: log.With("component", "gossip"),
	}
}

// speak announces until ctx ends, and for the last time then.
func (g *gossip) speak(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			// What is with the producer still was answered with 503, or will be: it
			// comes again, to another replica.
			for end := time.Now().Add(lastWords); time.Now().Before(end); time.Sleep(lastWords / 100) {
				if left, _ := g.producer.Buffered(); left == 0 {
					break
				}
			}
			g.announce(ctx) // the producer's own end waits for it
			return
		case <-g.recent.some:
		}
		if pause(ctx, announceEvery) {
			g.announce(ctx)
		}
	}
}

func (g *gossip) announce(ctx context.Context) {
	ids, missed := g.recent.takeNews()
	g.metrics.unannounced.Add(float64(missed))
	for len(ids) > 0 {
		n := min(len(ids), mostAnnounced)
		g.tell(ctx, ids[:n])
		ids = ids[n:]
	}
}

// tell returns when Kafka has the ids. When ctx ends it leaves them to the
// producer.
func (g *gossip) tell(ctx context.Context, ids []id) {
	value := bridge.AppendRecentIDs(make([]byte, 0, 1+len(ids)*len(id{})), ids)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		result := make(chan error, 1)
		g.producer.Produce(&kgo.Record{Topic: g.topic, Value: value}, func(err error) {
			if err == nil {
				g.metrics.announced.Add(float64(len(ids)))
			}
			result <- err
		})
		var err error
		select {
		case err = <-result:
		case <-ctx.Done():
			return
		}
		if err == nil {
			return
		}
		if wait == firstRetry {
			g.log.WarnContext(ctx, "event ids cannot be announced, redeliveries to other replicas will be produced again", "topic", g.topic, "error", err)
		}
		if !pause(ctx, wait) {
			g.metrics.unannounced.Add(float64(len(ids)))
			return
		}
	}
}

// hear reads what is announced until ctx ends.
func (g *gossip) hear(ctx context.Context) {
	g.began.Store(time.Now().UnixNano())
	since := time.Now().Add(-recallFor)
	wait := firstRetry
	for {
		err := kafka.Follow(ctx, g.config, g.topic, since, g.log, func(r *kgo.Record) {
			since, wait = r.Timestamp.Add(-time.Minute), firstRetry // partitions are not in step
			g.take(ctx, r)
		}, func() {
			g.caughtUp.Store(true)
			g.hearing.Store(true)
		})
		g.hearing.Store(false)
		if ctx.Err() != nil {
			return
		}
		// What Kafka refuses now it will refuse for long: nothing to wait for.
		if _, answered := errors.AsType[*kerr.Error](err); answered {
			g.caughtUp.Store(true)
		}
		g.log.WarnContext(ctx, "announced event ids cannot be read, redeliveries from other replicas will be produced again", "topic", g.topic, "error", err, "retry_in", wait)
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, lastRetry)
	}
}

// take learns what r announces.
func (g *gossip) take(ctx context.Context, r *kgo.Record) {
	ids, err := bridge.ParseRecentIDs(r.Value)
	if err != nil {
		g.metrics.unheard.Inc()
		g.log.DebugContext(ctx, "announcement passed over", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		return
	}
	now := time.Now()
	// Until it has caught up it reads what others took, or itself before its start.
	g.metrics.heard.Add(float64(g.recent.learn(ids, !g.caughtUp.Load(), now)))
	g.lag.Store(int64(max(now.Sub(r.Timestamp), 0)))
}

// check is /readyz's.
func (g *gossip) check(context.Context) (string, error) {
	began := g.began.Load()
	switch {
	case g.hearing.Load():
		return "", nil
	case began == 0, !g.caughtUp.Load() && time.Since(time.Unix(0, began)) < hearWithin:
		return "", errUnheard
	default:
		return "what other replicas announce cannot be read: redeliveries of what they took are produced again", nil
	}
}

// pause waits for d and returns true, or false as soon as ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
