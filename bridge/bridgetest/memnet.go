package bridgetest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Network is a network in memory: hosts listen on it by address and dial each
// other. Inside a synctest bubble its waits are durable, which those of real
// sockets are not.
type Network struct {
	mu        sync.Mutex // guards all below
	listeners map[string]*listener
	next      int
	conns     map[*conn]struct{}
	cut       map[string]bool // addresses that cannot be reached
	refused   atomic.Int64
}

// NewNetwork returns an empty network.
func NewNetwork() *Network {
	return &Network{listeners: map[string]*listener{}, conns: map[*conn]struct{}{}, cut: map[string]bool{}}
}

// Listen returns a listener on addr; one whose port is 0 gets a free one.
// The network's name is not looked at.
func (n *Network) Listen(_, addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen in memory: %w", err)
	}
	if port == "0" {
		n.next++
		addr = net.JoinHostPort(host, fmt.Sprint(20000+n.next))
	}
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("listen in memory: %s is in use", addr)
	}
	l := &listener{network: n, addr: memAddr(addr), accept: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// Dial connects to the listener at addr. It has the shape of net.Dialer's
// DialContext.
func (n *Network) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	if n.cut[addr] {
		l = nil
	}
	n.mu.Unlock()
	if l == nil {
		n.refused.Add(1)
		return nil, fmt.Errorf("dial in memory: %s: connection refused", addr)
	}
	near, far := net.Pipe()
	select {
	case l.accept <- n.track(far, addr):
		return n.track(near, addr), nil
	case <-l.closed:
		return nil, fmt.Errorf("dial in memory: %s: connection refused", addr)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial in memory: %w", ctx.Err())
	}
}

// Cut makes addr unreachable and breaks its connections, until Heal.
func (n *Network) Cut(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[addr] = true
	for c := range n.conns {
		if c.addr == addr {
			_ = c.Conn.Close() // the other end sees it as broken
		}
	}
}

// Heal makes addr reachable again.
func (n *Network) Heal(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, addr)
}

// Refused returns how many dials met a cut or absent address: the proof that a
// cut was felt.
func (n *Network) Refused() int64 { return n.refused.Load() }

func (n *Network) track(c net.Conn, addr string) net.Conn {
	t := &conn{Conn: c, network: n, addr: addr}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[t] = struct{}{}
	return t
}

type conn struct {
	net.Conn
	network *Network
	addr    string
}

func (c *conn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) LocalAddr() net.Addr  { return memAddr(c.addr) }
func (c *conn) RemoteAddr() net.Addr { return memAddr(c.addr) }

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

type listener struct {
	network *Network
	addr    memAddr
	accept  chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		if l.network.listeners[string(l.addr)] == l {
			delete(l.network.listeners, string(l.addr))
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
