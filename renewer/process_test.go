//go:build synctests

package renewer_test

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/bridge/sealed"
	"meetbridge/renewer"
)

const (
	testApp   = "11111111-1111-4111-8111-111111111111"
	tenantTwo = "7a4c9d0e-0000-4000-8000-000000000002"
)

var verbose = flag.Bool("renewerlog", false, "show what the renewers log")

// world is Kafka, Graph and any number of renewer processes in one bubble.
type world struct {
	t       *testing.T
	net     *bridgetest.Network
	kafka   *embedded.Embedded
	graph   *fakeGraph
	dir     string
	rules   renewer.Rules
	started int
	wishes  []wishAt

	lifetime    string            // of what is desired; "" is 1m
	rich        string            // id of the certificate; "": basic
	thumbprints map[string]string // of certificates, by id
	removals    int               // max_removals; 0: none
}

// wishAt is what the file said from then on.
type wishAt struct {
	from time.Time
	keys []string
}

// proc is one renewer process.
type proc struct {
	*renewer.Renewer
	host    *host
	metrics *prometheus.Registry
	admin   *http.Client
	world   *world
	stopped bool
}

func newWorld(t *testing.T, rules renewer.Rules) *world {
	t.Helper()
	w := &world{t: t, net: bridgetest.NewNetwork(), graph: newFakeGraph(1), dir: t.TempDir(), rules: rules}
	t.Cleanup(func() { time.Sleep(2 * time.Minute) }) // Graph may be at calls still, and the dead at their last
	w.kafka = startKafka(t, w.net)
	w.write("secret", "a client secret")
	w.write("client-state.keys", "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
	return w
}

func (w *world) config() kafka.Config {
	return kafka.Config{Brokers: w.kafka.KafkaAddrs(), Dialer: w.net.Dial}
}

// registry is that of a process that no test kills.
func (w *world) registry() kafka.RegistryConfig {
	return kafka.RegistryConfig{URL: w.kafka.RegistryURL(), HTTP: &http.Client{Transport: &http.Transport{DialContext: w.net.Dial, DisableKeepAlives: true}}}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// certificate makes a certificate's file.
func (w *world) certificate(id string) {
	w.t.Helper()
	text, err := sealed.NewKey(id, 2048, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(id+".pem", string(text))
	if w.thumbprints == nil {
		w.thumbprints = map[string]string{}
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		if block.Type == "CERTIFICATE" {
			w.thumbprints[id] = fmt.Sprintf("%X", sha1.Sum(block.Bytes))
		}
	}
}

// desire writes the file of n subscriptions in each tenant.
func (w *world) desire(n int, tenants ...string) (keys []string) {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "development: true\ndefaults:\n  client_id: %s\n  secret_file: secret\n  graph_url: https://%s\n  authority_url: https://%s\n"+
		"  notification_url: https://bridge.example/graph/notifications\n  lifecycle_url: https://bridge.example/graph/lifecycle\n  lifetime: %s\n",
		testApp, graphHost, authorityHost, cmp.Or(w.lifetime, "1m"))
	if w.rich == "" {
		b.WriteString("  rich: false\n")
	} else {
		fmt.Fprintf(&b, "  rich: true\n  decryption_certificate: %s.pem\n", w.rich)
	}
	if w.removals > 0 {
		fmt.Fprintf(&b, "  max_removals: %d\n", w.removals)
	}
	b.WriteString("tenants:\n")
	for _, t := range tenants {
		fmt.Fprintf(&b, "  - id: %s\n    subscriptions:\n", t)
		for i := range n {
			resource := fmt.Sprintf("chats/19:%032x@thread.v2/messages", i+1)
			fmt.Fprintf(&b, "      - resource: %s\n        change_types: [created]\n", resource)
			keys = append(keys, t+" "+resource+" created")
		}
	}
	w.write("subscriptions.yaml", b.String())
	w.wishes = append(w.wishes, wishAt{time.Now(), keys})
	return keys
}

func (w *world) start() *proc {
	w.t.Helper()
	w.started++
	h := newHost(w.net)
	admin, err := w.net.Listen("tcp", fmt.Sprintf("renewer-%d:9091", w.started))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &proc{host: h, metrics: prometheus.NewRegistry(), world: w, admin: &http.Client{Transport: &http.Transport{DialContext: w.net.Dial, DisableKeepAlives: true}}}
	log := discard()
	if *verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("process", w.started)
	}
	p.Renewer, err = renewer.New(w.t.Context(), renewer.Config{
		Subscriptions: filepath.Join(w.dir, "subscriptions.yaml"), ClientStateKeys: filepath.Join(w.dir, "client-state.keys"),
		Kafka:          kafka.Config{Brokers: w.kafka.KafkaAddrs(), Dialer: h.Dial},
		Registry:       kafka.RegistryConfig{URL: w.kafka.RegistryURL(), HTTP: &http.Client{Transport: &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}}},
		TopicPrefix:    "teams.",
		SessionTimeout: 10 * time.Second, Heartbeat: 250 * time.Millisecond,
		AdminListener: admin, GraphHTTP: w.graph.client(h), Rules: &w.rules, Metrics: p.metrics,
	}, log)
	if err != nil {
		w.t.Fatal(err)
	}
	p.Start()
	w.t.Cleanup(p.stop)
	return p
}

// stop ends the process in good order, unless it is dead: then it only lets go
// of what it holds in the test's own process.
func (p *proc) stop() {
	if p.stopped {
		return
	}
	p.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil && !p.host.Dead() {
		p.world.t.Errorf("stop: %v", err)
	}
}

// kill ends the process as kill -9 does, for all that others can see.
func (p *proc) kill() { p.host.Kill() }

// value returns the sum of a metric over its labels.
func (p *proc) value(name string) float64 {
	p.world.t.Helper()
	return bridgetest.Sum(p.world.t, p.metrics, "meetbridge_renewer_"+name)
}

// allAlive reports whether exactly one subscription lives of each key, and none
// of any other.
func (w *world) allAlive(keys []string) bool {
	alive := w.graph.alive()
	for _, k := range keys {
		if alive[k] != 1 {
			return false
		}
	}
	return len(alive) == len(keys)
}

func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	bubbleOf(t, 1, test)
}

// bubbleOf is bubble with several shards, for tests that are parallel already.
func bubbleOf(t *testing.T, shards int32, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := newWorld(t, renewer.DevelopmentRules(time.Minute))
		makeTopics(t, w.config(), shards)
		test(t, w)
	})
}

// Ensure that what is desired is made, kept alive, changed with the file, and
// ended when it is no longer desired.
func TestProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(5, tenantOne, tenantTwo)
		p := w.start()
		took := within(t, 30*time.Second, "all are made", func() bool { return w.allAlive(keys) })
		t.Logf("all made after %v", took)
		for range 60 {
			time.Sleep(10 * time.Second)
			if !w.allAlive(keys) {
				t.Fatalf("not all alive: %v\n%s", w.graph.alive(), strings.Join(w.graph.log, "\n"))
			}
		}
		if created := w.graph.count(http.MethodPost); created > len(keys)+60 {
			t.Errorf("%d creations and batches", created)
		}
		keys = w.desire(3, tenantOne)
		within(t, 30*time.Second, "the rest is deleted", func() bool { return w.graph.ofTenant(tenantOne) == len(keys) })
		within(t, 90*time.Second, "what nobody has credentials for expires", func() bool { return w.allAlive(keys) })
		resp, err := p.admin.Get("http://renewer-1:9091/readyz")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "leads shard 0 in epoch") {
			t.Errorf("readyz: %d %s", resp.StatusCode, body)
		}
		p.stop()
	})
}
