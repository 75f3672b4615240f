package renewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"meetbridge/bridge/graph"
)

// How long a call may take. For a creation or renewal Graph calls two URLs of
// ours first, and gives each 10 s (FACTS §1.1).
const (
	writeWithin = 45 * time.Second
	readWithin  = 20 * time.Second
	listWithin  = 3 * time.Minute // of many pages, seconds apart (FACTS §4.3)
)

// order is one action, or several reads of one tenant, on its way to Graph.
type order struct {
	actions []Action
	version graph.Version // of the subscriptions that exist
	graph   *graph.Client
	pass    *pass
	// clientState is for what is created; "" otherwise.
	clientState string
	// careful has a replacement renew first what it is about to delete: where the
	// URL does not answer Graph, nothing could be created in its place.
	careful bool
	// sought says which of what is listed matters; nil for anything but a list.
	sought func(graph.Subscription) bool
}

// outcome is what became of an action.
type outcome struct {
	Action
	Outcome
	listed []graph.Subscription // List: what was sought and lives
	asked  time.Time            // List: when it began
	pause  time.Duration        // Graph's Retry-After, for calls of this kind; 0 for none
}

// within returns how long the order may take.
func (o *order) within() time.Duration {
	switch o.actions[0].Kind {
	case Read:
		return readWithin
	case List:
		return listWithin
	case Replace:
		return 2 * writeWithin
	default:
		return writeWithin
	}
}

// carryOut makes the calls of the order and returns what became of each action.
func (o *order) carryOut(ctx context.Context, m *metrics) []outcome {
	ctx, cancel := context.WithTimeout(withPass(ctx, o.pass), o.within())
	defer cancel()
	if len(o.actions) > 1 {
		return o.readAll(ctx, m)
	}
	out := outcome{Action: o.actions[0]}
	c := &calls{ctx: ctx, graph: o.graph, metrics: m}
	switch a := o.actions[0]; a.Kind {
	case Create:
		c.create(a, o.clientState, &out.Outcome)
	case Renew:
		out.Subscription, out.Err = counted(c, graph.OpUpdate, func() (graph.Subscription, error) {
			return o.graph.Update(ctx, o.version, a.SubscriptionID, a.Patch())
		})
	case Replace:
		if out.Err = c.rehearse(o); out.Err != nil {
			break
		}
		out.Err = c.delete(o.version, a.SubscriptionID)
		out.Deleted, out.Gone = out.Err == nil, statusOf(out.Err) == http.StatusNotFound
		if out.Deleted || out.Gone {
			c.create(a, o.clientState, &out.Outcome)
		}
	case Delete:
		out.Err = c.delete(o.version, a.SubscriptionID)
	case Read:
		out.Subscription, out.Err = counted(c, graph.OpGet, func() (graph.Subscription, error) {
			return o.graph.Get(ctx, o.version, a.SubscriptionID)
		})
	case List:
		out.asked = time.Now()
		out.listed, out.Err = c.list(o.sought)
	}
	out.pause = retryAfter(out.Err)
	return []outcome{out}
}

// readAll reads several subscriptions back in one request: Graph counts each,
// but it is answered at once, since no URL of ours is called.
func (o *order) readAll(ctx context.Context, m *metrics) []outcome {
	batch := make([]graph.Call, len(o.actions))
	outs := make([]outcome, len(o.actions))
	for i, a := range o.actions {
		batch[i] = graph.Call{Op: graph.OpGet, ID: a.SubscriptionID}
		outs[i] = outcome{Action: a}
	}
	c := &calls{ctx: ctx, graph: o.graph, metrics: m}
	results, err := counted(c, graph.OpBatch, func() ([]graph.Result, error) { return o.graph.Batch(ctx, o.version, batch) })
	if err == nil && len(results) != len(batch) {
		err = graph.ErrUnanswered
	}
	for i := range outs {
		if outs[i].Err = err; err == nil {
			outs[i].Subscription, outs[i].Err = results[i].Subscription, results[i].Err
			m.asked(graph.OpGet, outs[i].Err, 0)
		}
		if outs[i].pause = retryAfter(outs[i].Err); statusOf(outs[i].Err) == http.StatusUnauthorized && err == nil {
			o.graph.Invalidate() // whole requests get a fresh token by themselves
		}
	}
	return outs
}

// calls makes the calls of one action.
type calls struct {
	ctx     context.Context //nolint:containedctx // lives as long as one call of carryOut
	graph   *graph.Client
	metrics *metrics
}

// counted makes one call and counts it.
func counted[T any](c *calls, op graph.Op, call func() (T, error)) (T, error) {
	began := time.Now()
	v, err := call()
	c.metrics.asked(op, err, time.Since(began))
	return v, err
}

// create makes what a wants. Where Graph has one already it is looked at, so
// that one of ours can be taken over.
func (c *calls) create(a Action, clientState string, o *Outcome) {
	o.Subscription, o.Err = counted(c, graph.OpCreate, func() (graph.Subscription, error) {
		return c.graph.Create(c.ctx, a.Want.Version, a.Outgoing(clientState))
	})
	var e *graph.Error
	if !errors.As(o.Err, &e) || e.Status != http.StatusConflict || e.ExistingID == "" {
		return
	}
	existing, err := counted(c, graph.OpGet, func() (graph.Subscription, error) { return c.graph.Get(c.ctx, a.Want.Version, e.ExistingID) })
	if err == nil {
		o.Existing = &existing
	}
}

// rehearse renews what is about to be replaced, if care is to be taken. That it
// is gone, or cannot be renewed for good, is no reason to keep it.
func (c *calls) rehearse(o *order) error {
	if !o.careful {
		return nil
	}
	a := o.actions[0]
	_, err := counted(c, graph.OpUpdate, func() (graph.Subscription, error) {
		return c.graph.Update(c.ctx, o.version, a.SubscriptionID, graph.Patch{ExpirationDateTime: a.Expires})
	})
	if err != nil && classify(err) == passing {
		return err
	}
	return nil
}

func (c *calls) delete(v graph.Version, id string) error {
	_, err := counted(c, graph.OpDelete, func() (struct{}, error) { return struct{}{}, c.graph.Delete(c.ctx, v, id) })
	return err
}

// list returns what Graph lists in all versions, as far as it is sought and lives:
// a list may show what is gone, so each is read back. One that cannot be is left
// out; creating it again finds it, by Graph's 409.
func (c *calls) list(sought func(graph.Subscription) bool) ([]graph.Subscription, error) {
	seen := map[string]bool{} // a version shows what was made in the other, too
	return inAllVersions(func(v graph.Version) ([]graph.Subscription, error) {
		listed, err := counted(c, graph.OpList, func() ([]graph.Subscription, error) { return c.graph.List(c.ctx, v) })
		var confirmed []graph.Subscription
		for _, sub := range listed {
			if seen[sub.ID] || !sought(sub) {
				continue
			}
			seen[sub.ID] = true
			if sub, err := counted(c, graph.OpGet, func() (graph.Subscription, error) { return c.graph.Get(c.ctx, v, sub.ID) }); err == nil {
				confirmed = append(confirmed, sub)
			}
		}
		return confirmed, err
	})
}

// inAllVersions returns what list returns for each version of the API.
func inAllVersions(list func(graph.Version) ([]graph.Subscription, error)) ([]graph.Subscription, error) {
	var all []graph.Subscription
	for _, v := range []graph.Version{graph.V1, graph.Beta} {
		some, err := list(v)
		if err != nil {
			return nil, fmt.Errorf("list subscriptions of %s: %w", v, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// kindOf returns how Graph counts the first call of an action.
func kindOf(k ActionKind) callKind {
	switch k {
	case Read:
		return readCall
	case List:
		return listCall
	default:
		return writeCall
	}
}

func statusOf(err error) int {
	var e *graph.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// retryAfter returns how long Graph asks everybody to wait who would ask the
// same: 0 if it does not. One who says 429 and not how long means some seconds.
func retryAfter(err error) time.Duration {
	var e *graph.Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests && e.Status != http.StatusServiceUnavailable {
		return 0
	}
	if e.RetryAfter == 0 && e.Status == http.StatusTooManyRequests {
		return throttledPause
	}
	return e.RetryAfter
}

// throttledPause is the wait after a 429 without Retry-After.
const throttledPause = 10 * time.Second

// say logs what became of an action, louder the more it matters to somebody.
func (s *shard) say(o outcome, result Result) {
	level := slog.LevelInfo
	switch result {
	case ResultDone, ResultAdopted:
		if o.Kind == Read || o.Kind == Renew {
			level = slog.LevelDebug
		}
	case ResultBlocked, ResultRefused, ResultConflict, ResultToken, ResultHandshake:
		level = slog.LevelWarn
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []any{
		"action", o.Kind, "result", result, "tenant", o.TenantID, "resource", o.Resource, "change_type", o.ChangeType,
		"subscription", o.SubscriptionID, "why", o.Why,
	}
	if o.Err != nil {
		attrs = append(attrs, "error", o.Err)
	}
	s.log.Log(context.Background(), level, "subscription looked after", attrs...)
}
