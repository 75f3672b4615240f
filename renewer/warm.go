package renewer

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// warmEvery is how often tokens are looked after, by those that stand by too:
	// whoever takes over shall call Graph at once.
	warmEvery  = 5 * time.Minute
	warmWithin = 30 * time.Second
	// warmWidth bounds the tokens asked for at a time.
	warmWidth = 8
)

// warm keeps a token of each tenant at hand, and says which cannot be had, until
// ctx ends.
func (r *Renewer) warm(ctx context.Context) {
	var said []string
	for ctx.Err() == nil {
		w := r.wish.Load()
		failing := r.askTokens(ctx, w)
		if ctx.Err() != nil {
			return
		}
		r.metrics.tokenless.Set(float64(len(failing)))
		if !slices.Equal(failing, said) && len(failing) > 0 {
			r.log.ErrorContext(ctx, "no token to be had, nothing can be done in these tenants", "tenants", failing,
				"fix", "see the warnings above, and meetbridge check")
		}
		said = failing
		for until := time.Now().Add(warmEvery); time.Now().Before(until) && r.wish.Load() == w && ctx.Err() == nil; {
			sleep(ctx, lookEvery) // a new tenant needs one at once
		}
	}
}

// askTokens returns the tenants, sorted, whose token cannot be had.
func (r *Renewer) askTokens(ctx context.Context, w *wish) []string {
	var (
		mu      sync.Mutex // guards failing
		failing []string
		wg      sync.WaitGroup
		room    = make(chan struct{}, warmWidth)
	)
	for tenant, c := range w.clients {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			within, cancel := context.WithTimeout(ctx, warmWithin)
			defer cancel()
			if _, err := c.graph.Grant(within); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "token not received", "tenant", tenant, "error", err)
				mu.Lock()
				defer mu.Unlock()
				failing = append(failing, tenant)
			}
		})
	}
	wg.Wait()
	slices.Sort(failing)
	return failing
}
