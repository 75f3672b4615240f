//go:build synctests

package renewer_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// startKafka runs a broker and a registry on the network until the test ends.
func startKafka(t *testing.T, n *bridgetest.Network) *embedded.Embedded {
	t.Helper()
	e, err := embedded.Start(embedded.Config{KafkaListen: "127.0.0.1:9092", RegistryListen: "127.0.0.1:8081", ListenFn: n.Listen}, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// makeTopics makes the topics that a renewer needs, with so many shards.
func makeTopics(t *testing.T, c kafka.Config, shards int32) {
	t.Helper()
	adm, err := kafka.NewAdmin(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	for topic, partitions := range map[string]int32{"teams.subscriptions": shards, "teams.gaps": 3, "teams.lifecycle": 3} {
		if _, err := adm.CreateTopic(t.Context(), partitions, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("33554432")}, topic); err != nil {
			t.Fatal(err)
		}
	}
}

// host is where one process runs: its way to the network, which can be cut for
// good, as by kill -9, or frozen, which is what the others see of kill -STOP.
type host struct {
	net  *bridgetest.Network
	gone chan struct{} // closed by kill

	asked atomic.Int64 // requests to Graph

	// request, if not nil, is told of each request to Kafka before it leaves, by
	// its key. It may kill.
	request func(key int16)

	mu     sync.Mutex // guards all below
	conns  map[*hostConn]struct{}
	dead   bool
	frozen chan struct{} // nil: not; closed by thaw
}

func newHost(n *bridgetest.Network) *host {
	return &host{net: n, gone: make(chan struct{}), conns: map[*hostConn]struct{}{}}
}

func (h *host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := h.pass(ctx.Done()); err != nil {
		return nil, err
	}
	c, err := h.net.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	hc := &hostConn{Conn: c, host: h, closed: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return nil, errors.Join(errDead, c.Close())
	}
	h.conns[hc] = struct{}{}
	return hc, nil
}

var errDead = errors.New("the host is dead")

// pass waits while the host is frozen.
func (h *host) pass(gone <-chan struct{}) error {
	h.mu.Lock()
	frozen, dead := h.frozen, h.dead
	h.mu.Unlock()
	if dead {
		return errDead
	}
	if frozen == nil {
		return nil
	}
	select {
	case <-frozen:
		return h.pass(gone)
	case <-gone:
		return net.ErrClosed
	}
}

func (h *host) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.dead {
		close(h.gone)
	}
	h.dead = true
	for c := range h.conns {
		_ = c.Conn.Close()
	}
	if h.frozen != nil {
		close(h.frozen)
		h.frozen = nil
	}
}

func (h *host) isDead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead
}

func (h *host) isFrozen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.frozen != nil
}

func (h *host) freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frozen = make(chan struct{})
}

func (h *host) thaw() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.frozen)
	h.frozen = nil
}

type hostConn struct {
	net.Conn
	host   *host
	once   sync.Once
	closed chan struct{}
}

func (c *hostConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if frozen := c.host.pass(c.closed); frozen != nil {
		return 0, frozen
	}
	return n, err
}

func (c *hostConn) Write(b []byte) (int, error) {
	c.host.mu.Lock()
	request := c.host.request
	c.host.mu.Unlock()
	if len(b) > 6 && request != nil { // the client writes requests whole: length, key
		request(int16(binary.BigEndian.Uint16(b[4:])))
	}
	if err := c.host.pass(c.closed); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *hostConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.host.mu.Lock()
	delete(c.host.conns, c)
	c.host.mu.Unlock()
	return c.Conn.Close()
}
