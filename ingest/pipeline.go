package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/process"
	"meetbridge/ingest/token"
)

// errUnavailable is wrapped by every reason to answer 503: nothing is wrong
// with the POST, and Graph shall send it again.
var errUnavailable = errors.New("ingest: unavailable")

// pipeline turns the body of a POST into records in Kafka. All that it holds is
// safe for concurrent use.
type pipeline struct {
	clientStates *process.Watched[bridge.ClientStateKeys]
	tokens       *token.Verifier
	opener       *opener
	rules        bridge.Rules
	out          *outlet
	metrics      *metrics
	log          *slog.Logger
}

// work is one item on its way through the stages.
type work struct {
	item    *bridge.Item
	payload []byte // opened; nil for a basic item
	digest  id     // of the item as received, if it is sealed
	known   bool   // exactly these sealed bytes are in Kafka already
	err     error  // *bridge.Rejection, or errUnavailable
}

// take brings every item of body into Kafka as a record or into quarantine, and
// returns nil when Kafka has acknowledged all of them (I1). It returns
// errUnavailable when some could not be delivered by the deadline, or an error
// of bridge.Decode. Items that were handed to the producer go on after
// it returned: p knows them, and their redelivery will be recognised. A sender
// who goes away meanwhile changes nothing: Graph would send it all again.
func (p *pipeline) take(ctx context.Context, body []byte, arrived, deadline time.Time, ticket *ticket) error {
	lap := p.metrics.laps(arrived)
	lap(stageBody)
	decoded, tokens, err := bridge.Decode(body)
	if err != nil {
		return err
	}
	items := make([]work, len(decoded))
	for i, d := range decoded {
		items[i].item, items[i].err = d.Item, d.Err
	}
	lap(stageDecode)
	if p.opener.busy() && slices.ContainsFunc(items, func(w work) bool { return w.item.Rich() }) {
		return errUnavailable
	}

	verdict, err := p.prove(ctx, items, tokens, arrived, deadline)
	if err != nil {
		return err
	}
	lap(stageProve)

	p.open(items, arrived, deadline)
	lap(stageOpen)

	post := newPost(ticket, arrived)
	unopened := p.recordAll(post, items, verdict, traceparent(ctx))
	lap(stageRecord)

	handed := time.Now()
	if !post.wait(deadline) {
		p.out.kafka.missed(handed)
		return errUnavailable
	}
	lap(stageProduce)
	if unopened || post.failed.Load() {
		return errUnavailable
	}
	return nil
}

// prove applies the checks of DESIGN §4 (a) and (b) to each item: clientState,
// and for sealed ones a validation token of their tenant. The tokens of a POST
// are looked at only when one of its items is sealed and has a good clientState,
// or one that may become good: a stranger cannot make us work.
func (p *pipeline) prove(ctx context.Context, items []work, tokens []string, now, deadline time.Time) (token.Verdict, error) {
	states := p.clientStates.Get()
	sealed := false
	for i := range items {
		w := &items[i]
		if w.err != nil {
			continue
		}
		w.err = admit(w.item, states)
		sealed = sealed || w.item.Rich() && (w.err == nil || p.mayBeOurs(w, tokens, now))
	}
	if !sealed {
		return token.Verdict{}, nil
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	verdict, err := p.tokens.Verify(ctx, tokens, now)
	if err != nil {
		p.log.WarnContext(ctx, "validation tokens cannot be checked", "error", err)
		return verdict, errUnavailable
	}
	for i := range items {
		if w := &items[i]; w.err == nil && w.item.Rich() {
			w.err = verdict.Covers(w.item.TenantID)
		}
	}
	return verdict, nil
}

// admit is the check of the clientState (DESIGN §4 (a)). It completes the tenant
// of an item that leaves it out.
func admit(it *bridge.Item, states bridge.ClientStateKeys) error {
	if it.TenantID == "" {
		it.TenantID = bridge.TenantOf(it.ClientState)
	}
	return states.Check(it.TenantID, it.ClientState)
}

// mayBeOurs reports whether tokens shall be looked at although w, a sealed item,
// did not pass: its clientState names a key that we do not have, and perhaps only
// do not have yet. A replay needs to know then what the signatures were worth,
// since tokens are not kept. A stranger can claim as much, so this work comes out
// of the rate for forgeries.
func (p *pipeline) mayBeOurs(w *work, tokens []string, now time.Time) bool {
	rej := &bridge.Rejection{}
	if len(tokens) == 0 || !errors.As(w.err, &rej) || rej.Reason != bridge.ClientStateUnknownKey {
		return false
	}
	cost := 0
	for _, t := range tokens {
		cost += len(t)
	}
	return p.out.forged.AllowN(now, cost)
}

// open decrypts the sealed items that were proven and are not in Kafka yet.
func (p *pipeline) open(items []work, arrived, deadline time.Time) {
	var todo []*work
	for i := range items {
		w := &items[i]
		if w.err != nil || !w.item.Rich() {
			continue
		}
		sum := sha256.Sum256(w.item.Raw)
		w.digest = id(sum[:16])
		// Each sealing has a fresh key, so equal bytes are a repetition of that
		// very delivery, and need not be opened again to be recognised.
		if w.known = p.out.recent.seen(w.digest, arrived); !w.known {
			todo = append(todo, w)
		}
	}
	if len(todo) > 0 {
		p.opener.open(todo, deadline)
	}
}

// recordAll brings the items on their way to Kafka, and reports whether some were
// not opened in time. Should one of them be our fault, those before it are sent all
// the same.
func (p *pipeline) recordAll(post *post, items []work, verdict token.Verdict, trace string) (unopened bool) {
	defer post.close()
	defer p.out.sendAll(post)
	for i := range items {
		if errors.Is(items[i].err, errUnavailable) {
			unopened = true
			continue
		}
		post.expect()
		p.record(post, &items[i], verdict, trace)
	}
	return unopened
}

// record hands w's record, or its quarantine record, to the outlet.
func (p *pipeline) record(post *post, w *work, verdict token.Verdict, trace string) {
	if w.known {
		d := &delivery{post: post, kind: bridge.ParseResource(w.item.Resource).Kind, outcome: bridge.Duplicate}
		p.out.settle(d, nil)
		return
	}
	if w.err != nil {
		p.out.quarantine(post, w, verdict, trace)
		return
	}
	rec, repeatable := bridge.Normalize(w.item, w.payload, post.arrived, p.rules)
	if rec.Misfit {
		p.metrics.misfits[rec.Kind].Inc()
	}
	p.out.produce(post, w, rec, repeatable, verdict, trace)
}
