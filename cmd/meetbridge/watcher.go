package main

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// watcher reads every topic of the demo from its beginning, prints each record
// as it lands, and keeps what the comparison at the end needs.
type watcher struct {
	client *kgo.Client
	cancel context.CancelFunc
	ended  chan struct{}

	mu    sync.Mutex // guards the rest
	found []record
	next  map[partition]int64 // offset after the last record taken
	err   error
}

// demoTime is how the time of a record is printed.
const demoTime = "15:04:05.000"

type partition struct {
	topic string
	n     int32
}

// watch begins to read; the topics must be there.
func watch(ctx context.Context, t *terminal, at embeddedAt, asJSON bool) (*watcher, error) {
	registry, err := kafka.NewRegistry(at.registry, t.log)
	if err != nil {
		return nil, err
	}
	client, err := connect(ctx, at.kafka, t.log,
		kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+regexp.QuoteMeta(demoPrefix)), kgo.ConsumeExcludeTopics("^"+regexp.QuoteMeta(bridge.RecentIDs(demoPrefix))+"$"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.KeepControlRecords()) // the ends of transactions count as offsets, too
	if err != nil {
		return nil, err
	}
	// The watcher outlives ctx: what was sent before it ended is still to be read.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &watcher{client: client, cancel: cancel, ended: make(chan struct{}), next: map[partition]int64{}}
	go func() {
		defer close(w.ended)
		w.read(ctx, t, newDecoder(registry), asJSON)
	}()
	return w, nil
}

// read takes records until ctx ends or standard output fails.
func (w *watcher) read(ctx context.Context, t *terminal, d *decoder, asJSON bool) {
	for {
		fetches := w.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		for _, r := range byTime(fetches) {
			if r.Attrs.IsControl() {
				w.take(r, nil, nil)
				continue
			}
			rec := d.decode(ctx, r)
			var err error
			switch {
			case asJSON:
				err = t.printJSON(rec)
			case r.Topic == demoPrefix+bridge.SubscriptionState.Topic():
				// The renewer's memory, twice for each call: nothing to read along.
			default:
				err = t.printf("%s\n", t.line(rec, lineStyle{prefix: demoPrefix, timeLayout: demoTime, shortKeys: true}))
			}
			w.take(r, &rec, err)
			if err != nil {
				return
			}
		}
	}
}

// take notes that r is read, and what it says, if anything.
func (w *watcher) take(r *kgo.Record, said *record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if said != nil {
		w.found = append(w.found, *said)
	}
	w.next[partition{r.Topic, r.Partition}] = r.Offset + 1
	w.err = err
}

// all returns every record in Kafka now, when the watcher has read them.
func (w *watcher) all(ctx context.Context) ([]record, error) {
	ends, err := kadm.NewClient(w.client).ListEndOffsets(ctx)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list the ends of the topics: %w", err)
	}
	for {
		found, missing, err := w.upTo(ends)
		if err != nil || missing == 0 {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read the topics to their ends, %d records missing: %w", missing, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// upTo returns what was read, and how many records are missing up to ends.
func (w *watcher) upTo(ends kadm.ListedOffsets) (found []record, missing int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ends.Each(func(o kadm.ListedOffset) {
		if o.Topic == bridge.RecentIDs(demoPrefix) {
			return // holds no records, and is not read
		}
		missing += max(0, o.Offset-w.next[partition{o.Topic, o.Partition}])
	})
	return w.found, missing, w.err
}

// close ends reading.
func (w *watcher) close(context.Context) error {
	w.cancel()
	<-w.ended
	w.client.Close()
	return nil
}
