package renewer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
)

const (
	// offsetsEvery is how often the place up to which notices were heeded is
	// written down. Those after it come again after a crash, and do nothing then.
	offsetsEvery = time.Second
	// offsetsWithin bounds writing it.
	offsetsWithin = 5 * time.Second
)

// received is a notice with its place in teams.lifecycle.
type received struct {
	Notice
	at spot
}

// spot is the place of a record in a topic.
type spot struct {
	partition int32
	offset    int64
}

// feed reads teams.lifecycle for one shard: all of it, since a notice names a
// subscription and not its shard. How far the shard has heeded them stands as
// committed offsets of a consumer group that never has members, so that
// whoever leads the shard next goes on there.
type feed struct {
	*journal
	shard  int32
	group  string
	client *kgo.Client
	out    chan []received
	// behind are the offsets, by partition, up to which there were notices when the
	// term began; caughtUp closes once they were all handed out.
	behind   map[int32]int64
	caughtUp chan struct{}

	mu     sync.Mutex // guards all below
	heeded map[int32]int64
	moved  bool
}

// openFeed returns the notices from where the shard's last leader left off, or
// of the last three days where none ever did: no subscription that lives is older.
func openFeed(ctx context.Context, j *journal, shard int32) (*feed, error) {
	f := &feed{
		journal: j, shard: shard, group: fmt.Sprintf("%srenewer-notices-%d", j.prefix, shard),
		out: make(chan []received), heeded: map[int32]int64{}, behind: map[int32]int64{}, caughtUp: make(chan struct{}),
	}
	opts, err := j.kafka.Options(j.log)
	if err != nil {
		return nil, err
	}
	// An offset that is out of range belongs to notices that were deleted.
	f.client, err = kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(time.Second), kgo.FetchMaxBytes(4<<20))...)
	if err != nil {
		return nil, fmt.Errorf("set up kafka client: %w", err)
	}
	from, err := f.begin(ctx)
	if err != nil {
		f.client.Close()
		return nil, err
	}
	f.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{f.topic(bridge.Lifecycle): from})
	return f, nil
}

func (f *feed) begin(ctx context.Context) (map[int32]kgo.Offset, error) {
	adm, topic := kadm.NewClient(f.client), f.topic(bridge.Lifecycle)
	recent, err := adm.ListOffsetsAfterMilli(ctx, time.Now().Add(-teamsLifetime).UnixMilli(), topic)
	if err = errors.Join(err, recent.Error()); err != nil {
		return nil, fmt.Errorf("find recent notices in topic %s: %w", topic, f.kafka.Explain(err))
	}
	committed, err := adm.FetchOffsetsForTopics(ctx, f.group, topic)
	if err = errors.Join(err, committed.Error()); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("find the last notice that group %s heeded: %w", f.group, f.kafka.Explain(err))
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("find the last notice: %w", err)
	}
	from := map[int32]kgo.Offset{}
	recent.Each(func(o kadm.ListedOffset) {
		at := o.Offset
		if c, ok := committed.Lookup(topic, o.Partition); ok && c.At >= 0 {
			at = c.At
		}
		from[o.Partition] = kgo.NewOffset().At(at)
		if end, ok := ends.Lookup(topic, o.Partition); ok && at < end.Offset {
			f.behind[o.Partition] = end.Offset
		}
	})
	f.caught(nil)
	return from, nil
}

// run reads until ctx ends.
func (f *feed) run(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := f.client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				f.log.WarnContext(ctx, "lifecycle notices cannot be read, trying again", "topic", e.Topic, "partition", e.Partition, "error", f.kafka.Explain(e.Err))
			}
		}
		var batch []received
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			at := spot{r.Partition, r.Offset}
			n, err := f.reader.notice(ctx, r)
			for wait := time.Second; err != nil && !errors.Is(err, errUnreadable) && ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
				f.log.WarnContext(ctx, "schema of a lifecycle notice not known yet", "error", err, "retry_in", wait)
				sleep(ctx, wait)
				n, err = f.reader.notice(ctx, r)
			}
			if err != nil {
				f.log.WarnContext(ctx, "lifecycle notice passed over", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
			}
			batch = append(batch, received{n, at}) // unreadable: of no subscription, for its place only
		}
		if len(batch) == 0 {
			continue
		}
		select {
		case f.out <- batch:
			f.caught(batch)
		case <-ctx.Done():
		}
	}
}

// caught notes that a batch was handed out.
func (f *feed) caught(batch []received) {
	if len(batch) > 0 && len(f.behind) == 0 {
		return
	}
	for _, r := range batch {
		if end, waits := f.behind[r.at.partition]; waits && r.at.offset+1 >= end {
			delete(f.behind, r.at.partition)
		}
	}
	if len(f.behind) == 0 {
		close(f.caughtUp)
	}
}

// heed notes that what stands before offset is heeded for good.
func (f *feed) heed(partition int32, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if offset > f.heeded[partition] {
		f.heeded[partition], f.moved = offset, true
	}
}

// keep writes down now and then what was heeded, until ctx ends, and once more
// then.
func (f *feed) keep(ctx context.Context) {
	tick := time.NewTicker(offsetsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			f.commit(context.WithoutCancel(ctx), offsetsEvery/2)
			return
		case <-tick.C:
			f.commit(ctx, offsetsWithin)
		}
	}
}

func (f *feed) commit(ctx context.Context, within time.Duration) {
	f.mu.Lock()
	offsets := kadm.Offsets{}
	if f.moved {
		for p, at := range f.heeded {
			offsets.AddOffset(f.topic(bridge.Lifecycle), p, at, -1)
		}
	}
	f.moved = false
	f.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := kadm.NewClient(f.client).CommitAllOffsets(ctx, f.group, offsets); err != nil {
		f.log.WarnContext(ctx, "place in the lifecycle notices not written down, they may come again", "error", err)
		f.mu.Lock()
		f.moved = true
		f.mu.Unlock()
	}
}

func (f *feed) close() { f.client.Close() }

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
