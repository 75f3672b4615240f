//go:build synctests

package kafka_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// memNet is a network in memory, so that brokers and clients can live in a
// bubble of testing/synctest. Ports are given in order of listening.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	conns     map[net.Conn]struct{} // the clients' ends, to be cut
	next      int
	hang      bool // dials neither succeed nor fail, as with a network that drops packets

	latency atomic.Int64 // of what servers send, ns
	lost    int          // answers that were on their way when their connection was cut
}

func newMemNet() *memNet {
	return &memNet{listeners: map[string]*memListener{}, conns: map[net.Conn]struct{}{}, next: 40000}
}

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

type memListener struct {
	net    *memNet
	addr   memAddr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memListener) Addr() net.Addr { return l.addr }

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, string(l.addr))
		close(l.closed)
	})
	return nil
}

func (n *memNet) Listen(_, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port == "0" {
		n.next++
		port = fmt.Sprint(n.next)
	}
	addr := net.JoinHostPort(host, port)
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}
	}
	l := &memListener{net: n, addr: memAddr(addr), conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

func (n *memNet) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	l, hang := n.listeners[address], n.hang
	n.mu.Unlock()
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: memAddr(address), Err: err}
	}
	if hang {
		<-ctx.Done()
		return fail(ctx.Err())
	}
	if l == nil {
		return fail(syscall.ECONNREFUSED)
	}
	pipe, server := net.Pipe()
	client := &memConn{Conn: pipe, net: n, closed: make(chan struct{})}
	select {
	case l.conns <- server:
		n.mu.Lock()
		n.conns[client] = struct{}{}
		n.mu.Unlock()
		return client, nil
	case <-l.closed:
		return fail(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return fail(ctx.Err())
	}
}

// memConn is a client's end. What the server sent and latency holds back is
// lost when the connection is cut.
type memConn struct {
	net.Conn
	net    *memNet
	closed chan struct{}
	once   sync.Once
}

func (c *memConn) Read(b []byte) (int, error) {
	k, err := c.Conn.Read(b)
	if latency := time.Duration(c.net.latency.Load()); k > 0 && latency > 0 {
		select {
		case <-time.After(latency):
		case <-c.closed:
			c.net.mu.Lock()
			defer c.net.mu.Unlock()
			c.net.lost++
			return 0, net.ErrClosed
		}
	}
	return k, err
}

func (c *memConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Cut makes every dial hang, or no longer, and ends every connection.
func (n *memNet) Cut(hang bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hang = hang
	conns := n.conns
	n.conns = map[net.Conn]struct{}{}
	for c := range conns {
		_ = c.Close()
	}
}

// Client returns an HTTP client on the network.
func (n *memNet) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}}
}
