package ingest

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pair returns a connection that the sweep looks after, and its other end.
func pair(t *testing.T) (*connection, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	all := &connections{open: map[*connection]struct{}{}}
	c := &connection{Conn: ours, all: all}
	all.open[c] = struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	go all.sweep(ctx)
	t.Cleanup(func() {
		cancel()
		_ = c.Close()
		_ = theirs.Close()
	})
	return c, theirs
}

// A deadline comes, at most one sweep late (I5), and is forgotten when another is
// set.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, theirs := pair(t)
		read := func() (time.Duration, error) {
			start := time.Now()
			_, err := c.Read(make([]byte, 1))
			return time.Since(start), err
		}
		for _, set := range []func(time.Time) error{c.SetReadDeadline, c.SetDeadline} {
			if err := set(time.Now().Add(2 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if took, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) || took < 2*time.Second || took > 2*time.Second+sweepEvery {
				t.Errorf("read ended after %v: %v", took, err)
			}
		}
		start := time.Now()
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write ended after %v: %v", time.Since(start), err)
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			_, _ = theirs.Write([]byte("x"))
		}()
		if took, err := read(); err != nil || took != time.Minute {
			t.Errorf("read ended after %v: %v", took, err)
		}
	})
}

// One from long ago acts at once: net/http breaks off a read with it, and then
// clears it.
func TestDeadlineLongAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, theirs := pair(t)
		broken := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			broken <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := <-broken; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("read ended after %v: %v", time.Since(start), err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = theirs.Write([]byte("x")) }()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("read after it was cleared: %v", err)
		}
	})
}
