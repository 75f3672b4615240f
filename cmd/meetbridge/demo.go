package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
	"meetbridge/renewer"
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
authority and subscriptions API, ingest, two renewers, and a consumer. Subscriptions live
for half a minute, so that one sees them renewed, another renewer take the lead, and a new
decryption key come into use, all within the first minute. Nothing remains afterwards.

At its end, by --records, --for or Ctrl-C, what was sent is compared with what the consumer
found in Kafka. Exit code 0 only if they agree. With --json the last line says so as
{"summary":{"agree":true,"sent":N,"acked":N,"stored":N,"quarantined":N,…}}, with tables by
topic and by reason after it, and keys are whole; what happens in between is
{"event":"…"}.

Examples:
  meetbridge demo
  meetbridge demo --for 30s
  meetbridge demo --records 100 --json | jq -r 'select(.key) | .topic + " " + .key'
  meetbridge demo --records 100 --json | tail -n 1 | jq .summary.agree`
}

// demo is everything that runs, and what ends it again.
type demo struct {
	cmd   demoCmd
	t     *terminal
	ends  []func(context.Context) error // in the order of beginning
	where embeddedAt

	dir      string // of all files
	keys     keyFiles
	server   *ingest.Server
	metrics  *prometheus.Registry
	sim      *graphsim.Sim
	watcher  *watcher
	renewers []*renewer.Renewer // in the order of their start
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
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends at the latest with Run
		select {
		case <-d.server.Done():
			cancel()
		case <-running.Done():
		}
	}()
	var acts sync.WaitGroup
	acts.Go(func() { d.play(running) })
	// What is still pending at the end is among the differences.
	err = d.sim.Run(running, graphsim.Limit{Items: c.Records, For: c.For})
	cancel()
	acts.Wait()
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
	if err := d.endRenewers(ctx); err != nil {
		return err
	}
	found, err := d.watcher.all(ctx)
	if err != nil {
		return err
	}
	counts, err := readCounts(d.metrics)
	if err != nil {
		return err
	}
	s := compare(d.sim.Ledger(), found, counts)
	s.Subscriptions = subscriptionsOf(d.sim.Summary())
	if err := s.print(d.t, d.cmd.JSON); err != nil {
		return err
	}
	if !s.Agree {
		return fmt.Errorf("what was sent and what is in Kafka differ in %d places", s.Different)
	}
	return nil
}

// announce says what runs where, and heads the records that will be printed.
func (d *demo) announce() error {
	if d.cmd.JSON {
		return nil
	}
	kafkaAddr, registry := d.where.kafka.Brokers[0], d.where.registry.URL
	return d.t.printf("Kafka %s, schema registry %s, Microsoft Graph (simulated, seed %d) posts to http://%s%s\n"+
		"Read along elsewhere, with keys in full: %s tail --from-beginning --kafka-brokers %s --registry-url %s\n"+
		"%s\n\n%s\n", kafkaAddr, registry, d.cmd.Seed, d.server.Addr(), ingest.PathNotifications, program(), kafkaAddr, registry, d.untilWhen(),
		d.t.paint(dim, pad("TIME", len(demoTime))+"  "+pad("TOPIC", topicWidth)+"  KEY"))
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
