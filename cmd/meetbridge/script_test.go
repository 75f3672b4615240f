package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// The scripts wait for processes of their own most of the time: more of them
	// at once than there are processors. -parallel has the last word.
	testing.Init()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"meetbridge": main})
}

// Ensure that the commands do what their help promises: each script runs the
// real program, as processes of their own. Scripts find addresses that nobody
// listens on in $ADDR1 to $ADDR6; "dial ADDRESS" waits until somebody does.
func TestScripts(t *testing.T) {
	t.Parallel()
	// A run under nohup ignores SIGHUP, and so would everything that it starts.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	ports := &ports{}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDR1", "ADDR2", "ADDR3", "ADDR4", "ADDR5", "ADDR6"} {
				env.Setenv(name, ports.next())
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"dial": dial},
	})
}

// ports finds addresses that nobody listens on, each once. They are below those
// that the system gives to connections going out, one of which might have it
// when it is needed.
type ports struct {
	mu   sync.Mutex
	last int
}

func (p *ports) next() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == 0 {
		p.last = 12_000 + rand.IntN(10_000)
	}
	for {
		p.last++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p.last))
		if err == nil {
			_ = l.Close() // never fails
			return l.Addr().String()
		}
	}
}

func dial(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dial ADDRESS")
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			ts.Check(c.Close())
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nobody listens: %v", err)
		}
	}
}
