package chaos

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func sleeper(t *testing.T, fell func(string, string)) *process {
	t.Helper()
	p := &process{name: "sleeper", dir: t.TempDir(), args: []string{"sleep", "60"}, fell: fell}
	t.Cleanup(p.close)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// The proof of an end is how the process ended, that of a frozen time what the
// kernel said of it meanwhile; an end that nobody asked for is told.
func TestProcess(t *testing.T) {
	t.Parallel()
	fell := make(chan string, 1)
	p := sleeper(t, func(name, how string) { fell <- name + ": " + how })
	pid := p.pid()
	seen := false
	proof, err := freeze([]int{pid}, 250*time.Millisecond, func() { s, err := stateOf(pid); seen = err == nil && s == 'T' })
	if err != nil || !seen || !strings.Contains(proof, "stopped at 3 of 3 looks") {
		t.Errorf("freeze() = %q, %v; stopped meanwhile: %v", proof, err, seen)
	}
	if s, err := stateOf(pid); err != nil || s == 'T' {
		t.Errorf("afterwards its state is %c, %v", s, err)
	}
	proof, err = p.end(syscall.SIGKILL, 5*time.Second)
	if err != nil || !strings.Contains(proof, "signal: killed") || p.incarnation() != 0 {
		t.Errorf("end() = %q, %v", proof, err)
	}
	if err := p.start(); err != nil || p.incarnation() != 2 {
		t.Fatalf("start() = %v, life %d", err, p.incarnation())
	}
	if err := syscall.Kill(p.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := <-fell; got != "sleeper: signal: killed" {
		t.Errorf("told %q", got)
	}
}

// A fault that does not come to pass is not proved.
func TestUnprovedProcess(t *testing.T) {
	t.Parallel()
	p := sleeper(t, func(string, string) {})
	pid := p.pid()
	if _, err := p.end(syscall.SIGKILL, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []int{pid, 0} { // 0 would be ourselves
		if proof, err := freeze([]int{gone}, time.Millisecond, nil); err == nil {
			t.Errorf("freeze(%d) = %q", gone, proof)
		}
	}
	if proof, err := p.end(syscall.SIGKILL, time.Second); err == nil {
		t.Errorf("end() of what does not run = %q", proof)
	}
	stubborn := &process{name: "stubborn", dir: t.TempDir(), args: []string{"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"}, fell: func(string, string) {}}
	t.Cleanup(stubborn.close)
	if err := stubborn.start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // until the trap is set
	if proof, err := stubborn.end(syscall.SIGTERM, 300*time.Millisecond); err == nil {
		t.Errorf("end() of what does not end = %q", proof)
	}
}
