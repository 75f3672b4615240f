package chaos

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// echo answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if _, err := fmt.Fprintln(c, lines.Text()); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// ask sends a line and returns how long its answer took, or why none came.
func ask(c net.Conn, within time.Duration) (time.Duration, error) {
	began := time.Now()
	if _, err := fmt.Fprintln(c, "there?"); err != nil {
		return 0, err
	}
	if err := c.SetReadDeadline(began.Add(within)); err != nil {
		return 0, err
	}
	_, err := c.Read(make([]byte, 64))
	return time.Since(began), err
}

// Each manner does what it says to those who are connected, says that it did,
// and is over when it is over: what was held arrives then.
func TestLinkManners(t *testing.T) {
	t.Parallel()
	for _, m := range []manner{cut, slow, deaf, mute, silence} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			k, err := newLink(context.Background(), "test", echo(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.close)
			dial := func() net.Conn {
				c, err := net.Dial("tcp", k.addr())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
				return c
			}
			c := dial()
			if took, err := ask(c, 5*time.Second); err != nil {
				t.Fatalf("before: %v after %s", err, took)
			}
			const hold, delay = 300 * time.Millisecond, 60 * time.Millisecond
			proof := make(chan string, 1)
			go func() {
				p, err := misbehave([]*link{k}, m, delay, hold, 5*time.Second)
				if err != nil {
					p = err.Error()
				}
				proof <- p
			}()
			for { // until it has begun
				k.mu.Lock()
				begun := k.manner == m
				k.mu.Unlock()
				if begun {
					break
				}
				time.Sleep(time.Millisecond)
			}
			took, err := ask(c, 10*time.Second)
			said := <-proof
			switch m {
			case cut:
				if err == nil || !strings.Contains(said, "1 connections cut") {
					t.Errorf("a connection that is cut answered after %s; proof %q", took, said)
				}
				if _, err := ask(dial(), 5*time.Second); err != nil {
					t.Errorf("after it: %v", err)
				}
			case slow:
				if err != nil || took < 2*delay || !strings.Contains(said, "2 pieces delayed") {
					t.Errorf("answered after %s (%v), want two delays of %s; proof %q", took, err, delay, said)
				}
			default:
				if err != nil || took < hold/2 || !strings.Contains(said, "pieces held") {
					t.Errorf("answered after %s (%v), want the end of the trouble; proof %q", took, err, said)
				}
			}
		})
	}
}

// What nobody feels is no fault that was proved.
func TestUnfelt(t *testing.T) {
	t.Parallel()
	k, err := newLink(context.Background(), "test", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.close)
	if proof, err := misbehave([]*link{k}, silence, 0, time.Millisecond, time.Millisecond); err == nil {
		t.Errorf("proof %q of what nobody felt", proof)
	}
}
