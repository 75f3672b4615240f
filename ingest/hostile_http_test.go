//go:build synctests

package ingest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"meetbridge/ingest"
)

// Forms of HTTP that two readers could read in two ways are refused, or read as
// RFC 9112 says with the connection's end known; whatever was answered 202 is in
// Kafka, and nothing else is: no request hides in another's body.
func TestHostileHTTP(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	addr := e.socket(basicOnly)
	n := 0
	body := func() string { n++; return post(item("wire", n).String()) }
	chunked := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(s), s) }
	const start = "POST /graph/notifications HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n"
	hidden := "POST /graph/notifications HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
	length := func(s string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(s)) }
	var want atomic.Int64
	var wg sync.WaitGroup
	for _, c := range []struct {
		name  string
		text  func(b string) string
		codes []int
	}{
		{"plain", func(b string) string { return start + length(b) + "\r\n" + b }, []int{202}},
		{"two at once", func(b string) string {
			b = start + length(b) + "\r\n" + b
			return b + start + "Content-Length: 0\r\n\r\n"
		}, []int{202, 400}},
		{"chunked", func(b string) string { return start + "Transfer-Encoding: chunked\r\n\r\n" + chunked(b) }, []int{202}},
		{"chunked with trailers", func(b string) string {
			return start + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + strings.TrimSuffix(chunked(b), "\r\n") + "X-Sum: 1\r\nContent-Length: 7\r\n\r\n"
		}, []int{202}},
		{"chunked with extensions", func(b string) string {
			return start + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\n\r\n", len(b), b)
		}, []int{202}},
		{"chunked by the byte", func(b string) string {
			var s strings.Builder
			for i := range len(b) {
				fmt.Fprintf(&s, "1\r\n%c\r\n", b[i])
			}
			return start + "Transfer-Encoding: chunked\r\n\r\n" + s.String() + "0\r\n\r\n"
		}, []int{202}},
		{"length and chunked: chunked rules", func(b string) string {
			return start + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b)
		}, []int{202}},
		{"length and chunked, another one hidden", func(string) string {
			return start + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(hidden)+5) + hidden
		}, []int{400}},
		{"two lengths", func(b string) string { return start + length(b) + "Content-Length: 3\r\n\r\n" + b }, []int{400}},
		{"two equal lengths", func(b string) string { return start + length(b) + length(b) + "\r\n" + b }, []int{202}},
		{"a list of lengths", func(b string) string { return start + "Content-Length: 3, 3\r\n\r\n" + b }, []int{400}},
		{"length with a sign", func(b string) string { return start + "Content-Length: +3\r\n\r\n" + b }, []int{400}},
		{"length in hex", func(b string) string { return start + "Content-Length: 0x10\r\n\r\n" + b }, []int{400}},
		{"length below zero", func(b string) string { return start + "Content-Length: -1\r\n\r\n" + b }, []int{400}},
		{"length beyond int64", func(b string) string { return start + "Content-Length: 99999999999999999999\r\n\r\n" + b }, []int{400}},
		{"length of 4 GB", func(b string) string { return start + "Content-Length: 4294967296\r\n\r\n" + b }, []int{413}},
		{"chunked twice", func(b string) string {
			return start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b)
		}, []int{501}},
		{"chunked, then identity", func(b string) string { return start + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunked(b) }, []int{501}},
		{"gzip, chunked", func(b string) string { return start + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(b) }, []int{501}},
		{"chunked with a tab", func(b string) string { return start + "Transfer-Encoding:\x0bchunked\r\n\r\n" + chunked(b) }, []int{400}},
		{"a space before the colon", func(b string) string { return start + "Transfer-Encoding : chunked\r\n\r\n" + chunked(b) }, []int{400}},
		{"chunk of a negative size", func(string) string { return start + "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n" }, []int{400}},
		{"chunk size of 20 digits", func(string) string { return start + "Transfer-Encoding: chunked\r\n\r\n11111111111111111111\r\n" }, []int{400}},
		{"chunk size with bare LF", func(b string) string {
			return start + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\n%s\r\n0\r\n\r\n", len(b), b)
		}, []int{400}},
		{"chunk without its end", func(b string) string {
			return start + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s__0\r\n\r\n", len(b), b)
		}, []int{400}},
		{"a folded header", func(b string) string { return start + "X-A: b\r\n\tc\r\n" + length(b) + "\r\n" + b }, []int{202}},
		{"a folded first header", func(b string) string {
			return "POST /graph/notifications HTTP/1.1\r\n folded\r\n" + start[strings.Index(start, "Host"):] + length(b) + "\r\n" + b
		}, []int{400}},
		{"a bare CR in a header", func(b string) string { return start + "X-A: b\rX-B: c\r\n" + length(b) + "\r\n" + b }, []int{400}},
		{"a NUL in a header", func(b string) string { return start + "X-A: b\x00\r\n" + length(b) + "\r\n" + b }, []int{400}},
		{"a header without a name", func(b string) string { return start + ": x\r\n" + length(b) + "\r\n" + b }, []int{400}},
		{"no host", func(b string) string {
			return strings.Replace(start, "Host: bridge\r\n", "", 1) + length(b) + "\r\n" + b
		}, []int{400}},
		{"two hosts", func(b string) string { return start + "Host: other\r\n" + length(b) + "\r\n" + b }, []int{400}},
		{"HTTP/0.9", func(string) string { return "POST /graph/notifications\r\n\r\n" }, []int{400}},
		{"HTTP/1.0", func(b string) string { return strings.Replace(start, "1.1", "1.0", 1) + length(b) + "\r\n" + b }, []int{202}},
		{"HTTP/3.7", func(b string) string { return strings.Replace(start, "1.1", "3.7", 1) + length(b) + "\r\n" + b }, []int{505}},
		{"h2c", func(string) string { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }, []int{404}},
		{"an upgrade", func(b string) string {
			return start + "Connection: Upgrade\r\nUpgrade: h2c\r\n" + length(b) + "\r\n" + b
		}, []int{202}},
		{"1 MB of one header", func(b string) string {
			return start + "X-A: " + strings.Repeat("a", 1<<20) + "\r\n" + length(b) + "\r\n" + b
		}, []int{431}},
		{"1 MB of headers", func(b string) string {
			return start + strings.Repeat("X-A: aaaaaaaa\r\n", 70_000) + length(b) + "\r\n" + b
		}, []int{431}},
		{"a path of 1 MB", func(string) string { return "POST /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: a\r\n\r\n" }, []int{431}},
		{"100-continue", func(b string) string { return start + "Expect: 100-continue\r\n" + length(b) + "\r\n" + b }, []int{202}},
		{"100-continue, too large", func(string) string { return start + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n" }, []int{413}},
		{"another expectation", func(b string) string { return start + "Expect: the-unexpected\r\n" + length(b) + "\r\n" + b }, []int{417}},
	} {
		text := c.text(body())
		wg.Go(func() {
			got := wire(t, addr, text)
			if !slices.Equal(got, c.codes) {
				t.Errorf("%s: answered %v, want %v", c.name, got, c.codes)
			}
			for _, code := range got {
				if code == http.StatusAccepted {
					want.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := len(e.Records()); got != int(want.Load()) {
		t.Errorf("%d records of %d answers of 202 (I1)", got, want.Load())
	}
}

// Other methods and paths than the two get 405 and 404, without a word.
func TestHostileMethodsAndPaths(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	addr := e.socket(basicOnly)
	for _, c := range []struct {
		method, target string
		codes          []int
	}{
		{"GET", "/graph/notifications", []int{405}},
		{"PUT", "/graph/notifications", []int{405}},
		{"PATCH", "/graph/lifecycle", []int{405}},
		{"DELETE", "/graph/lifecycle", []int{405}},
		{"OPTIONS", "/graph/notifications", []int{405}},
		{"OPTIONS", "*", []int{404}},
		{"OPTIONS", "/", []int{404}},
		{"TRACE", "/graph/notifications", []int{405}},
		{"PROPFIND", "/graph/notifications", []int{405}},
		{"post", "/graph/notifications", []int{405}},
		{"POSTS", "/graph/notifications", []int{405}},
		{"CONNECT", "bridge:443", []int{404}},
		{"P\x00ST", "/graph/notifications", []int{400}},
		{"POST", "/", []int{404}},
		{"POST", "//graph/notifications", []int{404}},
		{"POST", "/graph/notifications/", []int{404}},
		{"POST", "/graph/./notifications", []int{404}},
		{"POST", "/graph/../graph/notifications", []int{404}},
		{"POST", "/graph/lifecycle/../../metrics", []int{404}},
		{"POST", "/graph%2Fnotifications", []int{404}},
		{"POST", "/graph/notifications%00", []int{404}},
		{"POST", "/graph/notifications;a=b", []int{404}},
		{"POST", "/GRAPH/notifications", []int{404}},
		{"POST", "/graph/notificationſ", []int{404}},
		{"POST", "/metrics", []int{404}},
		{"GET", "/debug/pprof/", []int{404}},
		{"GET", "/readyz", []int{404}},
		{"GET", "/..%2f..%2fetc/passwd", []int{404}},
		{"POST", "/graph/%zz", []int{400}},
		{"POST", "http://elsewhere/graph/none", []int{404}},
	} {
		text := c.method + " " + c.target + " HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"value\":[]}"
		if got := wire(t, addr, text); !slices.Equal(got, c.codes) {
			t.Errorf("%s %s: answered %v, want %v", c.method, c.target, got, c.codes)
		}
	}
	if head := send(t, e.Rig, "HEAD", e.NotificationURL(), "", ""); head.code != 405 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.code, head.body)
	}
}

// Over TLS with HTTP/2: many streams at once are all answered, streams that are
// reset as soon as they are opened cost their connection and nobody else's, and
// the honest client goes on.
func TestHostileHTTP2(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	dir := t.TempDir()
	pool := writePair(t, dir, "one")
	addr := e.socket(func(c *ingest.Config) {
		basicOnly(c)
		c.AnswerWithin = 2 * time.Second
		c.TLSCert, c.TLSKey = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "one"}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	one := func(n int) error {
		resp, err := client.Post("https://"+addr+"/graph/notifications", js, strings.NewReader(post(item("h2", n).String())))
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%s %d", resp.Proto, resp.StatusCode)
		}
		return nil
	}
	if err := one(999); err != nil { // so that all that follow share its connection
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			if err := one(n); err != nil {
				t.Errorf("stream %d: %v", n, err)
			}
		})
	}
	wg.Wait()

	resets := 0
	for range 3 {
		wg.Go(func() { resets += rapidResets(t, addr, pool) })
		wg.Wait()
	}
	for n := range 50 {
		start := time.Now()
		if err := one(1000 + n); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("after the resets: %v, after %s", err, time.Since(start))
		}
	}
	if resets == 0 {
		t.Error("no stream was reset")
	}
	if got := len(e.Records()); got != 251 {
		t.Errorf("%d records, want 251", got)
	}
	slow, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	resp, err := client.Post("https://"+addr+"/graph/notifications", js, slow)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a stream whose body never comes: answered %d", resp.StatusCode)
	}
	if _, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "one", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	if codes := wire(t, addr, "POST /graph/notifications HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"); len(codes) > 1 || len(codes) == 1 && codes[0] != 400 {
		t.Errorf("plain HTTP on the TLS port: %v", codes)
	}
}

// rapidResets opens streams and resets each at once, until the other end has had
// enough, and returns how many it was.
func rapidResets(t *testing.T, addr string, pool *x509.CertPool) int {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "one", NextProtos: []string{"h2"}})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = c.Write([]byte(http2.ClientPreface))
	framer := http2.NewFramer(c, c)
	_ = framer.WriteSettings()
	go func() {
		for {
			if _, err := framer.ReadFrame(); err != nil {
				return
			}
		}
	}()
	var head strings.Builder
	encoder := hpack.NewEncoder(&head)
	for i := range 20_000 {
		head.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":path", "/graph/notifications"}, {":authority", "one"}, {"content-type", js}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		stream := uint32(2*i + 1)
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(head.String()), EndHeaders: true}); err != nil {
			return i
		}
		if err := framer.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
			return i
		}
	}
	return 20_000
}

// writePair writes a fresh key pair for the host name into dir, and returns
// whom to trust.
func writePair(t *testing.T, dir, host string) *x509.CertPool {
	t.Helper()
	cert, key := selfSigned(t, host)
	for name, b := range map[string][]byte{"tls.key": key, "tls.crt": cert} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}
