package bridgetest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/ingest"
)

// Addresses of the rig's hosts on its network.
const (
	publicAddr    = "bridge:8080"
	adminAddr     = "bridge:9090"
	authorityAddr = "127.0.0.1:8090"
)

// AppID is the application that the rig's subscriptions belong to.
const AppID = "11111111-1111-4111-8111-111111111111"

// ClientStateKey is the file of the key that the rig's clientStates are made with.
const ClientStateKey = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

// LiteralState is a clientState that the rig's ingest takes beside its MACs.
const LiteralState = "literal-client-state-of-the-rig"

// Rig is one ingest process with all that it talks to but Graph, on a network
// in memory. Everything ends with the test.
type Rig struct {
	Net     *Network
	Kafka   *embedded.Embedded
	Ingest  *ingest.Server
	Config  ingest.Config
	HTTP    *http.Client // reaches every host of the network
	Metrics *prometheus.Registry

	tb      testing.TB
	log     *slog.Logger
	dir     string
	keys    KeyFiles
	stopped bool
}

// NewRig starts a broker, a registry, the topics and, unless it is told to wait,
// ingest. change, if not nil, edits ingest's configuration first.
func NewRig(tb testing.TB, keys KeyFiles, log *slog.Logger, change func(*ingest.Config)) *Rig {
	tb.Helper()
	r := newRig(tb, keys, log)
	if change != nil {
		change(&r.Config)
	}
	r.StartIngest()
	return r
}

// newRig is NewRig without ingest.
func newRig(tb testing.TB, keys KeyFiles, log *slog.Logger) *Rig {
	tb.Helper()
	n := NewNetwork()
	r := &Rig{Net: n, tb: tb, log: log, dir: tb.TempDir(), keys: keys, Metrics: prometheus.NewRegistry()}
	r.HTTP = &http.Client{Transport: &http.Transport{DialContext: n.Dial, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}}
	tb.Cleanup(r.HTTP.CloseIdleConnections)
	r.startKafka()
	for name, text := range map[string]string{
		filepath.Join("keys", keys.CertificateID+".pem"): keys.PEM,
		"client-state.keys": ClientStateKey,
		"client-states":     LiteralState + "\n",
	} {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	r.Config = ingest.Config{
		AnswerWithin: 2500 * time.Millisecond, MaxBody: 16 * units.MiB, MaxInFlight: 4096, MaxInFlightBytes: 64 * units.MiB,
		Kafka: kafka.Config{Brokers: r.Kafka.KafkaAddrs(), Dialer: n.Dial},
		// Decoders of compressed batches end in finalizers, outside the bubble.
		Producer:    kafka.ProducerConfig{Compression: "none", Linger: time.Millisecond},
		Registry:    kafka.RegistryConfig{URL: r.Kafka.RegistryURL(), HTTP: r.HTTP},
		TopicPrefix: "teams.", CreateTopics: true, TopicPartitions: 6, TopicReplication: 1,
		Trust: ingest.Trust{
			DecryptionKeys: filepath.Join(r.dir, "keys"), AppIDs: []string{AppID},
			EntraAuthority: "http://" + authorityAddr, EntraSTS: "http://" + authorityAddr + "/sts",
			ClientStateKeys: filepath.Join(r.dir, "client-state.keys"), ClientStates: filepath.Join(r.dir, "client-states"),
		},
		Content: ingest.Content{Payload: "keep"}, RecentIDs: 100_000, QuarantineRate: units.MiB, AuthorityHTTP: r.HTTP,
	}
	return r
}

// startKafka starts the broker and the registry.
func (r *Rig) startKafka() {
	r.tb.Helper()
	e, err := embedded.Start(embedded.Config{
		KafkaListen: "127.0.0.1:9092", RegistryListen: "127.0.0.1:8081", ListenFn: r.Net.Listen,
	}, r.log)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.Kafka = e
	r.tb.Cleanup(func() { _ = e.Close() })
}

// StartIngest starts an ingest process (again).
func (r *Rig) StartIngest() {
	r.tb.Helper()
	cfg := r.Config
	cfg.Listener, cfg.AdminListener = r.Listen(publicAddr), r.Listen(adminAddr)
	cfg.Metrics = prometheus.NewRegistry()
	s, err := ingest.New(context.Background(), cfg, r.log)
	if err != nil {
		r.tb.Fatal(err)
	}
	s.Start()
	r.Ingest, r.Metrics, r.stopped = s, cfg.Metrics, false
	r.tb.Cleanup(r.StopIngest)
}

// StopIngest stops the process gracefully. A second call does nothing.
func (r *Rig) StopIngest() {
	if r.stopped {
		return
	}
	r.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.Ingest.Stop(ctx); err != nil {
		r.tb.Errorf("stop ingest: %v", err)
	}
}

// Listen opens a listener of the network.
func (r *Rig) Listen(addr string) net.Listener {
	r.tb.Helper()
	l, err := r.Net.Listen("tcp", addr)
	if err != nil {
		r.tb.Fatal(err)
	}
	return l
}

// NotificationURL is where Graph posts.
func (r *Rig) NotificationURL() string { return "http://" + publicAddr + ingest.PathNotifications }

// LifecycleURL is where Graph posts lifecycle notices.
func (r *Rig) LifecycleURL() string { return "http://" + publicAddr + ingest.PathLifecycle }

// Ready waits until /readyz says so.
func (r *Rig) Ready() {
	r.tb.Helper()
	for range 300 {
		if code, _, err := r.get("/readyz"); err == nil && code == http.StatusOK {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.tb.Fatal("ingest did not become ready within 30 s")
}

// Admin returns what the admin port answers on path.
func (r *Rig) Admin(path string) string {
	r.tb.Helper()
	_, body, err := r.get(path)
	if err != nil {
		r.tb.Fatal(err)
	}
	return body
}

func (r *Rig) get(path string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+adminAddr+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
