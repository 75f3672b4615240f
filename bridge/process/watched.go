package process

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// rereadEvery is how often the small files of the configuration are looked at.
// Polling, not inotify: mounted secrets are swapped by renaming a link to their
// folder, which a watch on the file itself never sees.
const rereadEvery = 2 * time.Second

// Watched is a value made of files, made again when their bytes change. What
// does not parse is logged, and the last good value stays.
type Watched[T any] struct {
	from  []File
	parse func(files [][]byte) (T, error)
	value atomic.Pointer[T]
	last  [][]byte // owned by Load and, after it, by Run
}

// File is a file that a flag names; a Path of "" reads as an empty one.
type File struct{ Flag, Path string }

// Load reads the files and returns the watched value, or the error that names
// flag and file.
func Load[T any](parse func([][]byte) (T, error), from ...File) (*Watched[T], error) {
	w := &Watched[T]{from: from, parse: parse}
	files, err := w.read()
	if err != nil {
		return nil, err
	}
	return w, w.take(files)
}

// Get returns the newest good value.
func (w *Watched[T]) Get() T { return *w.value.Load() }

func (w *Watched[T]) read() ([][]byte, error) {
	files := make([][]byte, len(w.from))
	for i, f := range w.from {
		if f.Path == "" {
			continue
		}
		b, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: correct the path, or make the file readable", f.Flag, err)
		}
		files[i] = b
	}
	return files, nil
}

func (w *Watched[T]) take(files [][]byte) error {
	w.last = files
	v, err := w.parse(files)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(w.names(), ", "), err)
	}
	w.value.Store(&v)
	return nil
}

// names returns flag and path of each file.
func (w *Watched[T]) names() []string {
	var names []string
	for _, f := range w.from {
		if f.Path != "" {
			names = append(names, f.Flag+" "+f.Path)
		}
	}
	return names
}

// Run rereads until ctx ends.
func (w *Watched[T]) Run(ctx context.Context, log *slog.Logger) {
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
			if slices.EqualFunc(files, w.last, bytes.Equal) {
				continue
			}
			err = w.take(files)
		}
		if err != nil {
			log.ErrorContext(ctx, "configured file unusable, the last good one stays in use", "error", err)
			continue
		}
		log.InfoContext(ctx, "configured file reread", "files", w.names())
	}
}
