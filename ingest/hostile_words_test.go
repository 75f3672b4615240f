//go:build synctests

package ingest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/ingest"
)

var date = regexp.MustCompile(`Date: [^\r]+\r\n`)

// rawAnswer returns the whole answer to body, byte for byte, but for its date.
func rawAnswer(t *testing.T, addr, body string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := fmt.Fprintf(c, "%sConnection: close\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return date.ReplaceAllString(string(all), "")
}

// Whoever sends a forged item gets the very bytes that a genuine one gets,
// whatever is wrong with it: the answer tells nothing.
func TestHostileAnswersAreAlike(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	addr := e.socket(nil)
	want := "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	sealed := func(n int, changes object) object {
		return item("s", n).with(object{"encryptedContent": e.sealed(sealing{}, message(n)).with(changes)})
	}
	withTokens := func(it object, tokens ...string) string {
		return object{"value": []object{it}, "validationTokens": tokens}.String()
	}
	good := e.token(nil)
	for name, body := range map[string]string{
		"genuine":           post(item("s", 1).String()),
		"genuine, again":    post(item("s", 1).String()),
		"genuine, sealed":   withTokens(sealed(2, nil), good),
		"empty":             post(),
		"malformed":         post("7"),
		"no clientState":    post(item("s", 3).with(object{"clientState": nil}).String()),
		"wrong clientState": post(item("s", 4).with(object{"clientState": "guess"}).String()),
		"unknown key":       post(item("s", 5).with(object{"clientState": "mb1.zz.AAAA." + strings.Repeat("A", 43)}).String()),
		"no token":          withTokens(sealed(6, nil)),
		"bad token":         withTokens(sealed(7, nil), good+"A"),
		"expired token":     withTokens(sealed(8, nil), e.token(object{"exp": 1})),
		"unknown kid":       withTokens(sealed(9, nil), e.sign(e.stranger, object{"alg": "RS256", "kid": "x"}, e.claims())),
		"unknown key id":    withTokens(sealed(10, object{"encryptionCertificateId": "x"}), good),
		"no signature":      withTokens(sealed(11, object{"dataSignature": nil}), good),
		"no base64":         withTokens(sealed(12, object{"data": "*"}), good),
	} {
		if got := rawAnswer(t, addr, body); got != want {
			t.Errorf("%s: answered %q, want %q", name, got, want)
		}
	}
	// Nor do refusals say why.
	for _, body := range []string{"{", "[]", "null", post(item("s", 1).String())[:99]} {
		if got := rawAnswer(t, addr, body); got != "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" {
			t.Errorf("%.20q: answered %q", body, got)
		}
	}
}

// collector is an OpenTelemetry collector that keeps what it gets.
type collector struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.got.ReadFrom(r.Body)
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

// I4: spans and logs hold nothing of what a sender wrote, wherever it stands:
// query, path, headers, host, body. A stranger's trace context is not followed.
func TestHostileSpansAndLogs(t *testing.T) {
	t.Parallel()
	const marker = "Sesam-öffne-dich"
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	var said safeBuffer
	e := newEdge(t, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})), func(c *ingest.Config) {
		c.OTLPEndpoint = server.URL
	})
	const trace, state = "0123456789abcdef0123456789abcdef", "vendor=Sesam-state"
	do := func(method, url, host, body string, headers ...string) int {
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := e.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	url := e.NotificationURL()
	planted := []string{
		"Content-Type", js, "User-Agent", "Sesam-agent", "X-Forwarded-For", "Sesam-for, 1.2.3.4", "X-Real-Ip", "Sesam-ip", "Referer", "http://Sesam-referer/",
		"Cookie", "a=Sesam-cookie", "Authorization", "Bearer Sesam-bearer", "Baggage", "a=Sesam-baggage", "Forwarded", "for=Sesam-forwarded",
		"Traceparent", "00-" + trace + "-0123456789abcdef-01", "Tracestate", state,
	}
	secret := item("Sesam-subscription", 1).with(object{"clientState": "Sesam-clientstate", "resource": "chats('Sesam-chat')/messages('1')"})
	bad := e.token(object{"aud": "Sesam-audience"})
	for i, code := range []int{
		do("POST", url+"?x=Sesam-query", "Sesam-host.example", post(item("s", 1).String()), planted...),
		do("POST", url, "", post(secret.String()), planted...),
		do("POST", url, "", e.sealedPost(2, e.token(nil)), planted...),
		do("POST", url, "", e.sealedPost(3, bad), planted...),
		do("POST", url, "", post(item("s", 4).with(object{"encryptedContent": e.sealed(sealing{}, "Sesam-no-json")}).String()), planted...),
	} {
		if code != http.StatusAccepted {
			t.Errorf("POST %d: answered %d", i, code)
		}
	}
	_ = do("POST", url+"?validationToken=Sesam-validation", "", "", planted...)
	_ = do("POST", url, "", `{"Sesam-member":`, planted...)
	_ = do("POST", url, "", `{"value":[],"value":"Sesam-value"}`, planted...)
	_ = do("Sesam", url, "", "", planted...)
	_ = do("POST", url, "", marker, planted...)
	for _, s := range e.Records() {
		if strings.Contains(s.Headers["traceparent"], trace) {
			t.Error("a stranger's trace id stands in a record")
		}
	}
	metrics := e.Admin("/metrics") + e.Admin("/readyz")
	e.StopIngest()
	spans := c.text()
	if !strings.Contains(spans, "/graph/notifications") || !strings.Contains(spans, "meetbridge-ingest") {
		t.Fatalf("no spans came: %d bytes", len(spans))
	}
	raw := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	for where, text := range map[string]string{"a span": spans, "the log": said.String(), "the admin port": metrics} {
		for _, s := range []string{"Sesam", bridgetest.LiteralState, string(raw), trace, e.token(nil)[:30]} {
			if i := strings.Index(text, s); i >= 0 {
				t.Errorf("%s holds %.12q…: %.120q", where, s, text[max(0, i-60):])
			}
		}
	}
}

// safeBuffer is a buffer for several writers.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Forged items beyond the quarantine's rate are counted and not kept; the answer
// is the same; and what has a good clientState is kept however many there are.
func TestHostileQuarantineRate(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, func(c *ingest.Config) { c.QuarantineRate = 1 << 10 }) // and a burst of 64 KiB
	for n := range 40 {
		var items []string
		for m := range 10 {
			items = append(items, item("s", 10*n+m).with(object{"clientState": "guess"}).String())
		}
		proven := item("s", 10_000+n).with(object{"encryptedContent": object{"data": "*"}})
		body := `{"value":[` + strings.Join(append(items, proven.String(), item("honest", 20_000+n).String()), ",") + `],"validationTokens":["` + e.token(nil) + `"]}`
		if got := e.post(body); got.code != http.StatusAccepted || got.body != "" {
			t.Errorf("answered %d", got.code)
		}
	}
	counts := map[string]int{}
	for _, s := range e.Records() {
		counts[s.Topic+" "+s.Text("reason")]++
	}
	kept := counts["quarantine client_state_mismatch"]
	if kept < 64 || kept > 75 || counts["quarantine sealed_malformed"] != 40 || counts["chat-messages "] != 40 {
		t.Errorf("in Kafka: %v, want 64 forged ones and some, 40 proven ones, 40 records", counts)
	}
	limited, rejected := 0, 0
	lines := bufio.NewScanner(strings.NewReader(e.Admin("/metrics")))
	for lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), `meetbridge_ingest_items_total{outcome="quarantine_limited",record="quarantine"} %d`, &limited)
		_, _ = fmt.Sscanf(lines.Text(), `meetbridge_ingest_rejected_total{reason="client_state_mismatch"} %d`, &rejected)
	}
	if limited != 400-kept || rejected != 400 {
		t.Errorf("%d are counted as limited and %d as rejected, want %d and 400", limited, rejected, 400-kept)
	}
}
