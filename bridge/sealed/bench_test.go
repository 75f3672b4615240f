package sealed_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge/sealed"
)

// workload is what is opened in benchmarks: 2 KB, as a chat message of some
// length has, for a key of so many bits.
type workload struct {
	goRSA, unwrap, open func() error
}

func newWorkload(b *testing.B, bits int) workload {
	b.Helper()
	key := readOfficial(b).key
	if bits != key.N.BitLen() {
		key = readPrivate(b, map[int]string{2048: "one.pem", 3072: "rsa-3072.pem"}[bits])
	}
	ring := load(b, map[string][]byte{"key.pem": pkcs8(b, key)})
	plain := fmt.Appendf(nil, `{"id":"1","body":{"content":%q}}`, strings.Repeat("Good morning. ", 144))
	content := sealing{public: &key.PublicKey}.seal(b, "key", plain)
	wrapped, err := base64.StdEncoding.DecodeString(content.DataKey)
	if err != nil {
		b.Fatal(err)
	}
	unwrap, err := sealed.Unwrapper(key)
	if err != nil {
		b.Fatal(err)
	}
	return workload{
		goRSA: func() error {
			_, err := rsa.DecryptOAEP(sha1.New(), nil, key, wrapped, nil)
			return err
		},
		unwrap: func() error {
			_, err := unwrap(wrapped)
			return err
		},
		open: func() error {
			got, err := ring.Open(content)
			if err == nil && !bytes.Equal(got, plain) {
				err = errors.New("opened something else")
			}
			return err
		},
	}
}

func keySizes() []int { return []int{2048, 3072, 4096} }

func parallel(b *testing.B, op func() error) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := op(); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkUnwrapLimit is the private-key operation alone, by the implementation
// that was built in: the limit of whatever opens sealed content.
func BenchmarkUnwrapLimit(b *testing.B) {
	for _, bits := range keySizes() {
		w := newWorkload(b, bits)
		b.Run(strconv.Itoa(bits), func(b *testing.B) { parallel(b, w.unwrap) })
	}
}

// BenchmarkOpen opens a payload of 2 KB.
func BenchmarkOpen(b *testing.B) {
	for _, bits := range keySizes() {
		w := newWorkload(b, bits)
		b.Run(strconv.Itoa(bits), func(b *testing.B) { parallel(b, w.open) })
	}
}

// BenchmarkRatios compares within one run and by turns, since what else a machine
// does changes by the second: of_limit is Ring.Open to the private-key operation
// alone, of_openssl the latter to OpenSSL's own benchmark, if its command is
// there. An iteration takes some 3.5 s for each size of key; the figures are
// medians over the iterations, so give it several (-benchtime 9x).
func BenchmarkRatios(b *testing.B) {
	b.Log(sealed.Implementation())
	for _, bits := range keySizes() {
		w := newWorkload(b, bits)
		b.Run(strconv.Itoa(bits), func(b *testing.B) {
			seen := map[string][]float64{}
			for range b.N {
				both := perSecond(b, time.Second, w.unwrap, w.open)
				seen["unwrap/s"] = append(seen["unwrap/s"], both[0])
				seen["open/s"] = append(seen["open/s"], both[1])
				seen["of_limit"] = append(seen["of_limit"], both[1]/both[0])
				seen["crypto_rsa/s"] = append(seen["crypto_rsa/s"], perSecond(b, time.Second/2, w.goRSA)...)
				if openssl := opensslSpeed(b, bits); openssl > 0 {
					seen["openssl_speed/s"] = append(seen["openssl_speed/s"], openssl)
					seen["of_openssl"] = append(seen["of_openssl"], both[0]/openssl)
				}
			}
			b.ReportMetric(0, "ns/op")
			for unit, values := range seen {
				slices.Sort(values)
				median := values[len(values)/2]
				b.ReportMetric(median, unit)
				if unit == "of_openssl" && median < 0.85 && strings.HasPrefix(sealed.Implementation(), "OpenSSL") {
					b.Errorf("%.2f of what OpenSSL does by itself, want 0.85", median)
				}
			}
		})
	}
}

// perSecond returns how often each of ops alone would run in a second on all
// processors, from d in which each goroutine runs one after the other.
func perSecond(b *testing.B, d time.Duration, ops ...func() error) []float64 {
	b.Helper()
	rates := make([]float64, len(ops))
	var mu sync.Mutex // guards rates
	var all sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			took := make([]time.Duration, len(ops))
			rounds := 0.0
			for ; time.Since(began) < d; rounds++ {
				for i, op := range ops {
					start := time.Now()
					if err := op(); err != nil {
						b.Error(err)
					}
					took[i] += time.Since(start)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range ops {
				rates[i] += rounds / took[i].Seconds()
			}
		})
	}
	all.Wait()
	return rates
}

// opensslSpeed returns the private-key operations per second of "openssl speed"
// in as many processes as we have processors, by the clock on the wall as ours, or 0
// if there is no such command.
func opensslSpeed(b *testing.B, bits int) float64 {
	b.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		return 0
	}
	out, err := exec.CommandContext(context.Background(), openssl, "speed", "-elapsed", "-mr", "-seconds", "1",
		"-multi", strconv.Itoa(runtime.GOMAXPROCS(0)), "rsa"+strconv.Itoa(bits)).Output()
	if err != nil {
		b.Fatalf("openssl speed: %v", err)
	}
	// The last line is the sum: +F2:<n>:<bits>:<signatures a second>:<verifications a second>
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	fields := strings.Split(lines[len(lines)-1], ":")
	if len(fields) != 5 || fields[0] != "+F2" {
		b.Fatalf("openssl speed said %q", lines[len(lines)-1])
	}
	perSecond, err := strconv.ParseFloat(fields[3], 64)
	if err != nil {
		b.Fatal(err)
	}
	return perSecond
}
