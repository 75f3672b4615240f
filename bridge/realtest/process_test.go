//go:build real

package realtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// site is where one test runs the program: a directory, a prefix of topics, and
// the settings that all its processes have.
type site struct {
	t        *testing.T
	lab      *lab
	dir      string
	settings []string // flags of Kafka and the registry
	prefix   string
	public   string // address of its ingest; "" before there is one
}

// newSite returns a site at a broker that lets everybody in.
func (l *lab) newSite(t *testing.T, prefix string, b *broker, registryURL string) *site {
	t.Helper()
	return &site{t: t, lab: l, dir: t.TempDir(), prefix: prefix, settings: []string{
		"--kafka-brokers", b.addr("OPEN"), "--registry-url", registryURL, "--topic-prefix", prefix,
	}}
}

// try runs a command to its end.
func (s *site) try(args ...string) (stdout, stderr string, err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.lab.binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// do runs a command that has to end well, and returns what it printed.
func (s *site) do(args ...string) string {
	s.t.Helper()
	out, errs, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("meetbridge %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

// process is the program, running.
type process struct {
	t     *testing.T
	name  string
	admin string // address of its admin port
	cmd   *exec.Cmd
	ended chan struct{}
	said  output
}

// run starts a process that ends with the test.
func (s *site) run(name string, args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, name: name, ended: make(chan struct{})}
	p.cmd = exec.Command(s.lab.binary, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState says how it ended
	}()
	s.t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if s.t.Failed() {
			s.t.Logf("the last words of %s:\n%s", name, p.said.tail(20))
		}
	})
	return p
}

// runAdmin starts one that has an admin port.
func (s *site) runAdmin(name string, args ...string) *process {
	s.t.Helper()
	admin := freeAddress(s.t)
	p := s.run(name, append(args, "--admin-listen", admin, "--log-format", "text")...)
	p.admin = admin
	return p
}

// end sends a signal and waits for the end.
func (p *process) end(sig syscall.Signal) {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	if err := p.cmd.Process.Signal(sig); err != nil {
		return // it has ended
	}
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("%s did not end within 15 s of %s", p.name, sig)
	}
}

// runs reports whether it has not ended.
func (p *process) runs() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// get asks the admin port.
func (p *process) get(path string) (code int, body string) {
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Get("http://" + p.admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// ready waits until /readyz says so.
func (p *process) ready() {
	p.t.Helper()
	body := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var code int
		if code, body = p.get("/readyz"); code == http.StatusOK {
			return
		}
		if !p.runs() {
			break
		}
	}
	p.t.Fatalf("%s is not ready: %s", p.name, body)
}

// metric returns the sum of the series of a metric that have the label; 0 for
// none.
func (p *process) metric(name, label string) (sum float64) {
	_, body := p.get("/metrics")
	for line := range strings.Lines(body) {
		if series, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(series, name) && strings.Contains(series, label) {
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				sum += n
			}
		}
	}
	return sum
}

// output is what a process has printed. It is safe for concurrent use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to it.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String returns all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(o.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func logTail(t *testing.T, name string, c *testcontainers.DockerContainer) {
	t.Helper()
	logs, err := c.Logs(context.Background())
	if err != nil {
		return
	}
	defer func() { _ = logs.Close() }()
	var o output
	if _, err := io.Copy(&o, logs); err != nil && !errors.Is(err, io.EOF) {
		return
	}
	t.Logf("the last words of %s:\n%s", name, o.tail(8))
}
