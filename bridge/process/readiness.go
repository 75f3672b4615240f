package process

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// readyWithin bounds one question of /readyz.
	readyWithin = time.Second
	// readyEvery is how often a process that is not ready yet asks itself.
	readyEvery = 500 * time.Millisecond
)

// Check is one thing that must be usable before the process does its work. Test
// returns a note ("3 keys"), or the error that says what to do.
type Check struct {
	Name string
	Test func(context.Context) (note string, err error)
}

// checked is what became of a check.
type checked struct {
	OK   bool   `json:"ok"`
	Note string `json:"note,omitempty"`
}

// Readiness asks the checks.
type Readiness struct {
	checks []Check
	log    *slog.Logger
	first  sync.Once // logs that all were well
}

// NewReadiness returns what asks the checks whether all is well.
func NewReadiness(log *slog.Logger, checks ...Check) *Readiness {
	return &Readiness{checks: checks, log: log}
}

// ask asks all checks at once.
func (r *Readiness) ask(ctx context.Context) (ready bool, results map[string]checked) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	ready, results = true, map[string]checked{}
	var mu sync.Mutex // guards both
	var wg sync.WaitGroup
	for _, c := range r.checks {
		wg.Go(func() {
			note, err := c.Test(ctx)
			if err != nil {
				note = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			results[c.Name] = checked{err == nil, note}
			ready = ready && err == nil
		})
	}
	wg.Wait()
	if ready {
		r.first.Do(func() { r.log.InfoContext(ctx, "ready") })
	}
	return ready, results
}

// Await returns when the checks were well for the first time, or ctx ends: so
// that the log says it, whether anybody asks /readyz or not.
func (r *Readiness) Await(ctx context.Context) {
	for {
		if ready, _ := r.ask(ctx); ready {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(readyEvery):
		}
	}
}

// answer is /readyz: 200 when all is well, else 503, each check named.
func (r *Readiness) answer(w http.ResponseWriter, req *http.Request) {
	ready, results := r.ask(req.Context())
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // for people; nothing embeds it in a page
	_ = enc.Encode(struct {
		Ready  bool               `json:"ready"`
		Checks map[string]checked `json:"checks"`
	}{ready, results}) // the asker went away
}
