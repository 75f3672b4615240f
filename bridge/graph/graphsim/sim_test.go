package graphsim_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// The ledger says acknowledged of exactly what was acknowledged, as often as it
// was, over an endpoint that fails a third of the time.
func TestLedgerIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(n int, _ *http.Request) response {
			switch n % 9 {
			case 0, 4:
				return response{status: 503}
			case 7:
				return response{after: 20 * time.Second}
			}
			return response{}
		}}
		cfg := config(r)
		cfg.Drain = 5 * time.Hour
		cfg.Rules.SlowShare, cfg.Rules.DropShare = 1, 1
		s := play(t, cfg, graphsim.Limit{Items: 1000})
		type identity struct{ sub, resource, changeType, id, notification, event, expiry string }
		got, want := map[identity]int{}, map[identity]int{}
		for _, n := range items(t, r.acknowledged()) {
			got[identity{n.SubscriptionID, n.Resource, n.ChangeType, n.ResourceData["id"], n.ID, n.LifecycleEvent, ""}]++
		}
		for i, e := range s.Ledger() {
			want[identity{e.SubscriptionID, e.Resource, e.ChangeType, e.ResourceID, e.NotificationID, e.LifecycleEvent, ""}] += e.AckedCopies
			if e.Seq != i+1 || e.Acked != (e.AckedCopies > 0) || e.AckedCopies != e.Copies || e.Attempts < e.Copies || e.Dropped {
				t.Fatalf("entry %+v", e)
			}
			if e.Topic == "quarantine" || e.Reason != "" || !e.Genuine {
				t.Errorf("entry %d is called forged", e.Seq)
			}
		}
		for id, n := range want {
			if got[id] != n {
				t.Errorf("acknowledged %d times, ledger says %d: %+v", got[id], n, id)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d identities acknowledged, %d in the ledger", len(got), len(want))
		}
		sum := s.Summary()
		topics := 0
		for _, c := range sum.ByTopic {
			topics += c.Acked
		}
		if sum.Items != 1000 || sum.Acked != 1000 || topics != 1000 || sum.Attempts != len(r.received()) || sum.Posts >= sum.Attempts {
			t.Errorf("summary %+v of %d POSTs received", sum, len(r.received()))
		}
		var text strings.Builder
		if _, err := sum.WriteTo(&text); err != nil || !strings.Contains(text.String(), "1000 acknowledged, 0 pending, 0 dropped") {
			t.Errorf("summary reads:\n%s%v", text.String(), err)
		}
	})
}

// With OnEntry each entry is handed over once, settled, without its payload.
func TestOnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[int]graphsim.Entry{}
		var zero [32]byte
		cfg := config(&receiver{answer: func(n int, _ *http.Request) response { return response{status: []int{202, 503}[n%2]} }})
		cfg.Drain = time.Hour
		cfg.OnEntry = func(e graphsim.Entry) {
			mu.Lock()
			defer mu.Unlock()
			if seen[e.Seq].Seq != 0 {
				t.Errorf("entry %d came twice", e.Seq)
			}
			seen[e.Seq] = e
		}
		s := play(t, cfg, graphsim.Limit{Items: 400})
		hashed := 0
		for _, e := range seen {
			if !e.Acked || e.Payload != nil || e.AckedCopies != e.Copies {
				t.Errorf("entry %+v", e)
			}
			if e.PayloadSHA256 != zero {
				hashed++
			}
		}
		if len(seen) != 400 || hashed < 200 || s.Ledger() != nil {
			t.Errorf("%d entries, %d with a hash", len(seen), hashed)
		}
	})
}

// A drain that ends too soon is an error, and what is pending is called so.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handed []graphsim.Entry
		cfg := config(&receiver{answer: func(n int, _ *http.Request) response {
			return response{status: []int{202, 503}[min(n/5, 1)]}
		}})
		cfg.Rate = 100
		cfg.OnEntry = func(e graphsim.Entry) { handed = append(handed, e) }
		s := start(t, cfg)
		begin := time.Now()
		err := s.Run(context.Background(), graphsim.Limit{Items: 200})
		if !errors.Is(err, graphsim.ErrPending) {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begin); took < 30*time.Second || took > 33*time.Second {
			t.Errorf("the run took %s", took)
		}
		sum := s.Summary()
		if sum.Pending == 0 || sum.Acked == 0 || sum.Pending+sum.Acked != 200 {
			t.Errorf("summary %+v", sum)
		}
		stop(t, s)
		if len(handed) != 200 {
			t.Errorf("%d entries handed over by the end", len(handed))
		}
		if err := s.Run(context.Background(), graphsim.Limit{}); !errors.Is(err, graphsim.ErrStopped) {
			t.Errorf("Run after Stop: %v", err)
		}
	})
}

// At a rate, items come at that rate, in POSTs of several, and none waits long
// for company; the world's time keeps pace.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := config(r)
		cfg.Rate = 40
		begin := time.Now()
		s := play(t, cfg, graphsim.Limit{For: 30 * time.Second})
		sum := s.Summary()
		if sum.Items < 1195 || sum.Items > 1205 || sum.Posts > sum.Items/2 {
			t.Errorf("%d items in %d POSTs in 30 s at 40/s", sum.Items, sum.Posts)
		}
		for i, e := range s.Ledger() {
			told := begin.Add(time.Duration(i) * 25 * time.Millisecond)
			if d := e.First.Sub(told); d > time.Second {
				t.Errorf("entry %d came %s late", e.Seq, d)
			}
		}
		if took := time.Since(begin); took > 31*time.Second {
			t.Errorf("the run took %s", took)
		}
	})
}

// The end of the caller's context ends the world, not the deliveries.
func TestCancelledRunDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&receiver{answer: func(int, *http.Request) response { return response{after: 2 * time.Second} }})
		cfg.Rules.Concurrency = 2
		s := start(t, cfg)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Run(ctx, graphsim.Limit{}); err != nil {
			t.Errorf("Run: %v", err)
		}
		if sum := s.Summary(); sum.Pending != 0 || sum.Acked == 0 {
			t.Errorf("summary %+v", sum)
		}
		stop(t, s)
		stop(t, s) // again is nothing
	})
}

// Stop breaks a run off, in mid-request too.
func TestStopWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&receiver{answer: func(int, *http.Request) response { return response{after: time.Hour} }})
		cfg.Rate = 50
		s := start(t, cfg)
		done := make(chan error)
		go func() { done <- s.Run(context.Background(), graphsim.Limit{}) }()
		time.Sleep(2 * time.Second)
		begin := time.Now()
		stop(t, s)
		if err := <-done; !errors.Is(err, graphsim.ErrStopped) {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("stopping took %s", took)
		}
	})
}

// Over a real network: the simulator against an HTTP server, its authority on a
// socket; nothing of it is left after Stop.
func TestRealNetwork(t *testing.T) {
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if token := req.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte(token))
			return
		}
		resp, err := r.RoundTrip(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
	}))
	defer server.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(r)
	cfg.Client, cfg.NotificationURL, cfg.Listener = nil, server.URL+"/n?x=1", l
	cfg.Faults = cfg.AllForgeries(100)
	cfg.Faults.Every[graphsim.CutPost] = 10
	s := start(t, cfg)
	if err := s.Handshake(context.Background(), cfg.NotificationURL); err != nil {
		t.Error(err)
	}
	if err := s.Run(context.Background(), graphsim.Limit{Items: 500}); err != nil {
		t.Error(err)
	}
	c := &checker{key: newKey(), authority: s.AuthorityURL()}
	c.fetchKeys(t, server.Client())
	stop(t, s)
	sum := s.Summary()
	if sum.Acked != sum.Items || sum.Answers["cut"] == 0 || sum.Genuine != 500 || len(c.v1) == 0 {
		t.Errorf("summary %+v", sum)
	}
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stacks.String(), "graphsim.(*") {
		t.Errorf("goroutines left:\n%s", stacks.String())
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*graphsim.Config){
		"NotificationURL": func(c *graphsim.Config) { c.NotificationURL = "/graph" },
		"Rate":            func(c *graphsim.Config) { c.Rate = -1 },
		"BatchMax":        func(c *graphsim.Config) { c.BatchMax = -1 },
		"certificate":     func(c *graphsim.Config) { c.Certificates = []graphsim.Certificate{{ID: "x"}} },
	} {
		cfg := config(&receiver{})
		change(&cfg)
		if _, err := graphsim.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
