package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"meetbridge/renewer"
)

type renewerCmd struct {
	renewer.Config
}

// Help is printed below what the command is for.
func (renewerCmd) Help() string {
	return `
Makes the subscriptions that the file of --subscriptions asks for, renews them before they
expire, and puts on record in the topics subscriptions and gaps what it did and what was
lost. Run two or three: one leads, the others take its place within --session-timeout, or
within a second when it is stopped. The file is reread when it changes. /readyz on the
admin port says who leads.

Examples:
  meetbridge renewer --subscriptions subscriptions.yaml --client-state-keys keys/client-state.keys
  meetbridge graphsim --api-dir sim --certificates keys/certificates   then, elsewhere:
  meetbridge renewer --subscriptions sim/subscriptions.yaml --graph-ca sim/ca.pem \
      --client-state-keys keys/client-state.keys
  meetbridge subscriptions plan              what it would do, without doing it`
}

// memoryLimit is what 100,000 subscriptions take, with room to collect: garbage is
// collected earlier instead of beyond it. GOMEMLIMIT sets another.
const memoryLimit = 200 << 20

// Run keeps the subscriptions alive until ctx ends.
func (c renewerCmd) Run(ctx context.Context, t *terminal) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if err := needStates(c.ClientStateKeys); err != nil {
		return err
	}
	r, err := renewer.New(ctx, c.Config, t.log)
	if err != nil {
		return mistyped(err)
	}
	r.Start()
	return serve(ctx, r)
}

// process is what runs until it fails or is stopped.
type process interface {
	Done() <-chan struct{}
	Err() error
	Stop(ctx context.Context) error
}

// serve lets p run until ctx ends or p fails, and ends it in good order.
func serve(ctx context.Context, p process) error {
	select {
	case <-ctx.Done():
	case <-p.Done():
	}
	failed := p.Err()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	return errors.Join(failed, p.Stop(stopCtx))
}
