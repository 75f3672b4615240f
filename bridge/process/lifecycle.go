package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Lifecycle ends what was begun, the last first. A step is registered on the
// line after its resource came to be, so that a half-built process is undone by
// the same path as a running one.
type Lifecycle struct {
	log *slog.Logger

	mu    sync.Mutex // guards steps
	steps []step
}

// moment is how long a goroutine may take to end where no time is left.
const moment = 100 * time.Millisecond

// NewLifecycle returns one with nothing to end yet.
func NewLifecycle(log *slog.Logger) *Lifecycle { return &Lifecycle{log: log} }

type step struct {
	name string
	stop func(context.Context) error
}

// OnStop registers a step. The name stands in errors and in the log.
func (l *Lifecycle) OnStop(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

// GoUntil runs f in a goroutine of that name until the Lifecycle stops, and
// waits for its end then.
func (l *Lifecycle) GoUntil(name string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	l.OnStop(name, func(stopCtx context.Context) error {
		cancel()
		select {
		case <-ended:
			return nil
		case <-stopCtx.Done():
		}
		// An earlier step used the time up. That is no reason to call this one late.
		select {
		case <-ended:
			return nil
		case <-time.After(moment):
			return stopCtx.Err()
		}
	})
}

// Stop runs every step, also when one fails, and returns their errors with
// their names. A second call does nothing.
func (l *Lifecycle) Stop(ctx context.Context) error {
	l.mu.Lock()
	steps := l.steps
	l.steps = nil
	l.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		if err := steps[i].stop(ctx); err != nil {
			l.log.ErrorContext(ctx, "shutdown step failed", "step", steps[i].name, "error", err)
			errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
		}
	}
	return errors.Join(errs...)
}
