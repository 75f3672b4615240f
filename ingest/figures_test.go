//go:build figures

package ingest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meetbridge/bridge/graph/graphsim/load"
)

// These are the figures that take minutes of a machine that does nothing else:
// make figures. They fail where a figure is worse than promised.

// slowest is the time after which Graph counts an answer as slow (FACTS §1.4).
const slowest = 2900 * time.Millisecond

// TestAnswerTime is the open loop at 1,000 POSTs a second, ours and the bare
// loop's by turns.
func TestAnswerTime(t *testing.T) {
	n := newBench(t, setting{})
	posts := n.posts(4000, 1)
	var ours, bare load.Result
	var inKafka, bodies int64
	for range 4 {
		bare = n.all(load.Open(t.Context(), n.bare, posts, 128, 1000, 5*time.Second))
		ours = n.all(load.Open(t.Context(), n.ingest, posts, 128, 1000, 5*time.Second))
		inKafka, bodies = inKafka+ours.Acked, bodies+bare.Posts()
		t.Logf("1,000 POSTs/s: bare median %v, 99 %% %v; ours median %v, 99 %% %v, longest %v",
			bare.At(50), bare.At(99), ours.At(50), ours.At(99), ours.Longest())
	}
	n.check(inKafka, bodies)
	if ours.At(50) > bare.At(50)*3/2 {
		t.Errorf("the median is %v, want at most 1.5 times the bare loop's %v", ours.At(50), bare.At(50))
	}
	if ours.At(99) > 10*time.Millisecond {
		t.Errorf("99 %% are answered within %v, want 10 ms", ours.At(99))
	}
}

// TestOverload sends four times the sealed notifications that can be opened (I5).
func TestOverload(t *testing.T) {
	n := newBench(t, setting{bits: 2048})
	posts := n.posts(2000, 1)
	peak := n.all(load.Closed(t.Context(), n.ingest, posts, 64, 6000))
	rate := float64(peak.Acked) / peak.Elapsed.Seconds()
	over := load.Open(t.Context(), n.ingest, posts, 2048, 4*rate, 10*time.Second)
	settling := load.Open(t.Context(), n.ingest, posts, 128, rate/2, 5*time.Second)
	after := n.all(load.Open(t.Context(), n.ingest, posts, 128, rate/2, 5*time.Second))
	good := float64(over.Acked) / over.Elapsed.Seconds() / rate
	t.Logf("peak %.0f/s; at 4 times as many: %v, %.2f of the peak acknowledged, 99.9 %% of the answers within %v, longest %v; acknowledged ones 99 %% within %v",
		rate, over.Codes, good, over.At(99.9), over.Longest(), time.Duration(over.Good.ValueAtQuantile(99))*time.Microsecond)
	t.Logf("5 s later at half the peak: median %v, 99 %% %v, %v", after.At(50), after.At(99), after.Codes)
	if acked, stored := peak.Acked+over.Acked+settling.Acked+after.Acked, n.stored(); stored["teams."] < acked || stored["teams.quarantine"] > 0 {
		t.Errorf("acknowledged %d, stored %v", acked, stored)
	}
	if over.Broken > 0 || over.Longest() > slowest || over.At(99.9) > time.Second {
		t.Errorf("%d POSTs without an answer, 99.9 %% within %v, longest %v", over.Broken, over.At(99.9), over.Longest())
	}
	if good < 0.8 {
		t.Errorf("%.2f of the peak is acknowledged, want 0.8", good)
	}
}

// TestKafkaTrouble sends 500 POSTs a second while Kafka is away, slow, or half
// away (I1, I5).
func TestKafkaTrouble(t *testing.T) {
	for _, c := range []struct {
		name    string
		brokers int
		begin   func(*cable)
	}{
		{"away", 1, func(w *cable) { w.cut.Store(1) }},
		{"half away", 2, func(w *cable) { w.cut.Store(2) }},
		{"each acknowledgement takes 5 s", 1, func(w *cable) { w.delay.Store(int64(5 * time.Second)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newCable()
			n := newBench(t, setting{brokers: c.brokers, dial: w.dial})
			posts := n.posts(4000, 1)
			const rate = 500
			acked := n.all(load.Open(t.Context(), n.ingest, posts, 128, rate, 3*time.Second)).Acked
			c.begin(w)
			during := load.Open(t.Context(), n.ingest, posts, 2048, rate, 15*time.Second)
			w.heal()
			settling := load.Open(t.Context(), n.ingest, posts, 2048, rate, 5*time.Second)
			after := n.all(load.Open(t.Context(), n.ingest, posts, 128, rate, 3*time.Second))
			acked += during.Acked + settling.Acked + after.Acked
			stored := n.stored()
			t.Logf("%s: %v, half within %v, 99 %% within %v, longest %v; 5 s after its end: %v, 99 %% within %v; acknowledged %d, stored %d",
				c.name, during.Codes, during.At(50), during.At(99), during.Longest(), after.Codes, after.At(99), acked, stored["teams."])
			if during.Broken+settling.Broken > 0 || during.Longest() > slowest || settling.Longest() > slowest {
				t.Errorf("%d POSTs without an answer, longest %v", during.Broken+settling.Broken, max(during.Longest(), settling.Longest()))
			}
			if during.Codes[http.StatusServiceUnavailable] == 0 {
				t.Error("the trouble did not show")
			}
			if stored["teams."] < acked || stored["teams.quarantine"] > 0 {
				t.Errorf("acknowledged %d, stored %v", acked, stored)
			}
		})
	}
}

// cable is the network between ingest and Kafka.
type cable struct {
	cut   atomic.Int32 // 0: whole; 1: nothing passes; 2: nothing to or from one of two brokers
	delay atomic.Int64 // ns that what Kafka says takes

	mu    sync.Mutex // guards all below
	conns []net.Conn
	odd   map[string]bool // brokers by address: each second one
}

func newCable() *cable { return &cable{odd: map[string]bool{}} }

var errCut = errors.New("the cable is cut")

func (w *cable) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	if _, known := w.odd[addr]; !known {
		w.odd[addr] = len(w.odd)%2 == 1
	}
	odd := w.odd[addr]
	w.mu.Unlock()
	if w.cutOff(odd) {
		return nil, errCut
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return &cabled{Conn: c, cable: w, odd: odd}, nil
}

func (w *cable) cutOff(odd bool) bool { return w.cut.Load() == 1 || w.cut.Load() == 2 && odd }

// heal makes everything pass again; what hung on the cable breaks.
func (w *cable) heal() {
	w.cut.Store(0)
	w.delay.Store(0)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// cabled is one connection over the cable. Cut, it is as silent as a network that
// loses everything.
type cabled struct {
	net.Conn
	cable *cable
	odd   bool
}

func (c *cabled) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for err == nil && c.cable.cutOff(c.odd) {
		time.Sleep(10 * time.Millisecond)
	}
	for until := time.Now().Add(time.Duration(c.cable.delay.Load())); err == nil && time.Now().Before(until) && c.cable.delay.Load() > 0; {
		time.Sleep(10 * time.Millisecond)
	}
	return n, err
}

func (c *cabled) Write(b []byte) (int, error) {
	if c.cable.cutOff(c.odd) {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// TestManyConnections opens 10,000 connections that say nothing beside an honest
// sender's.
func TestManyConnections(t *testing.T) {
	n := newBench(t, setting{})
	posts := n.posts(2000, 1)
	var silent []net.Conn
	defer func() {
		for _, c := range silent {
			_ = c.Close()
		}
	}()
	done := make(chan load.Result)
	go func() { done <- load.Open(t.Context(), n.ingest, posts, 64, 500, 15*time.Second) }()
	for range 10_000 {
		c, err := net.DialTimeout("tcp", n.ingest, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	honest := <-done
	t.Logf("10,000 silent connections: honest POSTs %v, %d without an answer, 99 %% within %v, longest %v",
		honest.Codes, honest.Broken, honest.At(99), honest.Longest())
	if honest.Codes[http.StatusAccepted] != honest.Posts() || honest.Longest() > slowest {
		t.Error("the honest sender suffered")
	}
	n.check(honest.Acked, 0)
}
