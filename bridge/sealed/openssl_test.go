//go:build openssl && linux

package sealed_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"meetbridge/bridge/sealed"
)

func TestImplementation(t *testing.T) {
	t.Parallel()
	if got := sealed.Implementation(); !strings.HasPrefix(got, "OpenSSL ") {
		t.Errorf("built with %q", got)
	}
}

// TestUnwrapperIsFreed: what OpenSSL holds of a key that is no longer in use is
// given back, copies for each processor and all. So many keys would take 4 MiB.
func TestUnwrapperIsFreed(t *testing.T) {
	key := readPrivate(t, "one.pem")
	makeSome := func() int {
		for range 20 {
			for range 50 {
				if _, err := sealed.Unwrapper(key); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
		}
		return resident(t)
	}
	before := makeSome()
	if grown := makeSome() - before; grown > 2<<20 {
		t.Errorf("grown by %d KiB", grown>>10)
	}
}

// resident returns the bytes of memory that the process holds.
func resident(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestRefusedByConfiguration: where OpenSSL's configuration forbids what is
// needed, the key file is skipped with the reason, and nothing else happens.
func TestRefusedByConfiguration(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "openssl.cnf")
	err := os.WriteFile(config, []byte("openssl_conf = init\n[init]\nalg_section = evp\n[evp]\ndefault_properties = no.such.property=yes\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	self := exec.Command(os.Args[0], "-test.run=^TestOfficialVector$")
	self.Env = append(self.Environ(), "OPENSSL_CONF="+config)
	out, err := self.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("OpenSSL does not take the private key")) || bytes.Contains(out, []byte("panic")) {
		t.Errorf("%v: %s", err, out)
	}
}
