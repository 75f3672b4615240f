package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// mendPause is the least time between two clients of one producer.
const mendPause = time.Second

// mend gets the client out of two states which it never leaves by itself,
// although what led to them can be cured at Kafka:
//
//   - A topic that is deleted and made anew has a new id. The client keeps to
//     the old one, and refuses every record, until it is told to forget the
//     topic.
//   - A producer id that was refused once, as for a user without any
//     permission to write, stays refused: only another client asks again.
//
// It is called for each failed record, so it starts at most one goroutine for
// each topic and one for the client. client is the one that failed it.
func (p *Producer) mend(client *kgo.Client, topic string, err error) {
	answer, isAnswer := errors.AsType[*kerr.Error](err)
	gone := errors.Is(err, kerr.UnknownTopicID)
	switch {
	case gone:
	case isAnswer && !answer.Retriable:
		topic = ""
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, busy := p.mended[topic]; busy || p.closed || client != p.client.Load() {
		return
	}
	p.mended[topic] = struct{}{}
	p.mending.Go(func() {
		if gone {
			client.PurgeTopicsFromProducing(topic)
		} else {
			p.replace(client)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.mended, topic)
	})
}

// replace puts a new client in the place of one whose producer id was refused.
// Records that are produced meanwhile fail with ErrBusy.
func (p *Producer) replace(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), mendPause)
	defer cancel()
	// A refused id is answered from memory with the refusal itself. An id that
	// has yet to be had may be answered with one too, as that of a login, but
	// wrapped: the client will ask again.
	_, _, err := client.ProducerID(ctx)
	if _, refused := err.(*kerr.Error); !refused { //nolint:errorlint // see above
		return
	}
	select {
	case <-p.closing:
		return
	case <-time.After(mendPause):
	}
	client.Close() // first, since both have the same metrics
	next, err := p.connect()
	if err != nil { // the same options were good before
		p.log.Error("replace kafka client", "error", err)
		return
	}
	p.client.Store(next)
}
