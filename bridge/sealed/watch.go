package sealed

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often a watched directory is read. Reading a handful of small
// files costs some 50 µs, and unlike notices from the kernel it sees mounted
// secrets being swapped and files on network mounts, misses nothing, heals by
// itself, and runs in virtual time (a goroutine inside a system call would stop
// the clock of a testing/synctest bubble).
const lookEvery = 2 * time.Second

// WatchedRing is the ring of a directory that may change: keys are added,
// replaced and removed without a restart, within 2 s.
type WatchedRing struct {
	dir  string
	log  *slog.Logger
	ring atomic.Pointer[Ring]
	stop context.CancelFunc
	done sync.WaitGroup

	// Owned by Watch and, after it, by the goroutine that it starts.
	files  map[string]keyFile
	broken bool // the directory could not be read last time
}

// Watch loads the keys of dir as LoadRing does, logs what it skips, and looks
// for changes until ctx ends or Close. A directory without a usable key is no
// error; one that cannot be read at first is. Later, the last keys stay in use
// for as long as the directory cannot be read, and the last good version of a
// file until the file parses again or is gone.
func Watch(ctx context.Context, dir string, log *slog.Logger) (*WatchedRing, error) {
	files, err := readKeyFiles(dir, nil)
	if err != nil {
		return nil, err
	}
	w := &WatchedRing{dir: dir, log: log.With("component", "decryption_keys")}
	w.take(ctx, files)
	ctx, w.stop = context.WithCancel(ctx)
	w.done.Go(func() { w.run(ctx) })
	return w, nil
}

// Ring returns the keys as they are now.
func (w *WatchedRing) Ring() *Ring { return w.ring.Load() }

// Close ends the watch; Ring goes on returning the last keys.
func (w *WatchedRing) Close() {
	w.stop()
	w.done.Wait()
}

func (w *WatchedRing) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		files, err := readKeyFiles(w.dir, w.files)
		if err != nil {
			if !w.broken {
				w.log.ErrorContext(ctx, "decryption keys cannot be read, the last ones stay in use", "error", err)
			}
			w.broken = true
			continue
		}
		w.broken = false
		if !maps.EqualFunc(files, w.files, same) {
			w.take(ctx, files)
		}
	}
}

// take makes files the ring in use and logs what is new about them.
func (w *WatchedRing) take(ctx context.Context, files map[string]keyFile) {
	for name, f := range files {
		if f.err != nil && !same(f, w.files[name]) {
			w.log.ErrorContext(ctx, "decryption key file skipped", "error", f.err, "last_good_in_use", f.key != nil)
		}
	}
	w.files = files
	ring := newRing(files)
	w.ring.Store(ring)
	w.log.InfoContext(ctx, "decryption keys loaded", "key_ids", ring.IDs(), "rsa", implementation())
}

// same reports whether nothing happened to a file: its content and, for one
// that cannot be read, the reason.
func same(a, b keyFile) bool {
	return a.digest == b.digest && a.key == b.key && text(a.err) == text(b.err)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
