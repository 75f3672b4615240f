package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// lifecycle ends what was begun, the last first. A step is registered on the
// line after its resource came to be, so that a half-built server is undone by
// the same path as a running one.
type lifecycle struct {
	log *slog.Logger

	mu    sync.Mutex // guards steps
	steps []step
}

type step struct {
	name string
	stop func(context.Context) error
}

func (l *lifecycle) onStop(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

// goUntil runs f in a goroutine of that name until the lifecycle stops, and
// waits for its end then.
func (l *lifecycle) goUntil(name string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	l.onStop(name, func(stopCtx context.Context) error {
		cancel()
		select {
		case <-ended:
			return nil
		case <-stopCtx.Done():
			return stopCtx.Err()
		}
	})
}

// stop runs every step, also when one fails, and returns their errors with
// their names. A second call does nothing.
func (l *lifecycle) stop(ctx context.Context) error {
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
