package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/ingest"
)

type demoCmd struct {
	Records int           `placeholder:"N" help:"End after N genuine items. Unset: no such end."`
	For     time.Duration `placeholder:"DURATION" help:"End after that time. Unset: go on until stopped."`
	Rate    float64       `default:"25" placeholder:"N" help:"Items a second; 0 sends as fast as they are acknowledged."`
	Seed    uint64        `default:"1" help:"What happens is a matter of the seed alone."`
	Faults  string        `enum:"on,off" default:"on" help:"Whether the simulated Graph repeats, reorders and forges items."`
	JSON    bool          `name:"json" help:"Print records, and at the end the summary, as one JSON object a line."`
}

// Help is printed below what the command is for.
func (demoCmd) Help() string {
	return `
Everything that a deployment has, on free ports of this machine and with keys made for the
occasion: broker, registry, topics, keys, a simulated Microsoft Graph with its sign-in
authority, ingest, and a consumer. Nothing remains afterwards.

At its end, by --records, --for or Ctrl-C, what was sent is compared with what the consumer
found in Kafka. Exit code 0 only if they agree. With --json the last line says so as
{"summary":{"agree":true,"sent":N,"acked":N,"stored":N,"quarantined":N,…}}, with tables by
topic and by reason after it, and keys are whole.

Examples:
  meetbridge demo
  meetbridge demo --for 30s
  meetbridge demo --records 100 --json | jq -r 'select(.key) | .topic + " " + .key'
  meetbridge demo --records 100 --json | tail -n 1 | jq .summary.agree`
}

// demoPartitions is small, as a laptop is.
const demoPartitions = 4

// forgeryEvery is how many items there are to each forgery of a kind: some are
// seen within a minute, and yet most of what lands is genuine.
const forgeryEvery = 300

// demo is everything that runs, and what ends it again.
type demo struct {
	cmd   demoCmd
	t     *terminal
	ends  []func(context.Context) error // in the order of beginning
	where embeddedAt

	server  *ingest.Server
	metrics *prometheus.Registry
	sim     *graphsim.Sim
	watcher *watcher
}

// embeddedAt are the addresses that a reader can be pointed to.
type embeddedAt struct {
	kafka    kafka.Config
	registry kafka.RegistryConfig
}

func (d *demo) onEnd(end func(context.Context) error) { d.ends = append(d.ends, end) }

// end ends what was begun, the last first.
func (d *demo) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*drainWithin)
	defer cancel()
	var errs []error
	for i := len(d.ends) - 1; i >= 0; i-- {
		errs = append(errs, d.ends[i](ctx))
	}
	d.ends = nil
	return errors.Join(errs...)
}

// Run runs the whole bridge until its end is reached or ctx ends.
func (c demoCmd) Run(ctx context.Context, t *terminal) (err error) {
	d := &demo{cmd: c, t: t}
	defer func() { err = errors.Join(err, d.end(ctx)) }()
	if err := d.begin(ctx); err != nil {
		return err
	}
	if err := d.announce(); err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends at the latest with Run
		select {
		case <-d.server.Done():
			cancel()
		case <-running.Done():
		}
	}()
	// What is still pending at the end is among the differences.
	err = d.sim.Run(running, graphsim.Limit{Items: c.Records, For: c.For})
	if err != nil && !errors.Is(err, graphsim.ErrPending) {
		return err
	}
	if err := d.server.Err(); err != nil {
		return err
	}
	return d.conclude(ctx)
}

// conclude compares both sides and prints the summary.
func (d *demo) conclude(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*drainWithin)
	defer cancel()
	found, err := d.watcher.all(ctx)
	if err != nil {
		return err
	}
	counts, err := readCounts(d.metrics)
	if err != nil {
		return err
	}
	s := compare(d.sim.Ledger(), found, counts)
	if err := s.print(d.t, d.cmd.JSON); err != nil {
		return err
	}
	if !s.Agree {
		return fmt.Errorf("what was sent and what is in Kafka differ in %d places", s.Different)
	}
	return nil
}

// begin starts every part, in the order in which one needs the other.
func (d *demo) begin(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "meetbridge-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for keys: %w", err)
	}
	d.onEnd(func(context.Context) error { return os.RemoveAll(dir) })
	made, err := makeKeys(dir, "demo", 2048, "all", time.Now())
	if err != nil {
		return err
	}
	if err := d.beginKafka(ctx); err != nil {
		return err
	}
	var listeners [3]net.Listener
	for i := range listeners {
		if listeners[i], err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen on loopback: %w", err)
		}
		d.onEnd(func(context.Context) error { _ = listeners[i].Close(); return nil }) // closed already unless begin failed
	}
	if err := d.beginGraph(made, listeners[0], "http://"+listeners[1].Addr().String()); err != nil {
		return err
	}
	if err := d.sim.Start(ctx); err != nil {
		return err
	}
	d.onEnd(d.sim.Stop)
	return d.beginIngest(ctx, made, listeners)
}

// beginKafka starts the broker and the registry, makes the topics, and begins
// to read them.
func (d *demo) beginKafka(ctx context.Context) error {
	broker, err := embedded.Start(embedded.Config{}, d.t.log)
	if err != nil {
		return err
	}
	d.onEnd(func(context.Context) error { return broker.Close() })
	d.where = embeddedAt{kafka.Config{Brokers: broker.KafkaAddrs()}, kafka.RegistryConfig{URL: broker.RegistryURL()}}
	client, err := connect(ctx, d.where.kafka, d.t.log)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kafka.ApplyTopics(ctx, kadm.NewClient(client), kafka.WantedTopics(demoPrefix, demoPartitions, -1)); err != nil {
		return err
	}
	d.watcher, err = watch(ctx, d.t, d.where, d.cmd.JSON)
	if err != nil {
		return err
	}
	d.onEnd(d.watcher.close)
	return nil
}

func (d *demo) beginGraph(made keyFiles, authority net.Listener, ingestURL string) error {
	certificates, err := readCertificates([]string{made.Certificate})
	if err != nil {
		return err
	}
	states, err := clientStates(made.ClientStateKeys)
	if err != nil {
		return err
	}
	cfg := graphsim.Config{
		Seed: d.cmd.Seed, Rate: d.cmd.Rate, Listener: authority, AppIDs: []string{demoApp},
		NotificationURL: ingestURL + ingest.PathNotifications, LifecycleURL: ingestURL + ingest.PathLifecycle,
		Certificates: certificates, ClientState: states, Log: d.t.log,
	}
	cfg.Faults = cfg.AllForgeries(forgeryEvery)
	if d.cmd.Faults == "off" {
		cfg.Faults = graphsim.Faults{Every: map[graphsim.Fault]int{}}
		for _, f := range graphsim.FaultList() {
			cfg.Faults.Every[f.Fault] = -1
		}
	}
	if d.sim, err = graphsim.New(cfg); err != nil {
		return usageError{err}
	}
	return nil
}

const (
	demoPrefix = "teams."
	demoApp    = "d3300000-0000-4000-8000-000000000001"
)

func (d *demo) beginIngest(ctx context.Context, made keyFiles, listeners [3]net.Listener) error {
	cfg, err := ingestDefaults()
	if err != nil {
		return err
	}
	cfg.Kafka, cfg.Registry, cfg.TopicPrefix, cfg.TopicPartitions = d.where.kafka, d.where.registry, demoPrefix, demoPartitions
	cfg.Listener, cfg.AdminListener = listeners[1], listeners[2]
	cfg.EntraAuthority = "http://" + listeners[0].Addr().String()
	cfg.EntraSTS = cfg.EntraAuthority + "/sts"
	cfg.AppIDs = []string{demoApp}
	cfg.DecryptionKeys, cfg.ClientStateKeys = filepath.Dir(made.DecryptionKey), made.ClientStateKeys
	d.metrics = prometheus.NewRegistry()
	cfg.Metrics = d.metrics
	// Not ctx: what was sent before it ended is still to be taken.
	if d.server, err = ingest.New(context.WithoutCancel(ctx), cfg, d.t.log); err != nil {
		return err
	}
	d.onEnd(d.server.Stop)
	d.server.Start()
	if err := d.awaitReady(ctx); err != nil {
		return err
	}
	return d.sim.Handshake(ctx, "http://"+d.server.Addr()+ingest.PathNotifications)
}

// awaitReady waits until ingest says that it has all that it needs.
func (d *demo) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.server.AdminAddr()+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("ask whether ingest is ready: %w", err)
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			err = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ingest does not become ready: %w", ctx.Err())
		case <-d.server.Done():
			return d.server.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// announce says what runs where.
func (d *demo) announce() error {
	if d.cmd.JSON {
		return nil
	}
	kafkaAddr, registry := d.where.kafka.Brokers[0], d.where.registry.URL
	return d.t.printf("Kafka %s, schema registry %s, Microsoft Graph (simulated, seed %d) posts to http://%s%s\n"+
		"Read along elsewhere, with keys in full: %s tail --from-beginning --kafka-brokers %s --registry-url %s\n"+
		"%s\n\n", kafkaAddr, registry, d.cmd.Seed, d.server.Addr(), ingest.PathNotifications, program(), kafkaAddr, registry, d.untilWhen())
}

// program returns how to start this program once more from the same directory:
// by its name where that finds it, else by its path. What go run built has none
// that lasts, so that go run is the way.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "meetbridge"
	}
	if found, err := exec.LookPath("meetbridge"); err == nil {
		a, errA := os.Stat(self)
		b, errB := os.Stat(found)
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return "meetbridge"
		}
	}
	if strings.Contains(self, "go-build") {
		return "go run ./cmd/meetbridge"
	}
	return self
}

func (d *demo) untilWhen() string {
	switch {
	case d.cmd.Records > 0 && d.cmd.For > 0:
		return fmt.Sprintf("Ends after %d items or %s, or by Ctrl-C.", d.cmd.Records, d.cmd.For)
	case d.cmd.Records > 0:
		return fmt.Sprintf("Ends after %d items, or by Ctrl-C.", d.cmd.Records)
	case d.cmd.For > 0:
		return fmt.Sprintf("Ends after %s, or by Ctrl-C.", d.cmd.For)
	default:
		return "Ends by Ctrl-C."
	}
}
