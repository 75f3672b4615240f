//go:build figures && linux

package main_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/graph/graphsim/load"
)

// The figures of ingest as a process of its own, the broker in another: make
// figures, and make soak for the long one.

// soakFor is how long the full load of TestSoak lasts.
var soakFor = flag.Duration("soak", time.Minute, "how long TestSoak loads ingest")

const (
	soakState  = "soak-client-state"
	mostMemory = 64 << 20 // bytes that ingest may hold under full load
	readyIn    = 500 * time.Millisecond
	drainedIn  = 5 * time.Second
)

// site is a broker and an ingest, each a process.
type site struct {
	t      *testing.T
	binary string
	dir    string
	kafka  string // host:port
	reg    string // URL
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), kafka: free(t), reg: free(t)}
	s.binary = filepath.Join(s.dir, "meetbridge")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "states"), []byte(soakState+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("broker", "--kafka-listen", s.kafka, "--registry-listen", s.reg)
	s.reg = "http://" + s.reg
	await(t, 10*time.Second, func() bool { return answers(s.reg + "/subjects") })
	return s
}

// free returns an address of loopback that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// process is one that was started.
type process struct {
	*exec.Cmd
	said   bytes.Buffer // on stderr; to be read when it has ended
	public string
	admin  string
}

func (s *site) run(args ...string) *process {
	s.t.Helper()
	p := &process{Cmd: exec.Command(s.binary, args...)}
	p.Stderr = &p.said
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// ingest starts one and returns it when it is ready, with the time that took.
func (s *site) ingest() (*process, time.Duration) {
	s.t.Helper()
	public, admin := free(s.t), free(s.t)
	start := time.Now()
	p := s.run("ingest", "--listen", public, "--admin-listen", admin, "--kafka-brokers", s.kafka, "--registry-url", s.reg,
		"--create-topics", "--topic-replication", "1", "--client-states", filepath.Join(s.dir, "states"))
	p.public, p.admin = public, "http://"+admin
	await(s.t, 10*time.Second, func() bool { return answers(p.admin + "/readyz") })
	return p, time.Since(start)
}

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func await(t *testing.T, within time.Duration, done func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v", within)
		}
	}
}

// posts are basic ones of every type, of one item each.
func (s *site) posts() *load.Posts {
	s.t.Helper()
	r, err := load.NewRecorder(s.t.Context(), graphsim.Config{Seed: uint64(time.Now().UnixNano()), Basic: true, ClientState: func(string) string { return soakState }})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = r.Stop(context.Background()) }()
	p, err := r.Posts(s.t.Context(), 4000, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// stored returns how many records Kafka holds, and how many of them in quarantine.
func (s *site) stored() (all, quarantined int64) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if strings.HasPrefix(o.Topic, "teams.") && o.Topic != bridge.RecentIDs("teams.") {
			all += o.Offset
		}
		if o.Topic == "teams.quarantine" {
			quarantined += o.Offset
		}
	})
	return all, quarantined
}

// memory returns the resident memory of a process in bytes.
func memory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// TestStart is how long a process takes until it is ready, topics and schemas
// there.
func TestStart(t *testing.T) {
	s := newSite(t)
	_, first := s.ingest()
	var worst time.Duration
	for range 5 {
		_, took := s.ingest()
		worst = max(worst, took)
	}
	t.Logf("ready after %v where topics and schemas had to be made, after at most %v later", first, worst)
	if worst > readyIn {
		t.Errorf("ready after %v, want %v", worst, readyIn)
	}
}

// TestDrain ends a process under load (I1): each POST that it took is answered.
// Kafka is there, so what it took is stored, and the sender knows of all of it.
func TestDrain(t *testing.T) {
	s := newSite(t)
	p, _ := s.ingest()
	posts := s.posts()
	done := make(chan load.Result)
	go func() { done <- load.Open(t.Context(), p.public, posts, 64, 2000, 4*time.Second) }()
	time.Sleep(2 * time.Second)
	start := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := p.Wait()
	took := time.Since(start)
	r := <-done
	all, _ := s.stored()
	t.Logf("ended in %v; answers %v; acknowledged %d, stored %d", took, r.Codes, r.Acked, all)
	if err != nil || took > drainedIn {
		t.Errorf("ended in %v: %v\n%s", took, err, p.said.String())
	}
	if all != r.Acked {
		t.Errorf("acknowledged %d, stored %d", r.Acked, all)
	}
}

// TestSoak is the full load for a long time: memory is bounded and stays flat, and
// all that was acknowledged is in Kafka (I1).
func TestSoak(t *testing.T) {
	s := newSite(t)
	p, _ := s.ingest()
	posts := s.posts()
	ctx, cancel := context.WithTimeout(t.Context(), *soakFor)
	defer cancel()
	var total load.Result
	var wg sync.WaitGroup
	wg.Go(func() { total = load.Closed(ctx, p.public, posts, 64, 1<<62) })
	var samples []int64
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for next := time.Duration(0); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-tick.C:
			samples = append(samples, memory(t, p.Process.Pid))
			if at := time.Duration(len(samples)) * time.Second; at >= next {
				t.Logf("%6v  %5.1f MB", at, float64(samples[len(samples)-1])/(1<<20))
				next += *soakFor / 10
			}
		}
	}
	wg.Wait()
	third := len(samples) / 3
	middle, end, most := mean(samples[third:2*third]), mean(samples[2*third:]), int64(0)
	for _, m := range samples {
		most = max(most, m)
	}
	all, quarantined := s.stored()
	t.Logf("%d POSTs in %v, %.0f/s, %v; memory at most %.1f MB, %.1f MB in the second third, %.1f MB in the last; acknowledged %d, stored %d",
		total.Posts(), total.Elapsed.Round(time.Second), float64(total.Posts())/total.Elapsed.Seconds(), total.Codes,
		float64(most)/(1<<20), middle/(1<<20), end/(1<<20), total.Acked, all)
	if most > mostMemory {
		t.Errorf("memory reached %d bytes, want at most %d", most, mostMemory)
	}
	if end > 1.1*middle {
		t.Error("memory grows")
	}
	if all < total.Acked || all > total.Acked+64 || quarantined > 0 { // those that the load's end cut off may be there
		t.Errorf("acknowledged %d, stored %d, %d of them in quarantine", total.Acked, all, quarantined)
	}
}

func mean(samples []int64) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s)
	}
	return sum / float64(max(len(samples), 1))
}
