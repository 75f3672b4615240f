package ingest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 200 << 10
	failing := func(after int, err error) io.Reader {
		return io.MultiReader(strings.NewReader(strings.Repeat("x", after)), errReader{err})
	}
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		max    int64 // bytes that may be under way
		want   error
	}{
		{"small", strings.NewReader("hello"), 5, 1 << 20, nil},
		{"empty", strings.NewReader(""), 0, 1 << 20, nil},
		{"at the limit", strings.NewReader(strings.Repeat("x", limit)), limit, 1 << 20, nil},
		{"chunked at the limit", strings.NewReader(strings.Repeat("x", limit)), -1, 1 << 20, nil},
		{"over the limit, said", strings.NewReader(""), limit + 1, 1 << 20, errBodyTooLarge},
		{"over the limit, chunked", strings.NewReader(strings.Repeat("x", limit+1)), -1, 1 << 20, errBodyTooLarge},
		{"no room", strings.NewReader(strings.Repeat("x", limit)), limit, limit / 2, errFull},
		{"slow", failing(100, os.ErrDeadlineExceeded), 1000, 1 << 20, errBodyTooSlow},
		{"broken", failing(100, io.ErrUnexpectedEOF), 1000, 1 << 20, errBodyBroken},
		{"broken, chunked", failing(100, io.ErrUnexpectedEOF), -1, 1 << 20, errBodyBroken},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", c.body)
		r.ContentLength = c.length
		a := &admission{maxRequests: 1, maxBytes: c.max}
		ticket := a.newTicket()
		body, err := readBody(r, limit, ticket)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && c.length >= 0 && int64(len(body)) != c.length {
			t.Errorf("%s: %d bytes read, want %d", c.name, len(body), c.length)
		}
		if held := a.bytes.Load(); held < min(int64(len(body)), c.max) {
			t.Errorf("%s: %d bytes read but %d reserved", c.name, len(body), held)
		}
		ticket.release()
		if a.bytes.Load() != 0 {
			t.Errorf("%s: %d bytes left over", c.name, a.bytes.Load())
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestIsJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		contentType, encoding string
		want                  bool
	}{
		{"application/json", "", true},
		{"application/json; charset=utf-8", "", true},
		{"Application/JSON;charset=UTF-8", "identity", true},
		{"application/json; charset=utf-16", "", false},
		{"application/json", "gzip", false},
		{"text/plain", "", false},
		{"", "", false},
		{"application/json; =", "", false},
	} {
		h := http.Header{}
		h.Set("Content-Type", c.contentType)
		if c.encoding != "" {
			h.Set("Content-Encoding", c.encoding)
		}
		if got := isJSON(h); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.contentType, c.encoding, got, c.want)
		}
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, token string
		code        int
	}{
		{"as observed", "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e-096a-494c-aaf1-ac0dcfca45b7", http.StatusOK},
		{"signs", "a+b %2B\r\nSet-Cookie: x=y", http.StatusOK},
		{"2 KiB", strings.Repeat("x", 2<<10), http.StatusOK},
		{"over 2 KiB", strings.Repeat("x", 2<<10+1), http.StatusBadRequest},
		{"markup", "<script>", http.StatusBadRequest},
		{"empty", "", http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		if got := handshake(w, c.token); got != c.code || w.Code != c.code {
			t.Errorf("%s: returned %d, answered %d, want %d", c.name, got, w.Code, c.code)
		}
		if c.code != http.StatusOK {
			continue
		}
		if w.Body.String() != c.token || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff" || len(w.Header()) != 2 {
			t.Errorf("%s: answered %q with %v", c.name, w.Body.String(), w.Header())
		}
	}
}
