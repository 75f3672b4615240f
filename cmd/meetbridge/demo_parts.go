package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/ingest"
	"meetbridge/renewer"
)

const (
	demoPrefix = "teams."
	demoApp    = "d3300000-0000-4000-8000-000000000001"
	// demoPartitions is small, as a laptop is.
	demoPartitions = 4
	// forgeryEvery is how many items there are to each forgery of a kind: some are
	// seen within a minute, and yet most of what lands is genuine.
	forgeryEvery = 300
	// demoLifetime is how long a subscription lives: long enough for calls that
	// take seconds, short enough for two renewals in the first minute.
	demoLifetime = 30 * time.Second
	// subscribeWithin is how long the world waits for its subscribers.
	subscribeWithin = 3 * time.Second
)

// begin starts every part, in the order in which one needs the other.
func (d *demo) begin(ctx context.Context) error {
	var err error
	if d.dir, err = os.MkdirTemp("", "meetbridge-demo-"); err != nil {
		return fmt.Errorf("make a directory for keys: %w", err)
	}
	d.onEnd(func(context.Context) error { return os.RemoveAll(d.dir) })
	if d.keys, err = makeKeys(d.dir, "demo", 2048, "all", time.Now()); err != nil {
		return err
	}
	if err := d.beginKafka(ctx); err != nil {
		return err
	}
	var listeners [4]net.Listener
	for i := range listeners {
		if listeners[i], err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen on loopback: %w", err)
		}
		d.onEnd(func(context.Context) error { _ = listeners[i].Close(); return nil }) // closed already unless begin failed
	}
	if err := d.beginGraph(ctx, listeners[0], listeners[1]); err != nil {
		return err
	}
	if err := d.beginIngest(ctx, listeners[2], listeners[3]); err != nil {
		return err
	}
	// Before the renewers write their first records.
	if err := d.announce(); err != nil {
		return err
	}
	d.onEnd(d.endRenewers)
	for range 2 {
		if err := d.beginRenewer(ctx); err != nil {
			return err
		}
	}
	return nil
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
	if _, err := kafka.ApplyTopics(ctx, kadm.NewClient(client), d.where.kafka.WantedTopics(demoPrefix, demoPartitions, -1)); err != nil {
		return err
	}
	d.watcher, err = watch(ctx, d.t, d.where, d.cmd.JSON)
	if err != nil {
		return err
	}
	d.onEnd(d.watcher.close)
	return nil
}

// beginGraph starts the simulated Graph, which nobody has subscribed to yet.
func (d *demo) beginGraph(ctx context.Context, authority, api net.Listener) error {
	cfg := graphsim.Config{
		Seed: d.cmd.Seed, Rate: d.cmd.Rate, Listener: authority, AppIDs: []string{demoApp}, Log: d.t.log,
		API: &graphsim.API{Listener: api, MinLifetime: demoLifetime, NoticeLead: demoLifetime / 10, PlainHTTP: true},
	}
	cfg.Faults = cfg.AllForgeries(forgeryEvery)
	if d.cmd.Faults == "off" {
		cfg.Faults = graphsim.Faults{Every: map[graphsim.Fault]int{}}
		for _, f := range graphsim.FaultList() {
			cfg.Faults.Every[f.Fault] = -1
		}
	}
	var err error
	if d.sim, err = graphsim.New(cfg); err != nil {
		return usageError{err}
	}
	d.onEnd(d.sim.Stop)
	if err := os.WriteFile(filepath.Join(d.dir, apiCA), d.sim.CA(), 0o600); err != nil {
		return fmt.Errorf("write the simulator's certificate authority: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, apiSecret), []byte(graphsim.DefaultSecret), 0o600); err != nil {
		return fmt.Errorf("write the simulator's client secret: %w", err)
	}
	return d.sim.Start(ctx)
}

func (d *demo) beginIngest(ctx context.Context, public, admin net.Listener) error {
	cfg, err := defaults[ingest.Config]()
	if err != nil {
		return err
	}
	cfg.Kafka, cfg.Registry, cfg.TopicPrefix, cfg.TopicPartitions = d.where.kafka, d.where.registry, demoPrefix, demoPartitions
	cfg.Listener, cfg.AdminListener = public, admin
	cfg.EntraAuthority, cfg.EntraSTS = d.sim.AuthorityURL(), d.sim.STSURL()
	cfg.AppIDs = []string{demoApp}
	cfg.DecryptionKeys, cfg.ClientStateKeys = filepath.Dir(d.keys.DecryptionKey), d.keys.ClientStateKeys
	d.metrics = prometheus.NewRegistry()
	cfg.Metrics = d.metrics
	// Not ctx: what was sent before it ended is still to be taken.
	if d.server, err = ingest.New(context.WithoutCancel(ctx), cfg, d.t.log); err != nil {
		return err
	}
	d.onEnd(d.server.Stop)
	d.server.Start()
	return d.await(ctx, 30*time.Second, "ingest is not ready", d.server, func(ctx context.Context) bool {
		_, ready := askReady(ctx, d.server.AdminAddr())
		return ready
	})
}

// beginRenewer starts one more renewer. The first one leads.
func (d *demo) beginRenewer(ctx context.Context) error {
	cfg, err := defaults[renewer.Config]()
	if err != nil {
		return err
	}
	if len(d.renewers) == 0 {
		if err := d.desire(d.keys.Certificate); err != nil {
			return err
		}
	}
	cfg.Kafka, cfg.Registry, cfg.TopicPrefix = d.where.kafka, d.where.registry, demoPrefix
	cfg.AdminListen = "127.0.0.1:0"
	cfg.Subscriptions, cfg.GraphCA, cfg.ClientStateKeys = filepath.Join(d.dir, apiSubscriptions), filepath.Join(d.dir, apiCA), d.keys.ClientStateKeys
	r, err := renewer.New(context.WithoutCancel(ctx), cfg, d.t.log)
	if err != nil {
		return err
	}
	d.renewers = append(d.renewers, r)
	r.Start()
	if len(d.renewers) > 1 {
		return nil // it stands by
	}
	wanted, _, err := renewer.LoadDesired(cfg.Subscriptions)
	if err != nil {
		return err
	}
	// Those that Graph has refused for now are made when they can be: the gaps are
	// on record.
	err = d.await(ctx, subscribeWithin, "not all subscriptions are made", r, func(context.Context) bool {
		return len(d.sim.Subscriptions()) == len(wanted.Subscriptions)
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// desire writes the file of the subscriptions that are wanted, so that whoever
// rereads it finds the old one or the new one, whole.
func (d *demo) desire(certificate string) error {
	url := "http://" + d.server.Addr()
	text, err := simulated{
		GraphURL: d.sim.APIURL(), NotificationURL: url + ingest.PathNotifications, LifecycleURL: url + ingest.PathLifecycle,
		ClientID: demoApp, SecretFile: apiSecret, Certificate: certificate, Lifetime: demoLifetime, Tenants: d.sim.Tenants(),
	}.yaml()
	if err != nil {
		return err
	}
	path := filepath.Join(d.dir, apiSubscriptions)
	err = os.WriteFile(path+".new", text, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write desired subscriptions: %w", err)
	}
	return nil
}

// endRenewers stops those that run, the standbys first: nobody takes the lead
// once more.
func (d *demo) endRenewers(ctx context.Context) error {
	var errs []error
	for i := len(d.renewers) - 1; i >= 0; i-- {
		errs = append(errs, d.renewers[i].Stop(ctx))
	}
	return errors.Join(errs...)
}

// await waits until done says so, the process ends or the time is over.
func (d *demo) await(ctx context.Context, within time.Duration, otherwise string, p process, done func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", otherwise, ctx.Err())
		case <-p.Done():
			return p.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// askReady returns what a process's admin port says of it, and whether it is
// ready.
func askReady(ctx context.Context, addr string) (body string, ready bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
	if err != nil {
		return "", false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return string(text), err == nil && res.StatusCode == http.StatusOK
}

// defaults returns what a process runs with when nothing is set.
func defaults[T any]() (T, error) {
	var grammar struct {
		Config T `embed:""`
	}
	parser, err := kong.New(&grammar, kong.NoDefaultHelp())
	if err == nil {
		_, err = parser.Parse(nil)
	}
	if err != nil {
		return grammar.Config, fmt.Errorf("read default settings: %w", err)
	}
	return grammar.Config, nil
}
