//go:build synctests

package renewer_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
)

// Ensure that a view holds the last words of all shards and counts what cannot
// be read, and that looking fences nobody.
func TestReadStates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newStoreWorld(t, 1)
		read := func(log *slog.Logger) renewer.View {
			t.Helper()
			v, err := renewer.ReadStates(t.Context(), w.kafka, w.registry, "teams.", log)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := read(discard()); len(v.States) != 0 || len(v.Renewers) != 0 || v.Shards != 1 || v.Electing {
			t.Errorf("before anything was written: %+v", v)
		}
		s := w.open(t, discard())
		if err := s.Write(t.Context(), []renewer.State{someState(1), someState(2), someState(3)}, nil); err != nil {
			t.Fatal(err)
		}
		w.produce(t, "teams.subscriptions", []byte(someState(2).String()), []byte("garbage"))
		w.produce(t, "teams.subscriptions", []byte("no key"), []byte("garbage"))
		w.produce(t, "teams.subscriptions", []byte(someState(3).String()), nil)
		want := map[renewer.Key]renewer.State{
			someState(1).Key: someState(1), someState(2).Key: {Key: someState(2).Key, Status: renewer.Aside},
		}
		var log bytes.Buffer
		if v := read(slog.New(slog.NewTextHandler(&log, nil))); !reflect.DeepEqual(v.States, want) || v.Unreadable != 2 {
			t.Errorf("read %+v", v)
		}
		if n := strings.Count(log.String(), "state record kept as it is"); n != 2 {
			t.Errorf("%d records reported:\n%s", n, &log)
		}
		if err := s.Write(t.Context(), []renewer.State{someState(4)}, nil); err != nil {
			t.Errorf("whoever led was disturbed: %v", err)
		}
		_, err := renewer.ReadStates(t.Context(), w.kafka, w.registry, "others.", discard())
		if err == nil || !strings.Contains(err.Error(), "topic others.subscriptions cannot be used (make it with meetbridge topics apply") {
			t.Errorf("without the topic: %v", err)
		}
		away := w.registry
		away.URL = "http://127.0.0.1:8085"
		if _, err := renewer.ReadStates(t.Context(), w.kafka, away, "teams.", discard()); !errors.Is(err, kafka.ErrRegistryAway) {
			t.Errorf("without a registry: %v", err)
		}
	})
}

// Ensure that a view says who leads and who stands by, without becoming one of
// them.
func TestViewOfElection(t *testing.T) {
	t.Parallel()
	bubbleOf(t, 2, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(4, tenantOne)
		var procs []*proc
		for range 3 {
			procs = append(procs, w.start())
		}
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		time.Sleep(5 * time.Second)
		read := func() renewer.View {
			t.Helper()
			v, err := renewer.ReadStates(t.Context(), w.config(), w.registry(), "teams.", discard())
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		v := read()
		var shards []int32
		idle := 0
		for _, m := range v.Renewers {
			shards = append(shards, m.Shards...)
			if len(m.Shards) == 0 {
				idle++
			}
			if m.ID == "" || m.Host == "" {
				t.Errorf("a member without name: %+v", m)
			}
		}
		slices.Sort(shards)
		if v.Leading() != 2 || !slices.Equal(shards, []int32{0, 1}) || idle != 1 || len(v.Renewers) != 3 || v.Electing || len(v.States) != 4 {
			t.Errorf("read %+v", v)
		}
		if v.Opens(renewer.Certificate{ID: "any"}) {
			t.Error("without any ingest something is opened")
		}
		leads := func() (n int) {
			for _, p := range procs {
				n += p.Leads()
			}
			return n
		}
		for range 3 {
			read()
			time.Sleep(2 * time.Second)
			if leads() != 2 {
				t.Fatalf("%d shards are led after a look", leads())
			}
		}
		for _, p := range procs {
			p.stop()
		}
		if v := read(); len(v.Renewers) != 0 || v.Leading() != 0 || len(v.States) != 4 {
			t.Errorf("after all have left: %+v", v)
		}
	})
}

// Ensure that what Graph lists is read back where the states do not know it, and
// what it does not list where they do: a list may be wrong in both ways.
func TestListGraph(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(3, tenantOne, tenantTwo)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		time.Sleep(time.Second)
		p.stop()
		v, err := renewer.ReadStates(t.Context(), w.config(), w.registry(), "teams.", discard())
		if err != nil {
			t.Fatal(err)
		}
		idOf := func(key string) string {
			k, _ := renewer.ParseKey(key)
			return v.States[k].SubscriptionID
		}
		w.graph.remove(idOf(keys[0])) // dies in silence
		for _, key := range keys[1:3] {
			k, _ := renewer.ParseKey(key)
			delete(v.States, k) // lives, and nobody knows of it
		}
		w.graph.ghosts = []map[string]any{{"id": "7a4c9d0e-0000-4000-8000-00000000dead", "resource": "chats", "changeType": "created"}}
		w.graph.hidden = idOf(keys[4])
		w.graph.fail = func(_, tenant string) int { return map[string]int{tenantTwo: http.StatusForbidden}[tenant] }
		wanted, faults, err := renewer.LoadDesired(w.dir + "/subscriptions.yaml")
		if err != nil || wanted == nil {
			t.Fatal(faults, err)
		}
		cfg := renewer.Config{GraphHTTP: w.graph.client(newHost(w.net))}
		listing := cfg.ListGraph(t.Context(), wanted.Tenants, v.States, discard())
		if len(listing.Listed[tenantOne]) != 2 || !reflect.DeepEqual(listing.Gone, map[string]bool{idOf(keys[0]): true}) {
			t.Errorf("%+v", listing)
		}
		if listing.Failed[tenantTwo] == nil || len(listing.Failed) != 1 || listing.Listed[tenantTwo] != nil {
			t.Errorf("of the tenant that is refused: %+v", listing)
		}
		w.graph.fail = nil
		if listing = cfg.ListGraph(t.Context(), wanted.Tenants, v.States, discard()); len(listing.Listed[tenantTwo]) != 2 || listing.Gone[w.graph.hidden] {
			t.Errorf("what lives and is not listed is said to be gone: %+v", listing)
		}
	})
}
