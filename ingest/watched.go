package ingest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// rereadEvery is how often the small files of the configuration are looked at.
// Polling, not inotify: mounted secrets are swapped by renaming a link to their
// folder, which a watch on the file itself never sees.
const rereadEvery = 2 * time.Second

// watched is a value made of files, made again when their bytes change. What
// does not parse is logged, and the last good value stays.
type watched[T any] struct {
	paths []string
	parse func(files [][]byte) (T, error)
	value atomic.Pointer[T]
	last  [][]byte // owned by load and, after it, by run
}

// load reads paths ("" reads as an empty file) and returns the watched value,
// or the error that names the file.
func load[T any](parse func([][]byte) (T, error), paths ...string) (*watched[T], error) {
	w := &watched[T]{paths: paths, parse: parse}
	files, err := w.read()
	if err != nil {
		return nil, err
	}
	return w, w.take(files)
}

// get returns the newest good value.
func (w *watched[T]) get() T { return *w.value.Load() }

func (w *watched[T]) read() ([][]byte, error) {
	files := make([][]byte, len(w.paths))
	for i, path := range w.paths {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read configured file: %w", err)
		}
		files[i] = b
	}
	return files, nil
}

func (w *watched[T]) take(files [][]byte) error {
	w.last = files
	v, err := w.parse(files)
	if err != nil {
		return fmt.Errorf("parse %q: %w", w.paths, err)
	}
	w.value.Store(&v)
	return nil
}

// run rereads until ctx ends.
func (w *watched[T]) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		files, err := w.read()
		if err == nil {
			if same(files, w.last) {
				continue
			}
			err = w.take(files)
		}
		if err != nil {
			log.ErrorContext(ctx, "configured file unusable, the last good one stays in use", "error", err)
			continue
		}
		log.InfoContext(ctx, "configured file reread", "files", w.paths)
	}
}

func same(a, b [][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
