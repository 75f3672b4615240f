package bridgetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// Host is where one process runs: its way to the network. It can be killed, as
// by kill -9, frozen, which is what others see of kill -STOP, and cut off from
// single addresses.
type Host struct {
	net *Network

	mu     sync.Mutex // guards all below
	conns  map[*hostConn]struct{}
	listen []net.Listener
	dead   chan struct{} // closed by Kill
	frozen chan struct{} // nil: not; closed by Thaw
	cut    map[string]bool

	kafka func(key int16)
	calls func(*http.Request)
}

var (
	errDead = errors.New("the host is dead")
	errCut  = errors.New("the host is cut off")
)

// NewHost returns a host that is well.
func (n *Network) NewHost() *Host {
	return &Host{net: n, conns: map[*hostConn]struct{}{}, dead: make(chan struct{}), cut: map[string]bool{}}
}

// Dial connects to addr, with a connection that stands still while the host is
// frozen. It is for clients that wait on nothing but channels: Kafka's.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := h.pass(ctx.Done()); err != nil {
		return nil, err
	}
	return h.dial(ctx, network, addr, true)
}

func (h *Host) dial(ctx context.Context, network, addr string, freezes bool) (net.Conn, error) {
	if err := h.reach(addr); err != nil {
		return nil, err
	}
	c, err := h.net.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return h.own(c, addr, freezes)
}

// reach returns why addr cannot be reached, nil if it can.
func (h *Host) reach(addr string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.isDead():
		return errDead
	case h.cut[addr]:
		return fmt.Errorf("dial in memory: %s: %w", addr, errCut)
	}
	return nil
}

// own makes c a connection of the host's.
func (h *Host) own(c net.Conn, addr string, freezes bool) (net.Conn, error) {
	hc := &hostConn{Conn: c, host: h, addr: addr, freezes: freezes, closed: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isDead() {
		return nil, errors.Join(errDead, c.Close())
	}
	h.conns[hc] = struct{}{}
	return hc, nil
}

// Listen returns a listener on addr that ends with the host, and its connections
// with it.
func (h *Host) Listen(network, addr string) (net.Listener, error) {
	l, err := h.net.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listen = append(h.listen, l)
	return hostListener{l, h}, nil
}

// Transport returns the host's way of making HTTP requests, over connections
// made with base's settings. While the host is frozen no request leaves it and
// no answer reaches it.
func (h *Host) Transport(base *http.Transport) http.RoundTripper {
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return h.dial(ctx, network, addr, false)
	}
	return hostTransport{h, base}
}

// Kill ends the process for all that others can see: its connections and
// listeners close, and it makes no others.
func (h *Host) Kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isDead() {
		return
	}
	close(h.dead)
	for c := range h.conns {
		_ = c.Conn.Close()
	}
	for _, l := range h.listen {
		_ = l.Close()
	}
	if h.frozen != nil {
		close(h.frozen)
		h.frozen = nil
	}
}

// Dead reports whether the host was killed.
func (h *Host) Dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isDead()
}

func (h *Host) isDead() bool {
	select {
	case <-h.dead:
		return true
	default:
		return false
	}
}

// Gone is closed by Kill.
func (h *Host) Gone() <-chan struct{} { return h.dead }

// Wait returns once the host is not frozen, or ctx ends; an error if it is dead
// then.
func (h *Host) Wait(ctx context.Context) error { return h.pass(ctx.Done()) }

// Freeze stops the process as others see it, until Thaw.
func (h *Host) Freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.isDead() && h.frozen == nil {
		h.frozen = make(chan struct{})
	}
}

// Thaw lets a frozen process go on.
func (h *Host) Thaw() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.frozen != nil {
		close(h.frozen)
		h.frozen = nil
	}
}

// Frozen reports whether the host is frozen.
func (h *Host) Frozen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.frozen != nil
}

// Cut makes addr unreachable from the host and breaks its connections there,
// until Heal. Others reach it still.
func (h *Host) Cut(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut[addr] = true
	for c := range h.conns {
		if c.addr == addr {
			_ = c.Conn.Close()
		}
	}
}

// Heal makes addr reachable again.
func (h *Host) Heal(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.cut, addr)
}

// OnKafka has f told of each request to Kafka before it leaves, by its key, and
// OnCall of each HTTP request. They may kill the host; nil ends it.
func (h *Host) OnKafka(f func(key int16)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kafka = f
}

// OnCall is OnKafka for HTTP.
func (h *Host) OnCall(f func(*http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = f
}

// pass waits while the host is frozen.
func (h *Host) pass(gone <-chan struct{}) error {
	h.mu.Lock()
	frozen, dead := h.frozen, h.isDead()
	h.mu.Unlock()
	switch {
	case dead:
		return errDead
	case frozen == nil:
		return nil
	}
	select {
	case <-frozen:
		return h.pass(gone)
	case <-gone:
		return net.ErrClosed
	}
}

type hostConn struct {
	net.Conn
	host    *Host
	addr    string
	freezes bool
	once    sync.Once
	closed  chan struct{}
}

func (c *hostConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.freezes {
		if frozen := c.host.pass(c.closed); frozen != nil {
			return 0, frozen
		}
	}
	return n, err
}

func (c *hostConn) Write(b []byte) (int, error) {
	if !c.freezes {
		return c.Conn.Write(b)
	}
	c.host.mu.Lock()
	kafka := c.host.kafka
	c.host.mu.Unlock()
	if len(b) > 6 && kafka != nil { // the client writes requests whole: length, key
		kafka(int16(binary.BigEndian.Uint16(b[4:])))
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

type hostListener struct {
	net.Listener
	host *Host
}

func (l hostListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.host.own(c, l.Addr().String(), false)
}

type hostTransport struct {
	host *Host
	base *http.Transport
}

func (t hostTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	h := t.host
	h.mu.Lock()
	calls := h.calls
	h.mu.Unlock()
	if calls != nil {
		calls(req)
	}
	if err := h.pass(req.Context().Done()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := h.pass(req.Context().Done()); err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp, nil
}

func (t hostTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }
