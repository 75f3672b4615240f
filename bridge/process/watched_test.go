//go:build synctests

package process_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/process"
)

// Ensure that a changed file is taken, that one which does not parse leaves the
// last good value, and that errors name flag and file.
func TestWatched(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "words")
	write := func(text string) {
		t.Helper()
		err := os.WriteFile(path+".new", []byte(text), 0o600)
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	parse := func(files [][]byte) (string, error) {
		if bytes.Contains(files[0], []byte("bad")) {
			return "", errors.New("a bad word")
		}
		return string(files[0]) + string(files[1]), nil
	}
	load := func() (*process.Watched[string], error) {
		return process.Load(parse, process.File{Flag: "--words", Path: path}, process.File{Flag: "--more"})
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "--words") {
		t.Fatalf("no file: %v", err)
	}
	write("bad")
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "--words "+path) {
		t.Fatalf("a bad file: %v", err)
	}
	write("one")
	synctest.Test(t, func(t *testing.T) {
		w, err := load()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.Run(ctx, slog.New(slog.DiscardHandler))
		for _, step := range []struct{ text, want string }{{"one", "one"}, {"two", "two"}, {"bad", "two"}, {"three", "three"}} {
			write(step.text)
			time.Sleep(5 * time.Second)
			if got := w.Get(); got != step.want {
				t.Errorf("after %q: %q, want %q", step.text, got, step.want)
			}
		}
	})
}

// Ensure that steps end in the reverse order, all of them, once.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	l := process.NewLifecycle(slog.New(slog.DiscardHandler))
	var order []string
	l.OnStop("first", func(context.Context) error { order = append(order, "first"); return nil })
	l.OnStop("second", func(context.Context) error { order = append(order, "second"); return errors.New("broken") })
	l.GoUntil("third", func(ctx context.Context) { <-ctx.Done(); order = append(order, "third") })
	if err := l.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "stop second: broken") {
		t.Errorf("stop: %v", err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("stop again: %v", err)
	}
	if got := strings.Join(order, " "); got != "third second first" {
		t.Errorf("ended in the order %s", got)
	}
}

// A step that uses up the time makes no failures of those after it that end at
// once.
func TestLifecycleOutOfTime(t *testing.T) {
	t.Parallel()
	l := process.NewLifecycle(slog.New(slog.DiscardHandler))
	release := make(chan struct{})
	defer close(release)
	l.GoUntil("quick", func(ctx context.Context) { <-ctx.Done() })
	l.GoUntil("stuck", func(context.Context) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := l.Stop(ctx)
	if err == nil || !strings.Contains(err.Error(), "stop stuck") || strings.Contains(err.Error(), "quick") {
		t.Errorf("stop: %v", err)
	}
}
