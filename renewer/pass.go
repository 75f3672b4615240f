package renewer

import (
	"context"
	"errors"
	"time"

	"meetbridge/bridge/graph"
)

// errUnsent is wrapped by the errors of calls that were not made, since nobody
// could tell that this process leads still.
var errUnsent = errors.New("renewer: lease not fresh")

// pass lets the requests of one order through to Graph.
type pass struct {
	lease   *Lease // nil: a person asks, who leads nothing
	limits  *limits
	account account
	paid    bool // the next request was counted by the limits when the order was chosen
}

type passKey struct{}

func withPass(ctx context.Context, p *pass) context.Context {
	return context.WithValue(ctx, passKey{}, p)
}

// letPass is asked before each request leaves, with its token in hand: it waits
// until Graph's limits have room, and sees that nobody else leads. Requests of
// anything but an order pass.
func letPass(ctx context.Context, op graph.Op) error {
	p, ok := ctx.Value(passKey{}).(*pass)
	if !ok {
		return nil
	}
	for !p.paid {
		wait := p.limits.take(p.account, countedAs(op), time.Now())
		if wait == 0 {
			break
		}
		sleep(ctx, wait)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	p.paid = false
	if p.lease != nil && !p.lease.Fresh(time.Now()) {
		return errUnsent
	}
	return nil
}

func countedAs(op graph.Op) callKind {
	switch op {
	case graph.OpGet, graph.OpBatch: // only reads are batched
		return readCall
	case graph.OpList:
		return listCall
	default:
		return writeCall
	}
}
