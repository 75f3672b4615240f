//go:build synctests

package bridgetest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
	host        *bridgetest.Host
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
	own := s.Net.NewHost() // not the next one's: the dead still dial
	p.host = own
	cfg := s.Config
	cfg.Kafka.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := own.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return slow{c}, nil
	}
	listener, err := own.Listen("tcp", p.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg.Listener, cfg.AdminListener = listener, s.Listen(p.admin)
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
	s.all[i].host.Kill()
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
		sum += bridgetest.Sum(s.t, p.metrics, name)
	}
	return sum
}

// latency is how long each write to Kafka takes, so that there is a time in which
// a process can die.
const latency = 2 * time.Millisecond

// slow is a connection whose writes take latency.
type slow struct{ net.Conn }

func (c slow) Write(b []byte) (int, error) {
	time.Sleep(latency)
	return c.Conn.Write(b)
}
