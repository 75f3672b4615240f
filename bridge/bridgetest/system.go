package bridgetest

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
	"meetbridge/renewer"
)

const (
	// GraphAddr is where the simulated Graph of a System serves.
	GraphAddr = "graph.example:443"
	// PublicHost is the name under which Graph reaches the ingest processes.
	PublicHost = "bridge.example"
	// KafkaAddr is the broker's address.
	KafkaAddr = "127.0.0.1:9092"
)

// System is the whole of it: Kafka and the registry, ingest processes behind a
// load balancer, renewers, and a Graph whose notifications flow for those
// subscriptions alone that somebody makes and keeps alive. Everything ends with
// the test.
type System struct {
	*Rig

	Graph    *graphsim.Sim
	Ingests  []*IngestProcess  // all that were ever started
	Renewers []*RenewerProcess // likewise
	Rules    renewer.Rules
	// Certificate is the id of the decryption key that the subscriptions carry,
	// Lifetime what is asked for.
	Certificate string
	Lifetime    time.Duration

	front  *front
	wishes []wishes
}

// IngestProcess is one ingest process on a host of its own.
type IngestProcess struct {
	*ingest.Server
	Host *Host
	Dir  string // of its decryption keys

	system  *System
	addr    string
	stopped atomic.Bool
}

// RenewerProcess is one renewer on a host of its own.
type RenewerProcess struct {
	*renewer.Renewer
	Host    *Host
	Metrics *prometheus.Registry

	system  *System
	stopped atomic.Bool
}

// ScaledRules are the renewer's, for subscriptions that live for half an hour
// and not for three days, and tokens that vouch for minutes.
func ScaledRules() renewer.Rules {
	r := renewer.DefaultRules()
	r.MinLifetime, r.ReadEvery, r.Slack, r.Quiet = time.Minute, 6*time.Minute, time.Minute, time.Minute
	r.BackoffMin, r.BackoffMax = time.Second, 20*time.Second
	r.BlockedRetry, r.RefusedRetry, r.NoticeMaxAge = time.Minute, 3*time.Minute, 30*time.Minute
	r.Held = 5 * time.Minute
	return r
}

// NewSystem starts Kafka, the registry and a simulated Graph, and so many ingest
// processes; renewers come with StartRenewer. change, if not nil, edits Graph's
// configuration first.
func NewSystem(tb testing.TB, keys KeyFiles, log *slog.Logger, ingests int, change func(*graphsim.Config)) *System {
	tb.Helper()
	s := &System{Rig: newRig(tb, keys, log), Rules: ScaledRules(), Certificate: keys.CertificateID, Lifetime: 30 * time.Minute}
	s.front = &front{base: &http.Transport{DialContext: s.Net.Dial, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}}
	tb.Cleanup(s.front.base.CloseIdleConnections)
	tb.Cleanup(func() { time.Sleep(2 * time.Minute) }) // for the dead to end: time stands still afterwards
	cfg := graphsim.Config{
		Seed: 1, Rate: 1, Tenants: 2, AppIDs: []string{AppID}, Client: &http.Client{Transport: s.front}, Log: log,
		API: &graphsim.API{
			Listener: s.Listen(GraphAddr), MinLifetime: time.Minute, Vouched: 12 * time.Minute, NoticeLead: 3 * time.Minute,
			HeldFor: s.Rules.Held,
		},
	}
	if change != nil {
		change(&cfg)
	}
	sim, err := graphsim.New(cfg)
	if err == nil {
		err = sim.Start(tb.Context())
	}
	if err != nil {
		tb.Fatal(err)
	}
	s.Graph = sim
	tb.Cleanup(func() {
		if err := sim.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	s.Config.EntraAuthority, s.Config.EntraSTS = sim.AuthorityURL(), sim.STSURL()
	s.Write("secret", graphsim.DefaultSecret)
	for range ingests {
		s.StartIngest()
	}
	return s
}

// Write replaces a file of the configuration, as a whole.
func (s *System) Write(name, text string) {
	s.tb.Helper()
	path := filepath.Join(s.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path+".new", []byte(text), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
}

// Dir is where the files of the configuration are.
func (s *System) Dir() string { return s.dir }

// Read returns a file of the configuration.
func (s *System) Read(name string) string {
	s.tb.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.tb.Fatal(err)
	}
	return string(text)
}

// Remove removes a file of the configuration.
func (s *System) Remove(name string) {
	s.tb.Helper()
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
		s.tb.Fatal(err)
	}
}

// client returns an HTTP client of a process on h that trusts the simulated
// Graph.
func (s *System) client(h *Host) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.Graph.CA())
	base := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
	}
	s.tb.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: h.Transport(base)}
}

// StartIngest starts one more ingest process, with the first one's keys in a
// directory of its own.
func (s *System) StartIngest() *IngestProcess {
	s.tb.Helper()
	n := len(s.Ingests) + 1
	h := s.Net.NewHost()
	p := &IngestProcess{Host: h, system: s, addr: fmt.Sprintf("ingest-%d:8080", n), Dir: fmt.Sprintf("ingest-%d", n)}
	s.Write(filepath.Join(p.Dir, s.keys.CertificateID+".pem"), s.keys.PEM)
	cfg := s.Config
	cfg.DecryptionKeys = filepath.Join(s.dir, p.Dir)
	cfg.Kafka.Dialer = h.Dial
	cfg.Registry.HTTP, cfg.AuthorityHTTP = s.client(h), s.client(h)
	cfg.Metrics = prometheus.NewRegistry()
	var err error
	if cfg.Listener, err = h.Listen("tcp", p.addr); err == nil {
		cfg.AdminListener, err = h.Listen("tcp", fmt.Sprintf("ingest-%d:9090", n))
	}
	if err == nil {
		p.Server, err = ingest.New(context.Background(), cfg, s.log.With("ingest", n))
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	p.Start()
	s.Ingests = append(s.Ingests, p)
	s.front.add(p.addr)
	s.tb.Cleanup(p.Stop)
	return p
}

// Stop ends the process in good order, unless it is dead: then it only lets go
// of what it holds in the test's own process.
func (p *IngestProcess) Stop() {
	if p.stopped.Swap(true) {
		return
	}
	p.system.front.remove(p.addr)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := p.Server.Stop(ctx); err != nil && !p.Host.Dead() {
		p.system.tb.Errorf("stop ingest: %v", err)
	}
}

// Stopped reports whether Stop or Kill was called.
func (p *IngestProcess) Stopped() bool { return p.stopped.Load() }

// Kill ends the process as kill -9 does. The load balancer finds out by itself.
func (p *IngestProcess) Kill() {
	p.Host.Kill()
	go p.Stop()
}

// StartRenewer starts one more renewer.
func (s *System) StartRenewer() *RenewerProcess {
	s.tb.Helper()
	n := len(s.Renewers) + 1
	h := s.Net.NewHost()
	p := &RenewerProcess{Host: h, Metrics: prometheus.NewRegistry(), system: s}
	admin, err := h.Listen("tcp", fmt.Sprintf("renewer-%d:9091", n))
	if err == nil {
		rules := s.Rules
		p.Renewer, err = renewer.New(context.Background(), renewer.Config{
			Subscriptions: filepath.Join(s.dir, "subscriptions.yaml"), ClientStateKeys: s.Config.ClientStateKeys,
			Kafka:          kafka.Config{Brokers: s.Kafka.KafkaAddrs(), Dialer: h.Dial},
			Registry:       kafka.RegistryConfig{URL: s.Kafka.RegistryURL(), HTTP: s.client(h)},
			TopicPrefix:    "teams.",
			SessionTimeout: 10 * time.Second, Heartbeat: 1500 * time.Millisecond,
			AdminListener: admin, GraphHTTP: s.client(h), Rules: &rules, Metrics: p.Metrics,
		}, s.log.With("renewer", n))
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	p.Start()
	s.Renewers = append(s.Renewers, p)
	s.tb.Cleanup(p.Stop)
	return p
}

// Stop ends the process in good order, unless it is dead.
func (p *RenewerProcess) Stop() {
	if p.stopped.Swap(true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if err := p.Renewer.Stop(ctx); err != nil && !p.Host.Dead() {
		p.system.tb.Errorf("stop renewer: %v", err)
	}
}

// Stopped reports whether Stop or Kill was called.
func (p *RenewerProcess) Stopped() bool { return p.stopped.Load() }

// Kill ends the process as kill -9 does.
func (p *RenewerProcess) Kill() {
	p.Host.Kill()
	go p.Stop()
}

// Wish is one subscription that is desired.
type Wish struct {
	TenantID   string
	Resource   string // as Graph has it
	ChangeType string // csv
	Ask        string // a short form of the file, instead of naming the resource
}

// wishes are all that was desired from then on.
type wishes struct {
	from time.Time
	all  []Wish
}

// Desire writes the file of desired subscriptions.
func (s *System) Desire(all ...Wish) {
	s.tb.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "development: true\ndefaults:\n  client_id: %s\n  secret_file: secret\n  graph_url: https://%s\n  authority_url: https://%s\n"+
		"  notification_url: https://%s%s\n  lifecycle_url: https://%s%s\n  lifetime: %s\n  decryption_certificate: certificates/%s.pem\ntenants:\n",
		AppID, GraphAddr, GraphAddr, PublicHost, ingest.PathNotifications, PublicHost, ingest.PathLifecycle, s.Lifetime, s.Certificate)
	for _, t := range s.Graph.Tenants() {
		fmt.Fprintf(&b, "  - id: %s\n    subscriptions:\n", t.ID)
		for _, w := range all {
			if w.TenantID == t.ID {
				fmt.Fprintf(&b, "      - %s\n", cmp.Or(w.Ask, fmt.Sprintf("{resource: %q, change_types: [%s]}", w.Resource, w.ChangeType)))
			}
		}
	}
	s.Write("certificates/"+s.keys.CertificateID+".pem", s.keys.PEM)
	s.Write("subscriptions.yaml", b.String())
	s.wishes = append(s.wishes, wishes{time.Now(), all})
}

// Within waits until ok returns true, at most so long of virtual time, and
// returns how long it took.
func (s *System) Within(limit time.Duration, what string, ok func() bool) time.Duration {
	s.tb.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			s.tb.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(start)
}

// Leader returns the renewer that leads; nil if none that lives does.
func (s *System) Leader() *RenewerProcess {
	for _, p := range s.Renewers {
		if !p.stopped.Load() && !p.Host.Dead() && !p.Host.Frozen() && p.Leading() {
			return p
		}
	}
	return nil
}

// Leading reports whether the process leads a shard, by its own metrics.
func (p *RenewerProcess) Leading() bool { return p.Value("leading_shards") > 0 }

// Value returns the sum of a metric of the renewer's over its labels.
func (p *RenewerProcess) Value(name string) float64 {
	p.system.tb.Helper()
	return Sum(p.system.tb, p.Metrics, "meetbridge_renewer_"+name)
}

// AsDesired returns nil when exactly what is desired lives at Graph, and else
// what does not.
func (s *System) AsDesired() error {
	want := map[Watch]int{}
	for _, w := range s.wishes[len(s.wishes)-1].all {
		want[s.watch(w.TenantID, w.Resource, w.ChangeType)]++
	}
	for _, sub := range s.Graph.Subscriptions() {
		want[s.watch(sub.TenantID, sub.Resource, sub.ChangeType)]--
	}
	var errs []error
	for w, n := range want {
		if n != 0 {
			errs = append(errs, fmt.Errorf("%v: %d too few", w, n))
		}
	}
	return errors.Join(errs...)
}
