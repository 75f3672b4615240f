package renewer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/process"
)

// Config holds everything a renewer process can be told. Its tags are the table
// of flags, environment variables and YAML keys (DESIGN §7).
type Config struct {
	Subscriptions   string `name:"subscriptions" default:"subscriptions.yaml" help:"YAML file of the tenants and the subscriptions that are desired in each; reread when it changes." placeholder:"FILE" group:"Subscriptions"`
	ClientStateKeys string `help:"File of the keys that clientStates are made with, the first one, and were made with, all others; the same as ingest's. Reread when it changes." placeholder:"FILE" group:"Subscriptions"`
	GraphCA         string `name:"graph-ca" help:"PEM file with certificates that may sign those of Graph and of the sign-in authority, beside the system's." placeholder:"FILE" group:"Subscriptions"`

	AdminListen string `default:"127.0.0.1:9091" help:"Address of the admin port: /livez, /readyz, /metrics, /debug/pprof. Never make it public." placeholder:"HOST:PORT" group:"HTTP"`

	Kafka       kafka.Config         `embed:"" group:"Kafka"`
	Registry    kafka.RegistryConfig `embed:"" group:"Schema registry"`
	TopicPrefix string               `default:"teams." help:"What every topic's name begins with, and the names of our consumer groups and transactional ids." group:"Kafka"`

	SessionTimeout time.Duration `default:"10s" help:"How long a leader may go without a heartbeat before another process takes its place. Not less than the brokers' group.min.session.timeout.ms (6s unless changed)." group:"Election"`
	Heartbeat      time.Duration `default:"250ms" help:"How often each process tells Kafka that it lives, and asks whether the shards move: what a graceful hand-over takes on top of its work. At most a sixth of --session-timeout." group:"Election"`

	// Wiring that has no flag: whoever embeds the renewer sets it; zero is right
	// otherwise.
	AdminListener net.Listener         `kong:"-"` // instead of AdminListen
	GraphHTTP     *http.Client         `kong:"-"` // asks Graph and the authority; nil: one of our own for each tenant
	Rules         *Rules               `kong:"-"` // nil: DefaultRules
	Metrics       *prometheus.Registry `kong:"-"` // nil: a fresh one
}

// Check returns one error per wrong setting, each naming its flag. It reads the
// files that are named, and asks nothing of anybody.
func (c Config) Check() error {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	quiet := slog.New(slog.DiscardHandler) // New says it aloud
	if c.AdminListener == nil {
		check(process.CheckListen("--admin-listen", c.AdminListen))
	}
	if c.SessionTimeout < time.Second || c.SessionTimeout > 5*time.Minute {
		check(fmt.Errorf("--session-timeout is %s: must be between 1s and 5m", c.SessionTimeout))
	}
	if c.Heartbeat <= 0 || c.Heartbeat > c.SessionTimeout/6 {
		check(fmt.Errorf("--heartbeat is %s: must be above zero and at most a sixth of --session-timeout, which is %s", c.Heartbeat, c.SessionTimeout))
	}
	_, err := c.Kafka.Options(quiet)
	check(err)
	_, err = kafka.NewRegistry(c.Registry, quiet)
	check(err)
	if c.GraphCA != "" {
		if _, err := graph.HTTPClient(c.GraphCA); err != nil {
			check(fmt.Errorf("--graph-ca: %w", err))
		}
	}
	if c.ClientStateKeys == "" {
		check(errors.New("--client-state-keys is needed: without it nothing could be proven genuine (the same file as ingest's)"))
	} else {
		_, err = c.loadClientStates()
		check(err)
	}
	return errors.Join(errs...)
}

func (c Config) loadClientStates() (*process.Watched[*bridge.ClientStateKeys], error) {
	return process.Load(parseClientStates, process.File{Flag: "--client-state-keys", Path: c.ClientStateKeys})
}

// parseClientStates returns other keys for each reading, so that they can be told
// apart by their pointers.
func parseClientStates(files [][]byte) (*bridge.ClientStateKeys, error) {
	keys, err := bridge.ParseClientStateKeys(files[0], nil)
	if err == nil && keys.MinterID() == "" {
		err = errors.New("no client-state key in it: give the same file as ingest's")
	}
	return &keys, err
}

// connect returns a client for the tenant.
func (c Config) connect(t Tenant, log *slog.Logger) (*graph.Client, error) {
	client := c.GraphHTTP
	if client == nil {
		var err error
		// One for each tenant, so that one whose calls hang does not use up the
		// connections of the others.
		if client, err = graph.HTTPClient(c.GraphCA); err != nil {
			return nil, fmt.Errorf("--graph-ca: %w", err)
		}
	}
	t.Credential.HTTP, t.Credential.Log = client, log
	credential, err := graph.NewCredential(t.Credential)
	if err != nil {
		return nil, err
	}
	return graph.New(graph.Config{BaseURL: t.GraphURL, HTTP: client, Credential: credential, Log: log, Before: letPass})
}
