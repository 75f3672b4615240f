//go:build synctests

package ingest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/ingest"
)

// value returns a gauge of ingest.
func value(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "meetbridge_ingest_"+name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// settled waits until a gauge is at most so much.
func settled(t *testing.T, reg *prometheus.Registry, name string, most float64) {
	t.Helper()
	for range 300 {
		if value(t, reg, name) <= most {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s stays at %v", name, value(t, reg, name))
}

// flooded is an ingest on a real socket with short patience, and the client of
// an honest Graph.
type flooded struct {
	*edge
	addr   string
	reg    *prometheus.Registry
	client *http.Client
	sent   int
}

func newFlooded(t *testing.T, change func(*ingest.Config)) *flooded {
	t.Helper()
	f := &flooded{edge: newEdge(t, nil, basicOnly), client: &http.Client{Transport: &http.Transport{}, Timeout: 3 * time.Second}}
	f.addr = f.socket(func(c *ingest.Config) {
		basicOnly(c)
		c.AnswerWithin = 800 * time.Millisecond
		f.reg = c.Metrics
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

// honest posts and wants 202 in time; fresh says on a connection of its own.
func (f *flooded) honest(fresh bool) {
	f.t.Helper()
	if fresh {
		f.client.CloseIdleConnections()
	}
	f.sent++
	start := time.Now()
	resp, err := f.client.Post("http://"+f.addr+ingest.PathNotifications, js, strings.NewReader(post(item("honest", f.sent).String())))
	if err != nil {
		f.t.Errorf("honest POST %d: %v", f.sent, err)
		return
	}
	_ = resp.Body.Close()
	if took := time.Since(start); resp.StatusCode != http.StatusAccepted || took > 2*time.Second {
		f.t.Errorf("honest POST %d: answered %d after %s", f.sent, resp.StatusCode, took)
	}
}

// stored checks that every honest POST is in Kafka, once.
func (f *flooded) stored() {
	f.t.Helper()
	if n := len(f.Records()); n != f.sent {
		f.t.Errorf("%d records of %d honest POSTs", n, f.sent)
	}
}

const head = "POST /graph/notifications HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n"

// Clients that send a byte now and then are answered 408 (in the body) or 400
// (in the head) when their time is over, hold next to nothing meanwhile, and
// disturb nobody.
func TestHostileSlowSenders(t *testing.T) {
	t.Parallel()
	f := newFlooded(t, nil)
	var wg sync.WaitGroup
	for n := range 300 {
		wg.Go(func() {
			c, err := net.Dial("tcp", f.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			start, text, want := time.Now(), head+"Content-Length: 1000000\r\n\r\n", "408"
			switch n % 3 {
			case 1:
				text = head + "Transfer-Encoding: chunked\r\n\r\n"
			case 2:
				text, want = "POST /graph/notifications HTTP/1.1\r\nX-", "400"
			}
			_ = c.SetDeadline(start.Add(4 * time.Second))
			_, _ = io.WriteString(c, text)
			go func() {
				for {
					drip := "1\r\nx\r\n"
					if n%3 != 1 {
						drip = "x"
					}
					if _, err := io.WriteString(c, drip); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
			line, err := bufio.NewReader(c).ReadString('\n')
			took := time.Since(start)
			if err != nil || took > 2900*time.Millisecond || !strings.Contains(line, want) {
				t.Errorf("slow sender %d: got %q after %s", n, line, took)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	if held := value(t, f.reg, "in_flight_bytes"); held > 200*(64<<10+4<<10) {
		t.Errorf("%.0f bytes are reserved for 200 slow bodies", held)
	}
	for n := range 10 {
		f.honest(n%2 == 0)
	}
	wg.Wait()
	settled(t, f.reg, "in_flight_bytes", 0)
	f.honest(true)
	f.stored()
}

// Clients that go away in the middle leave nothing behind, and no record.
func TestHostileLeavers(t *testing.T) {
	t.Parallel()
	f := newFlooded(t, nil)
	whole := post(item("leaver", 1).String())
	for n := range 500 {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		text := head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(whole), whole)
		_, _ = io.WriteString(c, text[:n%(len(text)-1)])
		if tcp, ok := c.(*net.TCPConn); ok && n%2 == 0 {
			_ = tcp.SetLinger(0) // a reset instead of an end
		}
		_ = c.Close()
	}
	f.honest(true)
	settled(t, f.reg, "connections", 1)
	settled(t, f.reg, "in_flight_bytes", 0)
	settled(t, f.reg, "in_flight_requests", 0)
	f.stored()
}

// Clients that never read their answers are cut off, however much they ask.
func TestHostileDeafClients(t *testing.T) {
	t.Parallel()
	f := newFlooded(t, nil)
	ask := strings.Repeat("POST /graph/notifications?validationToken="+strings.Repeat("x", 2000)+" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 100)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			c, err := net.Dial("tcp", f.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(4 << 10)
			}
			_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
			for {
				if _, err := io.WriteString(c, ask); err != nil {
					if errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error("a client that never reads is still served after 10 s")
					}
					return
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	for n := range 5 {
		f.honest(n%2 == 0)
	}
	wg.Wait()
	settled(t, f.reg, "connections", 1)
	f.stored()
}

// More connections than the bound take each other's places: whoever opens
// thousands and says nothing loses the oldest of them, and an honest Graph is
// answered on its old connection and on new ones.
func TestHostileConnections(t *testing.T) {
	t.Parallel()
	const bound, flood = 1024, 3000
	f := newFlooded(t, func(c *ingest.Config) { c.MaxInFlight = 64 })
	f.honest(true)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for n := range flood {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
		open = append(open, c)
		if n%2 == 0 {
			_, _ = io.WriteString(c, "P") // as if a request began
		}
		if n%100 == 0 {
			f.honest(n%200 == 0)
		}
		if n%500 == 0 {
			if got := value(t, f.reg, "connections"); got > bound {
				t.Errorf("%v connections are open, bound is %d", got, bound)
			}
		}
	}
	for range 5 {
		f.honest(true)
	}
	f.stored()
}

// Bodies that never come take a share of the bytes under way each: beyond the
// bound the next is sent away at once, so that their number is bounded however
// many connections or streams they come on.
func TestHostileEmptyPromises(t *testing.T) {
	t.Parallel()
	const places = 64 // of 4 KiB, and of the few bytes that were promised
	f := newFlooded(t, func(c *ingest.Config) { c.MaxBody, c.MaxInFlightBytes = places*4<<10, places*4<<10 })
	codes := make(chan int, 200)
	for range cap(codes) {
		go func() {
			got := wireFor(t, f.addr, head+"Content-Length: 10\r\n\r\n", 2500*time.Millisecond)
			codes <- append(got, 0)[0]
		}()
	}
	counts := map[int]int{}
	for range cap(codes) {
		counts[<-codes]++
	}
	if counts[408] > places || counts[408]+counts[503] != cap(codes) || counts[503] < cap(codes)-places {
		t.Errorf("answers: %v, want at most %d times 408 and 503 for the rest", counts, places)
	}
	f.honest(true)
	settled(t, f.reg, "in_flight_bytes", 0)
	f.stored()
}
