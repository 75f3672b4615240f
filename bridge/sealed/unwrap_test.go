package sealed_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"math/big"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"meetbridge/bridge"
	"meetbridge/bridge/sealed"
)

// TestUnwrap compares the implementation that was built in with Go's, over keys
// of every kind that a file may hold: each opens what the other does, and no
// failure tells itself from another.
func TestUnwrap(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one.pem", "rsa-2050.pem", "rsa-3072.pem", "rsa-exponent-3.pem", "rsa-three-primes.pem"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := readPrivate(t, name)
			unwrap, err := sealed.Unwrapper(key)
			if err != nil {
				t.Fatal(err)
			}
			size := key.Size()
			number := func(n *big.Int) []byte { return n.FillBytes(make([]byte, size)) }
			n := key.N
			wrapped := map[string][]byte{
				"zero":               number(big.NewInt(0)),
				"one":                number(big.NewInt(1)),
				"modulus less one":   number(new(big.Int).Sub(n, big.NewInt(1))),
				"modulus":            number(n),
				"modulus and one":    number(new(big.Int).Add(n, big.NewInt(1))),
				"the highest number": bytes.Repeat([]byte{0xff}, size),
				"OAEP with SHA-256":  encrypt(rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, make([]byte, 32), nil)),
				"OAEP with a label":  encrypt(rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, make([]byte, 32), []byte("label"))),
			}
			for _, length := range []int{0, 1, 32, size - 42} {
				wrapped[fmt.Sprintf("%d bytes", length)] = encrypt(rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, bytes.Repeat([]byte{7}, length), nil))
			}
			failure, opened := "", 0
			for what, in := range wrapped {
				before := bytes.Clone(in)
				got, err := unwrap(in)
				want, wantErr := rsa.DecryptOAEP(sha1.New(), nil, key, in, nil)
				if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
					t.Errorf("%s: %x, %v; Go says %x, %v", what, got, err, want, wantErr)
				}
				if !bytes.Equal(in, before) {
					t.Errorf("%s: the wrapped key was written to", what)
				}
				switch {
				case err == nil:
					opened++
				case got != nil || failure != "" && err.Error() != failure:
					t.Errorf("%s: %x, %q; others fail with %q", what, got, err, failure)
				default:
					failure = err.Error()
				}
			}
			if opened != 4 {
				t.Errorf("%d opened, want 4", opened)
			}
			// A ring has looked at the length before. Should it forget to, nothing is
			// written where it must not be.
			for _, in := range [][]byte{nil, make([]byte, 1), make([]byte, size-1), make([]byte, size+1), wrapped["32 bytes"][:size-1], append(wrapped["32 bytes"], 0), make([]byte, 1<<16)} {
				if got, err := unwrap(in); err == nil {
					t.Errorf("%d bytes opened to %x", len(in), got)
				}
			}
		})
	}
}

func encrypt(wrapped []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return wrapped
}

// TestOpenConcurrently opens good and bad content on many goroutines, while rings
// are loaded anew and old ones collected: each answer is that of its content.
func TestOpenConcurrently(t *testing.T) {
	t.Parallel()
	one, other := twoPEMs(t)
	key, _ := blocks(t, one)
	stranger, _ := blocks(t, other)
	good := sealing{public: &key.PublicKey}.seal(t, "one", []byte(`{"good":1}`))
	bad := sealing{public: &stranger.PublicKey}.seal(t, "one", []byte(`{"bad":1}`))
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for range 2 {
				ring := load(t, map[string][]byte{"one.pem": one})
				for i := range 6 {
					if (worker+i)%2 == 0 {
						if got, err := ring.Open(good); err != nil || string(got) != `{"good":1}` {
							t.Errorf("good: %q, %v", got, err)
						}
					} else if got, err := ring.Open(bad); got != nil || reason(t, err) != bridge.DataKeyUnopened {
						t.Errorf("bad: %q, %v", got, err)
					}
				}
				runtime.GC()
			}
		})
	}
	all.Wait()
}

// TestCgoOnlyWithTag: without the build tag openssl no package but Go's own has
// C in it, and none at all with cgo off; with the tag only this one; and with the
// tag but without cgo, the file that does not compile is in the build.
func TestCgoOnlyWithTag(t *testing.T) {
	t.Parallel()
	list := func(cgo, tags, template string, args ...string) []string {
		cmd := exec.Command("go", append([]string{"list", "-tags", tags, "-f", template}, args...)...)
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED="+cgo)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		return strings.Fields(string(out))
	}
	const (
		withC  = `{{if .CgoFiles}}{{.ImportPath}}{{end}}`
		ours   = `{{if and .CgoFiles (not .Standard)}}{{.ImportPath}}{{end}}`
		binary = "meetbridge/cmd/meetbridge"
	)
	if got := list("1", "", ours, "-deps", binary); len(got) != 0 {
		t.Errorf("without the tag: C in %v", got)
	}
	if got := list("0", "", withC, "-deps", binary); len(got) != 0 {
		t.Errorf("without cgo: C in %v", got)
	}
	if got := list("1", "openssl", ours, "-deps", binary); !slices.Equal(got, []string{"meetbridge/bridge/sealed"}) {
		t.Errorf("with the tag: C in %v", got)
	}
	got := list("0", "openssl", `{{range .GoFiles}}{{.}} {{end}}`, "meetbridge/bridge/sealed")
	if !slices.Contains(got, "unwrap_nocgo.go") || slices.Contains(got, "unwrap_go.go") {
		t.Errorf("with the tag, without cgo: %v", got)
	}
}
