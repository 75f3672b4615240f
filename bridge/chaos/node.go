package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// scripts are those that start Kafka and the registry as processes.
type scripts struct {
	dir, home string   // where they are, and where they keep their things
	env       []string // beside this process's own
}

// run runs one of them and returns what it printed.
func (s scripts) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.dir, args[0]), args[1:]...)
	cmd.Env = append(append(cmd.Environ(), "INFRA_HOME="+s.home), s.env...)
	var said strings.Builder
	cmd.Stderr = &said
	// What it leaves behind holds its output open: that is not to be waited for.
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return "", fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, lastLine(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// server is a process that the scripts started: a Kafka node or the registry.
type server struct {
	name    string
	scripts scripts
	pidFile string
	again   []string      // the script that starts it on what it had
	up      func() bool   // whether it answers
	within  time.Duration // how long it may take to answer
}

// pid returns the id of the process, 0 for none that lives.
func (s *server) pid() int {
	b, err := os.ReadFile(s.pidFile)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	if state, err := stateOf(pid); err != nil || state == 'Z' {
		return 0
	}
	return pid
}

// end sends sig and waits for the end, which it returns in words.
func (s *server) end(sig syscall.Signal, within time.Duration) (string, error) {
	pid := s.pid()
	if pid == 0 {
		return "", fmt.Errorf("end %s: it does not run", s.name)
	}
	began := time.Now()
	if err := syscall.Kill(pid, sig); err != nil {
		return "", fmt.Errorf("signal %s: %w", s.name, err)
	}
	for s.pid() == pid {
		if time.Since(began) > within {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return fmt.Sprintf("process %d: still there %s after %s, killed then", pid, within, sig), nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Sprintf("process %d: gone %s after %s", pid, time.Since(began).Round(time.Millisecond), sig), nil
}

// start starts it on what it had and waits until it answers.
func (s *server) start(ctx context.Context) error {
	if s.pid() != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	_, err := s.scripts.run(ctx, s.again...)
	for !s.up() { // on a busy machine the script may have given up too soon
		if s.pid() == 0 && err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start %s: it does not answer after %s", s.name, s.within)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// accepts reports whether something listens at addr.
func accepts(addr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// freeAddr returns an address of loopback that nobody listens on.
func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
