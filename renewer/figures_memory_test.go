//go:build figures

package renewer

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
)

// What the process is given, and may take.
const (
	memoryLimit = "200MiB" // GOMEMLIMIT
	mostMemory  = 256 << 20
)

var figureDir = flag.String("figuredir", "", "makes the test's program the renewer whose memory is measured")

// TestFigureMemory is a renewer process with 100,000 subscriptions: what it
// takes at most while it takes over, calls Graph, and reads its changed file.
func TestFigureMemory(t *testing.T) {
	if *figureDir != "" {
		lead(t, *figureDir)
		return
	}
	const n = 100_000
	for _, c := range []struct{ name, item string }{
		{"Paths", "      - chats/19:%032x@thread.v2/messages\n"},
		{"Mappings", "      - resource: chats/19:%032x@thread.v2/messages\n        change_types: [created, updated]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			e, err := embedded.Start(embedded.Config{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			writeFigure(t, dir, "kafka", e.KafkaAddrs()[0])
			writeFigure(t, dir, "registry", e.RegistryURL())
			writeFigure(t, dir, "secret", "a client secret")
			writeFigure(t, dir, "client-state.keys", "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
			listen := freePort(t)
			writeFigure(t, dir, "listen", listen)
			writeFigure(t, dir, "subscriptions.yaml", figureFile(n, c.item))
			remember(t, e, filepath.Join(dir, "subscriptions.yaml"))

			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFigureMemory$", "-test.timeout", "10m", "-figuredir", dir)
			cmd.Env = append(os.Environ(), "GOMEMLIMIT="+memoryLimit, "GOGC=100")
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Wait() }()
			defer func() { _ = cmd.Process.Kill() }()
			began := time.Now()
			say := func(what string) {
				most := statusOfProcess(t, cmd.Process.Pid, "VmHWM:")
				t.Logf("%s after %v: %.0f MiB, at most %.0f MiB", what, time.Since(began).Round(time.Second),
					float64(statusOfProcess(t, cmd.Process.Pid, "VmRSS:"))/(1<<20), float64(most)/(1<<20))
				if most > mostMemory {
					t.Errorf("%s: the process took %d bytes, want at most %d", what, most, mostMemory)
				}
			}
			awaitText(t, listen, "/readyz", "leads shard 0")
			say("leads")
			time.Sleep(30 * time.Second)
			say("has called Graph")
			writeFigure(t, dir, "subscriptions.yaml", figureFile(n-1, c.item))
			awaitText(t, listen, "/metrics", `meetbridge_renewer_reloads_total{outcome="taken"} 1`)
			say("has read its file again")
		})
	}
}

// figureFile asks for n subscriptions in 20 tenants.
func figureFile(n int, item string) string {
	var b strings.Builder
	b.WriteString("defaults:\n  client_id: 11111111-1111-4111-8111-111111111111\n  secret_file: secret\n  rich: false\n" +
		"  graph_url: https://graph.example\n  authority_url: https://login.example\n" +
		"  notification_url: https://bridge.example/graph/notifications\n  lifecycle_url: https://bridge.example/graph/lifecycle\ntenants:\n")
	for t := range 20 {
		fmt.Fprintf(&b, "  - id: 7a4c9d0e-0000-4000-8000-%012d\n    subscriptions:\n", t)
		for i := t; i < n; i += 20 {
			fmt.Fprintf(&b, item, i)
		}
	}
	return b.String()
}

// remember writes the states of all that the file asks for, in all their phases.
func remember(t *testing.T, e *embedded.Embedded, path string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	wanted, faults, err := LoadDesired(path)
	if err != nil || wanted == nil {
		t.Fatal(err, faults)
	}
	c := kafka.Config{Brokers: e.KafkaAddrs()}
	adm, err := kafka.NewAdmin(c, log)
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.CreateTopics(t.Context(), 1, 1, nil, "teams.subscriptions", "teams.gaps", "teams.lifecycle"); err != nil {
		t.Fatal(err)
	}
	store, err := OpenStore(t.Context(), c, kafka.RegistryConfig{URL: e.RegistryURL(), HTTP: http.DefaultClient}, 0, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now()
	rng := rand.New(rand.NewPCG(1, 6))
	var some []State
	for i := range wanted.Subscriptions {
		d := wanted.Subscriptions[i]
		d.ClientStateKeyID = "k1"
		s := Begin(State{}, Action{Kind: Create, Key: d.Key, Want: &d}, now)
		s.Intent, s.IntentAt, s.Status, s.ApplicationID = "", time.Time{}, Active, d.ApplicationID
		s.SubscriptionID = fmt.Sprintf("7a4c9d0e-1111-4000-8000-%012d", i)
		s.RenewedAt = now.Add(-time.Duration(rng.Int64N(int64(45 * time.Hour))))
		s.CreatedAt, s.ExpiresAt = s.RenewedAt, s.RenewedAt.Add(d.Lifetime)
		s.ProofAt, s.Proof = now.Add(-time.Duration(rng.Int64N(int64(6*time.Hour)))), ByReading
		if some = append(some, s); len(some) == 5000 || i == len(wanted.Subscriptions)-1 {
			if err := store.Write(t.Context(), some, nil); err != nil {
				t.Fatal(err)
			}
			some = nil
		}
	}
}

// lead is the process that is measured: a renewer before a Graph that agrees to
// everything.
func lead(t *testing.T, dir string) {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	r, err := New(t.Context(), Config{
		Subscriptions: filepath.Join(dir, "subscriptions.yaml"), ClientStateKeys: filepath.Join(dir, "client-state.keys"), AdminListen: read("listen"),
		Kafka: kafka.Config{Brokers: []string{read("kafka")}}, Registry: kafka.RegistryConfig{URL: read("registry")}, TopicPrefix: "teams.",
		SessionTimeout: 10 * time.Second, Heartbeat: 250 * time.Millisecond, GraphHTTP: &http.Client{Transport: agreeable{}},
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	<-r.Done()
	t.Fatal(r.Err())
}

// agreeable is Graph and its authority with yes for an answer.
type agreeable struct{}

func (agreeable) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	expires := time.Now().Add(70 * time.Hour).UTC().Format(time.RFC3339)
	tenant, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	text := fmt.Sprintf(`{"id":%q,"expirationDateTime":%q}`, req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:], expires)
	switch {
	case strings.HasSuffix(req.URL.Path, "openid-configuration"):
		base := "https://" + req.URL.Host + "/" + tenant
		text = fmt.Sprintf(`{"issuer":"%s/v2.0","authorization_endpoint":"%s/a","token_endpoint":"%s/oauth2/v2.0/token"}`, base, base, base)
	case strings.Contains(req.URL.Path, "oauth2"):
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"tid":%q}`, tenant))) + ".c2ln"
		text = fmt.Sprintf(`{"token_type":"Bearer","expires_in":86400,"access_token":%q}`, token)
	case strings.HasSuffix(req.URL.Path, "$batch"):
		var b strings.Builder
		b.WriteString(`{"responses":[`)
		for i, rest := range strings.Split(string(body), `"url":"/subscriptions/`)[1:] {
			id, _, _ := strings.Cut(rest, `"`)
			fmt.Fprintf(&b, `%s{"id":"%d","status":200,"body":{"id":%q,"expirationDateTime":%q}}`, strings.Repeat(",", min(i, 1)), i+1, id, expires)
		}
		text = b.String() + "]}"
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"application/json"}}, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader([]byte(text))), ContentLength: int64(len(text)),
	}, nil
}

func writeFigure(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// awaitText waits until what the admin port says under a path holds a text.
func awaitText(t *testing.T, addr, path, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	said := ""
	for ; ctx.Err() == nil; sleep(ctx, 100*time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if said = string(body); strings.Contains(said, text) {
			return
		}
	}
	t.Fatalf("%s does not say %q but %.500s", path, text, said)
}

// statusOfProcess returns a size in bytes out of what Linux says of a process.
func statusOfProcess(t *testing.T, pid int, name string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), name)
	field := strings.Fields(rest)
	if len(field) == 0 {
		t.Fatalf("no %s", name)
	}
	kib, err := strconv.ParseInt(field[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
