package ingest

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// connectionsPerRequest and leastConnections say how many connections may be
	// open for the POSTs that may be under way: Graph keeps some open between its
	// POSTs.
	connectionsPerRequest = 2
	leastConnections      = 1024
	// sampled is how many connections are compared to find one to close.
	sampled = 16
)

// connections is a listener that bounds the connections that are open, since
// each costs memory before it has asked for anything. Beyond the bound each new
// one takes the place of one that was not answered for long: of a sample the
// longest, so that a flood costs no more than the flood itself. Those of a
// stranger who opens many and says nothing go first; those on which POSTs come
// and are answered stay.
type connections struct {
	net.Listener
	max int

	mu   sync.Mutex // guards open
	open map[*connection]struct{}
}

// connection is one that is open.
type connection struct {
	net.Conn
	all      *connections
	answered atomic.Int64 // when it was last answered, at first when it was made; Unix ns
	by       deadlines
}

func bounded(l net.Listener, maxRequests int) *connections {
	return &connections{Listener: l, max: max(connectionsPerRequest*maxRequests, leastConnections), open: map[*connection]struct{}{}}
}

// Accept returns the next connection.
func (l *connections) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn, all: l}
	c.answered.Store(time.Now().UnixNano())
	if longest := l.add(c); longest != nil {
		_ = longest.Close() // whoever waits for an answer on it sends again
	}
	return c, nil
}

// add notes c and returns the connection that has to go for it, if any.
func (l *connections) add(c *connection) (longest *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.max {
		n := 0
		for other := range l.open { // begins anywhere
			if longest == nil || other.answered.Load() < longest.answered.Load() {
				longest = other
			}
			if n++; n == sampled {
				break
			}
		}
		delete(l.open, longest)
	}
	l.open[c] = struct{}{}
	return longest
}

// Close closes the connection and makes room for another.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// count returns how many are open.
func (l *connections) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// appendOpen appends those that are open to dst.
func (l *connections) appendOpen(dst []*connection) []*connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		dst = append(dst, c)
	}
	return dst
}

type connectionKey struct{}

// withConnection is the public server's ConnContext: it lets the handler say on
// which connection it answered.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// answeredOn notes that a request with ctx got an answer that Graph could get.
func answeredOn(ctx context.Context, now time.Time) {
	if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
		c.answered.Store(now.UnixNano())
	}
}
