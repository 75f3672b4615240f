package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one of the bridge's: started, ended and started again with the same
// arguments.
type process struct {
	name string // its log is name.log in dir
	dir  string
	args []string
	fell func(name, how string) // is told when it ended and nobody had asked

	mu    sync.Mutex // guards the rest
	cmd   *exec.Cmd  // nil: not running
	life  int        // number of the running or last one, from 1
	meant bool       // its end was asked for
	shut  bool       // it is not to run again
	ended chan struct{}
	state *os.ProcessState
}

// start runs it. Its standard error goes to its log.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil || p.shut {
		return fmt.Errorf("start %s: it runs already, or is not to run again", p.name)
	}
	log, err := os.OpenFile(filepath.Join(p.dir, p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own
	out, err := os.OpenFile(filepath.Join(p.dir, p.name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(p.args[0], p.args[1:]...) //nolint:noctx // it outlives whoever starts it, and is killed by close
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's interrupt is the driver's to handle
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.meant, p.ended = cmd, false, make(chan struct{})
	p.life++
	go p.reap(cmd, p.ended)
	return nil
}

func (p *process) reap(cmd *exec.Cmd, ended chan struct{}) {
	_ = cmd.Wait() // ProcessState says how it ended
	p.mu.Lock()
	p.state = cmd.ProcessState
	p.cmd = nil
	meant := p.meant
	p.mu.Unlock()
	close(ended)
	if !meant {
		p.fell(p.name, cmd.ProcessState.String())
	}
}

// incarnation returns the number of the running process, 0 for none.
func (p *process) incarnation() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.life
}

// end sends sig and waits for the end, which it returns in words: the proof that
// it came. A process that has not ended after within is killed, and that is an
// error.
func (p *process) end(sig syscall.Signal, within time.Duration) (string, error) {
	p.mu.Lock()
	if p.cmd == nil {
		p.mu.Unlock()
		return "", fmt.Errorf("end %s: it does not run", p.name)
	}
	cmd, ended := p.cmd, p.ended
	p.meant = true
	p.mu.Unlock()
	began := time.Now()
	if err := cmd.Process.Signal(sig); err != nil {
		return "", fmt.Errorf("signal %s: %w", p.name, err)
	}
	select {
	case <-ended:
	case <-time.After(within):
		_ = cmd.Process.Kill()
		<-ended
		return "", fmt.Errorf("end %s: it had not ended %s after %s", p.name, within, sig)
	}
	return fmt.Sprintf("process %d: %s after %s", cmd.Process.Pid, p.state, time.Since(began).Round(time.Millisecond)), nil
}

// wait returns its exit code once it has ended by itself.
func (p *process) wait(within time.Duration) (int, error) {
	p.mu.Lock()
	p.meant = true
	ended := p.ended
	p.mu.Unlock()
	select {
	case <-ended:
		return p.state.ExitCode(), nil
	case <-time.After(within):
		return 0, fmt.Errorf("wait for %s: it still runs after %s", p.name, within)
	}
}

// pid returns the id of the running process, 0 for none.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// close kills it if it still runs, for good.
func (p *process) close() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	if p.pid() != 0 {
		_ = syscall.Kill(p.pid(), syscall.SIGCONT)
		_, _ = p.end(syscall.SIGKILL, 10*time.Second)
	}
}

// errGone says that there is no such process.
var errGone = errors.New("chaos: no such process")

// stateOf returns the kernel's letter for the state of a process: R, S, D, T
// (stopped), Z (dead, not reaped yet).
func stateOf(pid int) (byte, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("%w: %d", errGone, pid)
	}
	// pid (name) state …; the name may hold anything.
	text := string(b)
	if i := strings.LastIndexByte(text, ')'); i >= 0 && len(text) > i+2 {
		return text[i+2], nil
	}
	return 0, fmt.Errorf("read the state of process %d: %q", pid, text)
}

// freeze stops processes for a time and returns the proof: how often they were
// looked at and found stopped, out of how many looks. during, if set, is called
// once all of them are seen to be stopped.
func freeze(pids []int, hold time.Duration, during func()) (string, error) {
	for _, pid := range pids {
		if pid <= 1 { // a signal to 0 goes to ourselves
			return "", errors.New("stop a process: it does not run")
		}
		defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return "", fmt.Errorf("stop process %d: %w", pid, err)
		}
	}
	stopped := func() bool {
		for _, pid := range pids {
			if s, err := stateOf(pid); err != nil || s != 'T' {
				return false
			}
		}
		return true
	}
	for until := time.Now().Add(2 * time.Second); !stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			return "", fmt.Errorf("stop processes %v: they still run", pids)
		}
	}
	if during != nil {
		during()
	}
	looks, seen := 0, 0
	for until := time.Now().Add(hold); time.Now().Before(until); time.Sleep(min(100*time.Millisecond, time.Until(until))) {
		looks++
		if stopped() {
			seen++
		}
	}
	if seen < looks {
		return "", fmt.Errorf("stop processes %v: stopped at %d of %d looks", pids, seen, looks)
	}
	return fmt.Sprintf("processes %v stopped at %d of %d looks", pids, seen, looks), nil
}
