package sealed_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/sealed"
)

// watching is a watched directory in virtual time.
type watching struct {
	t    *testing.T
	dir  string
	log  bytes.Buffer
	ring *sealed.WatchedRing
}

func watch(t *testing.T, files map[string][]byte) *watching {
	t.Helper()
	w := &watching{t: t, dir: write(t, files)}
	ring, err := sealed.Watch(t.Context(), w.dir, slog.New(slog.NewTextHandler(&w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w.ring = ring
	t.Cleanup(ring.Close)
	return w
}

// expect waits for the next look and compares the ids.
func (w *watching) expect(when string, ids ...string) {
	w.t.Helper()
	time.Sleep(3 * time.Second)
	synctest.Wait()
	if got := w.ring.Ring().IDs(); !slices.Equal(got, ids) {
		w.t.Errorf("%s: keys %v, want %v", when, got, ids)
	}
}

func (w *watching) put(name string, content []byte) {
	w.t.Helper()
	put(w.t, w.dir, name, content)
}

// opens reports whether content sealed for file's key opens now.
func (w *watching) opens(id string, file []byte) bool {
	w.t.Helper()
	key, _ := blocks(w.t, file)
	_, err := w.ring.Ring().Open(sealing{public: &key.PublicKey}.seal(w.t, id, []byte("{}")))
	return err == nil
}

// TestWatch adds, rewrites and removes keys while the ring is in use: a file
// that is half written, or spoilt, keeps its last good key.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := twoPEMs(t)
		w := watch(t, map[string][]byte{"one.pem": one})
		w.expect("at first", "one")

		w.put("two.pem", other[:700])
		w.expect("half written, never seen whole", "one")
		w.put("two.pem", other)
		w.expect("whole", "one", "two")

		for what, spoilt := range map[string][]byte{"half": other[:900], "empty": nil, "too large": readKey(t, "rsa-16384.pem")} {
			w.put("one.pem", spoilt)
			w.expect("rewritten, "+what, "one", "two")
			if !w.opens("one", one) {
				t.Errorf("%s: the last good key is not in use", what)
			}
		}
		w.put("one.pem", other)
		w.expect("rewritten, whole", "one", "two")
		if w.opens("one", one) || !w.opens("one", other) {
			t.Error("the file's new key is not the one in use")
		}

		if err := os.Remove(filepath.Join(w.dir, "one.pem")); err != nil {
			t.Fatal(err)
		}
		w.expect("removed", "two")
		if err := os.Remove(filepath.Join(w.dir, "two.pem")); err != nil {
			t.Fatal(err)
		}
		w.expect("the last one removed")
		w.put("one.pem", one)
		w.expect("one back", "one")
	})
}

// TestWatchSwap replaces a mounted directory as Kubernetes does: files are links
// through one link that is renamed over.
func TestWatchSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := twoPEMs(t)
		w := watch(t, nil)
		link := func(target, name string) {
			t.Helper()
			if err := os.Symlink(target, filepath.Join(w.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		for name, content := range map[string][]byte{"..v1": one, "..v2": other} {
			if err := os.Mkdir(filepath.Join(w.dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(w.dir, name), "key.pem", content)
		}
		link("..v1", "..data")
		link("..data/key.pem", "key.pem")
		w.expect("first version", "key")
		link("..v2", "..tmp")
		if err := os.Rename(filepath.Join(w.dir, "..tmp"), filepath.Join(w.dir, "..data")); err != nil {
			t.Fatal(err)
		}
		w.expect("second version", "key")
		if w.opens("key", one) || !w.opens("key", other) {
			t.Error("the second version is not in use")
		}
	})
}

// TestWatchTroubles: a directory that goes away keeps its keys, what is wrong is
// logged once and not at every look, and no log repeats key material (I4).
func TestWatchTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := twoPEMs(t)
		w := watch(t, map[string][]byte{"one.pem": one, "bad.pem": other[:900]})
		time.Sleep(time.Hour)
		moved := w.dir + "-moved"
		if err := os.Rename(w.dir, moved); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		w.expect("directory gone", "one")
		if err := os.Rename(moved, w.dir); err != nil {
			t.Fatal(err)
		}
		w.put("bad.pem", other)
		w.expect("directory back", "bad", "one")

		w.ring.Close()
		log := w.log.String()
		for _, message := range []string{"decryption key file skipped", "decryption keys cannot be read"} {
			if n := strings.Count(log, message); n != 1 {
				t.Errorf("%q logged %d times", message, n)
			}
		}
		for _, line := range strings.Split(string(other), "\n") {
			if len(line) == 64 && strings.Contains(log, line) {
				t.Fatalf("log repeats the key file:\n%s", log)
			}
		}
	})
}

// TestWatchEnds with its context, and needs a directory to begin with.
func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, _ := twoPEMs(t)
		ctx, cancel := context.WithCancel(t.Context())
		ring, err := sealed.Watch(ctx, write(t, map[string][]byte{"one.pem": one}), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		ring.Close()
		ring.Close()
		if ring.Ring().Len() != 1 {
			t.Error("the last keys are gone")
		}
		if _, err := sealed.Watch(t.Context(), "testdata/nowhere", slog.New(slog.DiscardHandler)); err == nil {
			t.Error("watched a directory that is not there")
		}
	})
}
