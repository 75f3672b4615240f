package ingest

import (
	"context"
	"sync"
	"time"
)

const (
	// sweepEvery is how late a deadline may come.
	sweepEvery = 100 * time.Millisecond
	// longAgo is before every deadline that is meant to be waited for, in the year
	// 2000 of virtual time too: net/http sets one from 1970 to break off a read at once.
	longAgo = 500_000_000 // Unix s
)

// deadlines are those of one connection. A server sets several for each request,
// nearly all to be set anew before they come, and a timer of the runtime for each
// costs a noticeable part of the request. Here they are only noted, and one sweep
// over all connections acts on those that have come, at most sweepEvery late.
type deadlines struct {
	mu          sync.Mutex // guards all below
	read, write deadline
}

// deadline is one direction's.
type deadline struct {
	by    time.Time // zero: none
	armed bool      // the connection itself has one
}

// set notes that t is d's deadline from now on; arm sets the connection's own.
func (d *deadline) set(t time.Time, arm func(time.Time) error) error {
	d.by = t
	switch {
	case !t.IsZero() && t.Unix() < longAgo:
		d.armed = true
		return arm(t)
	case d.armed:
		d.armed = false
		return arm(time.Time{})
	}
	return nil
}

// sweep ends what waits beyond its deadline.
func (d *deadline) sweep(now time.Time, arm func(time.Time) error) {
	if d.armed || d.by.IsZero() || now.Before(d.by) {
		return
	}
	d.armed = true
	_ = arm(d.by) // fails for a connection that is closed
}

// SetReadDeadline is net.Conn's, at most sweepEvery late.
func (c *connection) SetReadDeadline(t time.Time) error {
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	return c.by.read.set(t, c.Conn.SetReadDeadline)
}

// SetWriteDeadline is net.Conn's, at most sweepEvery late.
func (c *connection) SetWriteDeadline(t time.Time) error {
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	return c.by.write.set(t, c.Conn.SetWriteDeadline)
}

// SetDeadline is net.Conn's, at most sweepEvery late.
func (c *connection) SetDeadline(t time.Time) error {
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	if err := c.by.read.set(t, c.Conn.SetReadDeadline); err != nil {
		return err
	}
	return c.by.write.set(t, c.Conn.SetWriteDeadline)
}

func (c *connection) sweep(now time.Time) {
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	c.by.read.sweep(now, c.Conn.SetReadDeadline)
	c.by.write.sweep(now, c.Conn.SetWriteDeadline)
}

// sweep looks after the deadlines of the open connections until ctx ends: whoever
// runs it lets it outlive the server.
func (l *connections) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var open []*connection
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		open = l.appendOpen(open[:0])
		for _, c := range open {
			c.sweep(now)
		}
		clear(open) // keep none of them from the collector
	}
}
