package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// deliveryTimeout is how long a record may wait for Kafka. Graph repeats a
	// notification that we answered with 503 after 10 s at the earliest
	// (FACTS §1.3); by then the first copy has landed or is gone, so that the
	// two do not race. It is not enforced on what was sent and not answered:
	// its outcome is unknown, and forgetting it would break the sequence that
	// keeps the producer idempotent. Such records stay, within the bounds of
	// the buffer, until a broker says what became of them.
	deliveryTimeout = 10 * time.Second
	// produceTimeout is how long a broker may wait for its replicas. Beyond
	// that it says so and is asked again, which doubles nothing.
	produceTimeout = 2 * time.Second
	// unknownTopicRetries makes a missing topic known after about half a
	// second, well within the time in which Graph is answered.
	unknownTopicRetries = 2

	defaultBufferedRecords = 20_000
	defaultBufferedBytes   = 128 << 20
)

// ProducerConfig is how to produce. Its struct tags are the command line's
// table. The zero value is good.
type ProducerConfig struct {
	Compression        string           `name:"compression" default:"snappy" enum:"zstd,lz4,snappy,gzip,none" help:"Compression of batches of 2 KiB and more: zstd, lz4, snappy, gzip or none. snappy costs least, in time and in memory; zstd makes the topics smallest."`
	Linger             time.Duration    `name:"linger" default:"1ms" help:"How long a record may wait for company while others are under way to Kafka, so that they share requests; 0s: not at all. Where nothing is under way it never waits."`
	MaxBufferedRecords int              `name:"max-buffered-records" default:"20000" help:"Records that may wait for Kafka; beyond that Graph gets 503."`
	MaxBufferedBytes   units.Base2Bytes `name:"max-buffered-bytes" default:"128MiB" help:"Bytes that may wait for Kafka; beyond that Graph gets 503."`

	Registerer prometheus.Registerer `kong:"-"` // gets the client's metrics, meetbridge_kafka_*; nil: none
}

// Producer writes records to Kafka: acknowledged by all in-sync replicas,
// idempotent, in order for each key, each key on the partition on which the
// Java client would put it. It is bounded in memory and never blocks. It is
// safe for concurrent use.
type Producer struct {
	connect  func() (*kgo.Client, error)
	client   atomic.Pointer[kgo.Client]
	maxBytes int
	leases   leases
	company  *company
	link     link
	log      *slog.Logger

	closing    chan struct{} // closed by Close
	mending    sync.WaitGroup
	conducting sync.WaitGroup

	mu     sync.Mutex
	closed bool
	mended map[string]struct{} // topics being mended, "" for the client
}

// NewProducer returns a producer. No connection is made yet, and none needs to
// be possible: the producer works as soon as Kafka does.
func NewProducer(c Config, p ProducerConfig, log *slog.Logger) (*Producer, error) {
	opts, err := c.Options(log)
	if err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	p.complete()
	compressor, err := newCompressor(p.Compression)
	if err != nil {
		return nil, err
	}
	opts = append(opts,
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.WithCompressor(compressor),
		kgo.ProducerLinger(0), // see company
		kgo.ProducerBatchMaxBytes(int32(c.maxMessage())),
		kgo.BrokerMaxWriteBytes(c.maxRequest()),
		kgo.MaxBufferedRecords(p.MaxBufferedRecords),
		kgo.MaxBufferedBytes(int(p.MaxBufferedBytes)),
		kgo.ProduceRequestTimeout(produceTimeout),
		kgo.UnknownTopicRetries(unknownTopicRetries),
		// A connection that ends at once is a broker or a proxy going down far
		// more often than a wrong setting, and giving up loses records.
		kgo.AlwaysRetryEOF(),
	)
	producer := &Producer{
		maxBytes: min(c.maxRecord(), int(p.MaxBufferedBytes)),
		company:  newCompany(p.Linger),
		link:     link{config: c},
		log:      log.With("component", "kafka_producer"),
		closing:  make(chan struct{}),
		mended:   map[string]struct{}{},
	}
	producer.connect = func() (*kgo.Client, error) {
		hooks := []kgo.Hook{&producer.link}
		if p.Registerer != nil {
			hooks = append(hooks, newMetrics(p.Registerer))
		}
		return kgo.NewClient(append(opts[:len(opts):len(opts)], kgo.WithHooks(hooks...))...)
	}
	client, err := producer.connect()
	if err != nil {
		return nil, fmt.Errorf("set up kafka producer: %w", err)
	}
	producer.client.Store(client)
	producer.conducting.Go(producer.conduct)
	return producer, nil
}

// complete sets what is zero to its default.
func (p *ProducerConfig) complete() {
	p.MaxBufferedRecords = cmp.Or(p.MaxBufferedRecords, defaultBufferedRecords)
	p.MaxBufferedBytes = cmp.Or(p.MaxBufferedBytes, defaultBufferedBytes)
}

// maxLinger is well below the time in which Graph is answered, and far from making
// a record outlive deliveryTimeout.
const maxLinger = 100 * time.Millisecond

// Check returns the error that names a flag which is wrong, nil for none.
func (p ProducerConfig) Check() error {
	if _, err := compression(p.Compression); err != nil {
		return err
	}
	if p.Linger > maxLinger {
		return fmt.Errorf("--linger is %s: must be at most %s, since Graph waits for the answer meanwhile", p.Linger, maxLinger)
	}
	for _, n := range []struct {
		flag  string
		value int64
	}{
		{"--linger", int64(p.Linger)},
		{"--max-buffered-records", int64(p.MaxBufferedRecords)},
		{"--max-buffered-bytes", int64(p.MaxBufferedBytes)},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s is %d: must not be negative", n.flag, n.value)
		}
	}
	return nil
}

// Produce sends r and calls done once, with nil when all in-sync replicas hold
// it, else with an error that wraps ErrBusy, ErrTooLarge or ErrMisconfigured.
// It never blocks. done may be called before Produce returns, and must be
// quick: all calls of done come one after another. Produce owns r until then.
//
// After an error the record is not in Kafka, with one exception: a record that
// was sent when the producer was closed, or when its topic was deleted, may be.
// A record whose done has not been called may still arrive, however long its
// caller has stopped waiting.
//
// A timestamp before 1970 or ahead of the clock becomes the present time:
// brokers refuse the one, and the other would keep the log's segments from
// ever expiring.
func (p *Producer) Produce(r *kgo.Record, done func(error)) {
	p.ProduceTogether([]Parcel{{r, done}})
}

// ProduceTogether is Produce for records that come at the same time: none of them
// waits for the others. It uses the slice for itself until it returns.
func (p *Producer) ProduceTogether(batch []Parcel) {
	fits := batch[:0]
	for _, b := range batch {
		if size := recordBytes(b.Record); size > p.maxBytes {
			b.Done(fmt.Errorf("%w: %d bytes are more than the %d that a record for topic %s may have", ErrTooLarge, size, p.maxBytes, b.Record.Topic))
			continue
		}
		fits = append(fits, b)
	}
	if len(fits) == 0 || p.company.keeps(fits) {
		return
	}
	for _, b := range fits {
		p.send(b)
	}
}

// send hands what is in b to the client.
func (p *Producer) send(b Parcel) {
	now := time.Now()
	clampTime(b.Record, now)
	client := p.client.Load()
	client.TryProduce(p.leases.next(now), b.Record, func(r *kgo.Record, err error) {
		if err != nil {
			p.mend(client, r.Topic, err)
			err = classify(r.Topic, recordBytes(r), p.link.explain(err))
		}
		b.Done(err)
		p.company.answered()
	})
}

// clampTime sets a timestamp before 1970 or after now to now.
func clampTime(r *kgo.Record, now time.Time) {
	if r.Timestamp.After(now) || r.Timestamp.UnixMilli() < 0 {
		r.Timestamp = now
	}
}

// recordBytes returns the bytes of r that count towards MaxRecordBytes.
func recordBytes(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// Ping returns nil if a broker answers.
func (p *Producer) Ping(ctx context.Context) error {
	if err := p.client.Load().Ping(ctx); err != nil {
		return fmt.Errorf("reach kafka: %w", p.link.config.Explain(err))
	}
	return nil
}

// Buffered returns how many records, and how many bytes of them, wait for
// Kafka. Those that wait for company, a linger's worth, are not among them; where
// there are some, others are under way or about to be.
func (p *Producer) Buffered() (records, bytes int64) {
	client := p.client.Load()
	return client.BufferedProduceRecords(), client.BufferedProduceBytes()
}

// Close waits until nothing is buffered or ctx is over, then fails what is
// left with ErrBusy and returns how much that was as an error. Records produced
// afterwards fail with ErrBusy. It may be called more than once.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.mu.Unlock()
	p.conducting.Wait()
	p.mending.Wait() // now the client is the last one
	client := p.client.Load()
	err := client.Flush(ctx)
	left, _ := p.Buffered()
	client.Close()
	if err != nil && left > 0 {
		return fmt.Errorf("flush kafka producer, %d records given up: %w", left, err)
	}
	return nil
}
