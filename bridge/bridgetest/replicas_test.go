//go:build synctests

package bridgetest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/bridgetest"
	"meetbridge/ingest"
)

// replica is an ingest process of several on one rig.
type replica struct {
	addr, admin string
	server      *ingest.Server
	metrics     *prometheus.Registry
	wires       *wires
	starting    atomic.Bool // not ready yet, so that it gets no traffic
}

// replicas are ingest processes that share a broker, and whoever spreads POSTs
// over them.
type replicas struct {
	*bridgetest.Rig
	t   *testing.T
	all []*replica

	next atomic.Int64
}

// newReplicas puts n ingest processes in the place of the rig's own.
func newReplicas(t *testing.T, r *bridgetest.Rig, n int) *replicas {
	t.Helper()
	r.Ready() // so that the topics are there
	r.StopIngest()
	s := &replicas{Rig: r, t: t}
	for i := range n {
		s.all = append(s.all, &replica{addr: fmt.Sprintf("replica-%d:8080", i), admin: fmt.Sprintf("replica-%d:9090", i)})
		s.start(i)
	}
	t.Cleanup(func() {
		for i := range s.all {
			s.stop(i)
		}
	})
	return s
}

// start starts a replica and waits until it is ready.
func (s *replicas) start(i int) {
	s.t.Helper()
	p := s.all[i]
	p.starting.Store(true)
	defer p.starting.Store(false)
	own := &wires{open: map[net.Conn]struct{}{}} // not the next one's: the dead still dial
	p.wires = own
	cfg := s.Config
	cfg.Kafka.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := s.Net.Dial(ctx, network, addr)
		return own.add(c, err, latency)
	}
	cfg.Listener, cfg.AdminListener = wired{s.Listen(p.addr), own}, s.Listen(p.admin)
	cfg.Metrics = prometheus.NewRegistry()
	server, err := ingest.New(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	server.Start()
	p.server, p.metrics = server, cfg.Metrics
	for range 300 {
		resp, err := s.HTTP.Get("http://" + p.admin + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("replica %d did not become ready within 30 s", i)
}

// stop ends a replica in good order.
func (s *replicas) stop(i int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.all[i].server.Stop(ctx); err != nil {
		s.t.Errorf("stop replica %d: %v", i, err)
	}
}

// kill ends a replica as kill -9 does: what it has not sent by now, to Kafka or to
// Graph, it never sends.
func (s *replicas) kill(i int) {
	s.all[i].wires.cut()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.all[i].server.Stop(ctx)
}

// route returns the nth replica, or the first after it that is not just starting.
// One that has died gets traffic: nobody has noticed yet.
func (s *replicas) route(n int) *replica {
	for i := range s.all {
		if p := s.all[(n+i)%len(s.all)]; !p.starting.Load() {
			return p
		}
	}
	return s.all[n%len(s.all)]
}

// RoundTrip sends a request to one of the replicas: each in turn.
func (s *replicas) RoundTrip(req *http.Request) (*http.Response, error) {
	p := s.route(int(s.next.Add(1)))
	req = req.Clone(req.Context())
	req.URL.Host = p.addr
	return s.HTTP.Transport.RoundTrip(req)
}

// counted adds up a counter over all replicas, since each was started.
func (s *replicas) counted(name string) (sum float64) {
	s.t.Helper()
	for _, p := range s.all {
		families, err := p.metrics.Gather()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == name {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// wires are the connections of one process.
type wires struct {
	mu   sync.Mutex // guards all below
	open map[net.Conn]struct{}
	dead bool
}

var errDead = errors.New("the process was killed")

func (w *wires) add(c net.Conn, err error, slow time.Duration) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errors.Join(errDead, c.Close())
	}
	w.open[c] = struct{}{}
	return wire{c, w, slow}, nil
}

func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
	for c := range w.open {
		_ = c.Close() // the other end sees it as broken
	}
}

// latency is how long each write to Kafka takes, so that there is a time in which
// a process can die.
const latency = 2 * time.Millisecond

type wire struct {
	net.Conn
	wires *wires
	slow  time.Duration
}

func (c wire) Write(b []byte) (int, error) {
	time.Sleep(c.slow)
	return c.Conn.Write(b)
}

func (c wire) Close() error {
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	delete(c.wires.open, c.Conn)
	return c.Conn.Close()
}

// wired is a listener whose connections are the process's.
type wired struct {
	net.Listener
	wires *wires
}

func (l wired) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c, err = l.wires.add(c, nil, 0); err == nil {
			return c, nil
		}
	}
}
