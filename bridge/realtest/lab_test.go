//go:build real

package realtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

// lab is what all tests share: the program, and the containers, which start
// beside each other. Each test has topics of its own, by a prefix.
type lab struct {
	binary string
	ca     *authority

	plain   *broker   // anybody may do anything; restarted by the test of the whole path alone
	guarded *broker   // TLS, logins, ACLs; never restarted
	durable *registry // keeps its schemas in a file; restarted like plain
	memory  *registry // forgets them when it is restarted
}

// Everything that needs a real Kafka and a real registry. The containers are
// shared, so this is one test with many parts.
func TestReal(t *testing.T) {
	testcontainers.SkipIfProviderIsNotHealthy(t)
	l := newLab(t)
	t.Run("WholePath", l.wholePath)
	t.Run("Election", l.election)
	t.Run("Transactions", l.transactions)
	t.Run("Security", l.security)
	t.Run("ACLs", l.acls)
	t.Run("Schemas", l.evolution)
	t.Run("Registry", l.registryTroubles)
	t.Run("Sizes", l.sizes)
}

// newLab builds the program and starts the containers.
func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	ports := &ports{}
	l := &lab{binary: filepath.Join(dir, "meetbridge"), ca: newAuthority(t)}
	l.plain = &broker{lab: l, name: "plain", ports: map[string]int{"OPEN": ports.next(t)}}
	l.guarded = &broker{lab: l, name: "guarded", ports: map[string]int{
		"OPEN": ports.next(t), "MUTUAL": ports.next(t), "PASSWORD": ports.next(t), "CLEAR": ports.next(t),
	}}
	l.durable = &registry{port: ports.next(t), durable: true}
	l.memory = &registry{port: ports.next(t)}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards errs
		errs []error
	)
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	began := time.Now()
	for _, start := range []func(context.Context, *testing.T) error{
		l.plain.start, l.guarded.start, l.durable.start, l.memory.start,
		func(ctx context.Context, _ *testing.T) error {
			out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.binary, "meetbridge/cmd/meetbridge").CombinedOutput()
			if err != nil {
				return fmt.Errorf("build the program: %w: %s", err, out)
			}
			return nil
		},
	} {
		wg.Go(func() {
			if err := start(ctx, t); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		t.Error(err)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	t.Logf("two brokers and two registries are up after %s", time.Since(began).Round(time.Millisecond))
	return l
}

// ports finds ports that nobody listens on, below those that the system gives to
// connections going out. They are chosen before the containers start, since a
// broker has to know under which address it is reached, and stay the same when
// one is restarted.
type ports struct {
	mu   sync.Mutex
	last int
}

func (p *ports) next(t *testing.T) int {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == 0 {
		p.last = 22_000 + rand.IntN(8_000)
	}
	for range 1000 {
		p.last++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p.last))
		if err == nil {
			_ = l.Close() // never fails
			return p.last
		}
	}
	t.Fatal("no port is free")
	return 0
}

// freeAddress returns an address on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// await waits until what is true.
func await(t *testing.T, within time.Duration, what string, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
