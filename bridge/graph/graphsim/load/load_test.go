package load_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/graph/graphsim/load"
)

// receiver keeps the ids of the items that it gets.
type receiver struct {
	mu    sync.Mutex // guards ids
	ids   map[string]int
	items []int // of each POST
	code  int
	wait  time.Duration
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var collection struct {
		Value []struct{ ID string }
	}
	if err := json.Unmarshal(body, &collection); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	for _, item := range collection.Value {
		r.ids[item.ID]++
	}
	r.items = append(r.items, len(collection.Value))
	r.mu.Unlock()
	time.Sleep(r.wait)
	w.WriteHeader(r.code)
}

// endpoint starts a receiver and returns its host:port.
func endpoint(t *testing.T, code int, wait time.Duration) (*receiver, string) {
	t.Helper()
	r := &receiver{ids: map[string]int{}, code: code, wait: wait}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return r, strings.TrimPrefix(s.URL, "http://")
}

func posts(t *testing.T, count, items int) *load.Posts {
	t.Helper()
	r, err := load.NewRecorder(t.Context(), graphsim.Config{Seed: 1, Basic: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(context.Background()) })
	p, err := r.Posts(t.Context(), count, items)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// No item is sent twice, though the bodies come round again.
func TestClosed(t *testing.T) {
	t.Parallel()
	r, addr := endpoint(t, http.StatusAccepted, 0)
	got := load.Closed(t.Context(), addr, posts(t, 5, 3), 4, 50)
	if got.Posts() != 50 || got.Codes[http.StatusAccepted] != 50 || got.Acked != 150 || got.Broken != 0 {
		t.Errorf("%+v", got)
	}
	if len(r.ids) != 150 {
		t.Errorf("%d different items of 150", len(r.ids))
	}
	for _, n := range r.items {
		if n != 3 {
			t.Errorf("a POST of %d items, want 3", n)
		}
	}
}

// What is refused is no acknowledgement, and what nobody answers is no answer.
func TestNotAcknowledged(t *testing.T) {
	t.Parallel()
	_, addr := endpoint(t, http.StatusServiceUnavailable, 0)
	p := posts(t, 2, 1)
	if got := load.Closed(t.Context(), addr, p, 2, 10); got.Acked != 0 || got.Codes[http.StatusServiceUnavailable] != 10 || got.Good.TotalCount() != 0 {
		t.Errorf("%+v", got)
	}
	if got := load.Closed(t.Context(), "127.0.0.1:1", p, 2, 10); got.Acked != 0 || got.Broken != 10 || got.Posts() != 0 {
		t.Errorf("%+v", got)
	}
}

// In an open loop the time of an answer counts from when its POST was due: of one
// connection and answers of 50 ms, every 10 ms another POST waits longer.
func TestOpen(t *testing.T) {
	t.Parallel()
	_, addr := endpoint(t, http.StatusAccepted, 50*time.Millisecond)
	got := load.Open(t.Context(), addr, posts(t, 2, 1), 1, 100, 100*time.Millisecond)
	if got.Posts() != 10 || got.Longest() < 10*50*time.Millisecond-100*time.Millisecond {
		t.Errorf("%d answers, the longest after %v", got.Posts(), got.Longest())
	}
}
