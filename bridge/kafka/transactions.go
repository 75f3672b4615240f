package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// transactionTimeout is after how long Kafka aborts a transaction whose
	// producer died: until then consumers of committed records wait.
	transactionTimeout = 30 * time.Second
	// commitWithin bounds one transaction of ours, well below that.
	commitWithin = 20 * time.Second
)

// ErrFenced is wrapped by the errors of Transactions once another one with the
// same id has taken over. Nothing of the transaction took effect.
var ErrFenced = errors.New("kafka: another process has taken over")

// Transactions writes records in transactions under a fixed id, of which one
// process at a time can: Fence takes the id over, and whoever had it before
// gets ErrFenced from then on. It is for one goroutine.
type Transactions struct {
	config Config
	id     string
	client *kgo.Client
	epoch  int16 // that Fence got
	broken error // nothing more is written after an unclear end; see Commit
}

// NewTransactions returns a writer under the id. Nothing is asked of Kafka yet.
func NewTransactions(c Config, id string, log *slog.Logger) (*Transactions, error) {
	opts, err := c.Options(log)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts,
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(c.maxMessage())),
		kgo.BrokerMaxWriteBytes(c.maxRequest()),
		kgo.ProduceRequestTimeout(produceTimeout),
		kgo.UnknownTopicRetries(unknownTopicRetries),
	)...)
	if err != nil {
		return nil, fmt.Errorf("set up kafka producer: %w", err)
	}
	return &Transactions{config: c, id: id, client: client}, nil
}

// Fence takes the id over. When it returns nil, what the process before
// committed can be read, what it had not committed never will be, and it can
// commit no more.
func (t *Transactions) Fence(ctx context.Context) error {
	_, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("take over from whoever wrote before under the transactional id %s: %w", t.id, t.config.Explain(fencedOr(err)))
	}
	t.epoch = epoch
	return nil
}

// Epoch returns the number of the last Fence among those of the id, by any
// process. It rises with each, and begins anew once Kafka's numbers are used up.
func (t *Transactions) Epoch() int16 { return t.epoch }

// Commit writes the records, all or none, and returns nil when consumers of
// committed records can read them. It finishes what it began also when ctx ends.
// A single record can be refused with an error that wraps ErrTooLarge; then the
// next call is free. After any other error every further call fails: the client
// would recover from a lost epoch by taking the id back, and so fence its
// successor, whose view of what is there is newer than ours.
func (t *Transactions) Commit(ctx context.Context, records []*kgo.Record) error {
	if t.broken != nil {
		return t.broken
	}
	err := t.commit(context.WithoutCancel(ctx), records)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		t.broken = err
	}
	return err
}

func (t *Transactions) commit(ctx context.Context, records []*kgo.Record) error {
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	if err := t.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", fencedOr(err))
	}
	var (
		mu    sync.Mutex // guards first
		first error
		now   = time.Now()
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
	}
	for _, r := range records {
		size := recordBytes(r)
		if most := t.config.maxRecord(); size > most {
			fail(fmt.Errorf("%w: %d bytes are more than the %d that a record for topic %s may have", ErrTooLarge, size, most, r.Topic))
			break
		}
		clampTime(r, now)
		t.client.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err != nil {
				fail(fencedOr(classify(r.Topic, size, err)))
			}
		})
	}
	if err := t.client.Flush(ctx); err != nil {
		fail(fmt.Errorf("%w: flush transaction: %w", ErrBusy, err))
	}
	mu.Lock()
	err := first
	mu.Unlock()
	switch {
	case errors.Is(err, ErrFenced):
		return err // nothing to abort: whoever took over has done it
	case err != nil:
		if abortErr := t.client.EndTransaction(ctx, kgo.TryAbort); abortErr != nil {
			return fmt.Errorf("abort transaction: %w (after: %v)", fencedOr(abortErr), err) //nolint:errorlint // the first error is not what the caller may act upon: the transaction's end is unclear
		}
		return err
	}
	if err := t.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit transaction, its outcome is unknown: %w", fencedOr(err))
	}
	return nil
}

// Close ends the client. A transaction never outlives Commit.
func (t *Transactions) Close() { t.client.Close() }

// fencedOr returns err, as ErrFenced if another process holds the id now.
func fencedOr(err error) error {
	for _, e := range []error{kerr.InvalidProducerEpoch, kerr.ProducerFenced} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrFenced, err)
		}
	}
	return err
}
