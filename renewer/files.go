package renewer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// lookEvery is how often the configured files are looked at.
const lookEvery = 2 * time.Second

// desiredFile is the file of desired subscriptions, and what it names.
type desiredFile struct {
	path   string
	wanted *Wanted           // of its last good reading
	digest [sha256.Size]byte // of the last reading, good or not
}

// loadDesiredFile reads it for the first time, when every fault is an error.
func loadDesiredFile(path string) (*desiredFile, error) {
	d := &desiredFile{path: path}
	faults, err := d.read()
	if err != nil {
		return nil, fmt.Errorf("--subscriptions: %w: correct the path, or make the file", err)
	}
	if d.wanted == nil {
		return nil, fmt.Errorf("--subscriptions:\n%s", faultLines(faults))
	}
	return d, nil
}

// read reads the file if it, or a certificate that it names, has changed: wanted
// is another one if what it says is good.
func (d *desiredFile) read() ([]Fault, error) {
	digest, err := d.digestNow()
	if err != nil || digest == d.digest {
		return nil, err
	}
	wanted, faults, err := LoadDesired(d.path)
	if err != nil {
		return nil, err
	}
	d.digest = digest
	if wanted == nil {
		return faults, nil
	}
	d.wanted = wanted
	// The certificates count from now on, those named for the first time too. One
	// that changed since it was read is read again at the next look, if it
	// changes once more; a whole rewrite of a certificate under its old name is
	// an accident anyway.
	if named, err := d.digestNow(); err == nil {
		d.digest = named
	}
	return faults, nil
}

// digestNow returns one digest of all files. Those that cannot be read count
// too.
func (d *desiredFile) digestNow() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if err := copyBounded(h, d.path); err != nil { // at every look: nothing is held of it
		return sum, err
	}
	if d.wanted != nil {
		for _, path := range d.wanted.Files {
			text, err := os.ReadFile(path)
			_, _ = fmt.Fprintf(h, "\n%s %d %v\n", path, len(text), err != nil)
			_, _ = h.Write(text)
		}
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func faultLines(faults []Fault) string {
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// watch makes changed files the shards' wish, until ctx ends.
func (r *Renewer) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		faults, err := r.desired.read()
		w := r.wish.Load()
		read := r.states.Get()
		changed := w.wanted != r.desired.wanted || w.read != read || w.keys.MinterID() != read.MintingBy(r.ingest.proves).MinterID() ||
			w.rules.KeepClientStates == r.ingest.vouches(w.keys.MinterID())
		if err == nil && changed {
			err = r.adopt(ctx)
		}
		bad := slices.ContainsFunc(faults, func(f Fault) bool { return !f.Warning })
		if bad {
			err = errors.New(faultLines(faults))
		}
		switch {
		case err != nil:
			if text := err.Error(); text != said { // a file that is away is so at every look
				said = text
				r.metrics.reloads["refused"].Inc()
				r.log.ErrorContext(ctx, "desired subscriptions unusable, the last good ones stay in use", "error", err)
			}
		case changed:
			said = ""
			r.metrics.reloads["taken"].Inc()
		}
	}
}

// adopt makes what the files say the shards' wish.
func (r *Renewer) adopt(ctx context.Context) error {
	wanted, before := r.desired.wanted, cmp.Or(r.wish.Load(), &wish{})
	rules := wanted.Rules()
	if r.cfg.Rules != nil {
		rules = *r.cfg.Rules
	}
	w, err := makeWish(wanted, r.states.Get(), r.ingest, rules, before, func(t Tenant) (*graph.Client, error) { return r.cfg.connect(t, r.bare) })
	if err != nil {
		return err
	}
	changes := wanted.Compare(before.wanted)
	r.wish.Store(w)
	r.desired.wanted = w.wanted // so that there is one of it
	r.metrics.wanted.Set(float64(len(wanted.Subscriptions)))
	r.log.InfoContext(ctx, "desired subscriptions read", "tenants", len(wanted.Tenants), "subscriptions", len(wanted.Subscriptions),
		"added", len(changes.Added), "removed", len(changes.Removed), "changed", len(changes.Changed), "client_state_key", w.keys.MinterID())
	if minter := w.keys.MinterID(); !r.ingest.proves(minter) {
		r.log.ErrorContext(ctx, "client-state key unknown to ingest", "client_state_key", minter, "error", errKeyUnknown)
	}
	if first := w.read.MinterID(); first != w.keys.MinterID() {
		r.log.WarnContext(ctx, "the first client-state key waits for ingest to announce it, another one makes clientStates meanwhile", "first", first,
			"fix", "put it into --client-state-keys of every ingest process")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, changed := range r.led {
		select {
		case changed <- struct{}{}:
		default: // it will find the newest anyway
		}
	}
	return nil
}
