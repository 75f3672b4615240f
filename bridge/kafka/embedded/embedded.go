package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// ListenFunc opens a listener; net.Listen is one.
type ListenFunc func(network, address string) (net.Listener, error)

// Config says where to listen and what to keep.
type Config struct {
	// KafkaListen is where the first broker listens, host:port, port 0 for any
	// free one; further brokers take the ports after it. "" means
	// 127.0.0.1:0.
	KafkaListen string
	// KafkaAdvertise is the host that clients are told to connect to, for
	// brokers that are reached by another name than they listen on. "" means
	// the host of KafkaListen, or 127.0.0.1 if that is every interface.
	KafkaAdvertise string
	// RegistryListen is where the registry listens, host:port. "" means
	// 127.0.0.1:0.
	RegistryListen string
	// DataDir keeps topics, records, groups and schemas over restarts. One
	// process at a time may use it. "" keeps all in memory until Close.
	DataDir string
	// ListenFn opens every listener; nil means net.Listen. A bubble of
	// testing/synctest needs one whose connections stay in memory.
	ListenFn ListenFunc
	// Brokers is the number of brokers, 0 for one.
	Brokers int
}

// Embedded is a running broker and registry.
type Embedded struct {
	kafka    *broker
	registry *registry
	unlock   func() error
	close    func() error // once
}

// Start runs a broker and a registry; both are ready when it returns. The
// caller closes them.
func Start(c Config, log *slog.Logger) (*Embedded, error) {
	log = log.With("component", "embedded_kafka")
	if c.ListenFn == nil {
		c.ListenFn = net.Listen
	}
	if c.KafkaListen == "" {
		c.KafkaListen = "127.0.0.1:0"
	}
	if c.RegistryListen == "" {
		c.RegistryListen = "127.0.0.1:0"
	}
	if c.Brokers <= 0 {
		c.Brokers = 1
	}
	e := &Embedded{unlock: func() error { return nil }}
	e.close = sync.OnceValue(e.end)
	if c.DataDir != "" {
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("make data directory: %w", err)
		}
		unlock, err := lock(filepath.Join(c.DataDir, "lock"))
		if err != nil {
			return nil, fmt.Errorf("data directory %s: %w", c.DataDir, err)
		}
		e.unlock = unlock
	}
	var err error
	if e.kafka, err = startBroker(c, log); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if e.registry, err = startRegistry(c, log); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// KafkaAddrs returns the brokers' addresses as clients are told them.
func (e *Embedded) KafkaAddrs() []string { return slices.Clone(e.kafka.addrs) }

// RegistryURL returns the registry's URL.
func (e *Embedded) RegistryURL() string { return e.registry.url }

// Close ends the registry, then the brokers, which write what they hold to
// DataDir. Connections are cut. It may be called more than once.
func (e *Embedded) Close() error { return e.close() }

func (e *Embedded) end() error {
	var err error
	if e.registry != nil {
		err = e.registry.close()
	}
	if e.kafka != nil {
		e.kafka.close()
	}
	return errors.Join(err, e.unlock())
}

// reachable returns the host under which a listener on host is told to
// clients: itself, or loopback for every interface.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// splitListen returns the host and port of a listen address.
func splitListen(flag, address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %q is not host:port", flag, address)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %q has no port from 0 to 65535", flag, address)
	}
	return host, int(n), nil
}
