package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func start(t *testing.T, c embedded.Config) *embedded.Embedded {
	t.Helper()
	e, err := embedded.Start(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() }) // most are closed already
	return e
}

func stop(t *testing.T, e *embedded.Embedded) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// produce makes the topic if need be and produces n records to it.
func produce(t *testing.T, e *embedded.Embedded, topic string, n int) {
	t.Helper()
	c := kafka.Config{Brokers: e.KafkaAddrs()}
	adm, err := kafka.NewAdmin(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := kafka.ApplyTopics(t.Context(), adm, []kafka.TopicWant{{Topic: topic, Partitions: 2}}); err != nil {
		t.Fatal(err)
	}
	p, err := kafka.NewProducer(c, kafka.ProducerConfig{}, discard())
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, n)
	for i := range n {
		p.Produce(&kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: []byte("v")}, func(err error) { failed <- err })
	}
	for range n {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// stored returns how many records a topic holds, by asking the brokers.
func stored(t *testing.T, e *embedded.Embedded, topic string) (n int64) {
	t.Helper()
	adm, err := kafka.NewAdmin(kafka.Config{Brokers: e.KafkaAddrs()}, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// Ensure that all that was acknowledged outlives restarts, on the same ports.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := embedded.Config{DataDir: filepath.Join(t.TempDir(), "new", "data"), Brokers: 2}
	var ids []int
	for round := 1; round <= 3; round++ {
		e := start(t, c)
		if round > 1 && (strings.Join(e.KafkaAddrs(), ",") == "" || e.KafkaAddrs()[0] != c.KafkaListen) {
			t.Errorf("it listens on %v, want %s", e.KafkaAddrs(), c.KafkaListen)
		}
		produce(t, e, "t", 100)
		if n := stored(t, e, "t"); n != int64(100*round) {
			t.Errorf("round %d: %d records are there, want %d", round, n, 100*round)
		}
		id, err := registry(t, e).Register(t.Context(), "t-value", userSchema)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		stop(t, e)
		// Free ports were wanted first; the others must be the same.
		if round == 1 {
			c.KafkaListen, c.RegistryListen = e.KafkaAddrs()[0], strings.TrimPrefix(e.RegistryURL(), "http://")
			c.Brokers = 1 // nor may their number matter
		}
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("the same schema had the ids %v", ids)
	}
}

// Ensure that without a directory nothing is kept and nothing is written.
func TestMemory(t *testing.T) {
	t.Parallel()
	e := start(t, embedded.Config{})
	produce(t, e, "t", 10)
	stop(t, e)
	e = start(t, embedded.Config{KafkaListen: e.KafkaAddrs()[0]})
	adm, err := kafka.NewAdmin(kafka.Config{Brokers: e.KafkaAddrs()}, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if topics, err := adm.ListTopics(t.Context()); err != nil || len(topics) != 0 {
		t.Errorf("topics after a restart: %v, %v; want none", topics.Names(), err)
	}
}

// Ensure that clients are told an address at which they reach the broker.
func TestAdvertisedAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listen, advertise, want string
	}{
		{"127.0.0.1:0", "", "127.0.0.1"},
		{":0", "", "127.0.0.1"},
		{"0.0.0.0:0", "", "127.0.0.1"},
		{"0.0.0.0:0", "localhost", "localhost"},
		{"localhost:0", "", "localhost"},
	} {
		e := start(t, embedded.Config{KafkaListen: tt.listen, KafkaAdvertise: tt.advertise, RegistryListen: tt.listen})
		host, port, err := net.SplitHostPort(e.KafkaAddrs()[0])
		if err != nil || host != tt.want {
			t.Errorf("%+v: it is told as %v, want %s", tt, e.KafkaAddrs(), tt.want)
		}
		adm, err := kafka.NewAdmin(kafka.Config{Brokers: []string{net.JoinHostPort("127.0.0.1", port)}}, discard())
		if err != nil {
			t.Fatal(err)
		}
		brokers, err := adm.ListBrokers(t.Context())
		adm.Close()
		if err != nil || len(brokers) != 1 || brokers[0].Host != tt.want {
			t.Errorf("%+v: clients are told %+v, %v; want %s", tt, brokers, err, tt.want)
		}
		if err := registry(t, e).Ping(t.Context()); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		stop(t, e)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	busy := start(t, embedded.Config{DataDir: t.TempDir()})
	busyDir := t.TempDir()
	start(t, embedded.Config{DataDir: busyDir})
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "schemas.json"), []byte(`{"versions":[{"id":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	contradictory := t.TempDir()
	if err := os.WriteFile(filepath.Join(contradictory, "schemas.json"), []byte(`{"versions":[{"id":1,"subject":"s","version":1,"schema":"not a schema"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		config embedded.Config
		want   string
	}{
		{"no port", embedded.Config{KafkaListen: "localhost"}, "--kafka-listen"},
		{"port out of range", embedded.Config{KafkaListen: "localhost:70000"}, "--kafka-listen"},
		{"registry without port", embedded.Config{RegistryListen: "localhost"}, "--registry-listen"},
		{"port in use", embedded.Config{KafkaListen: busy.KafkaAddrs()[0]}, "in use"},
		{"registry's port in use", embedded.Config{RegistryListen: strings.TrimPrefix(busy.RegistryURL(), "http://")}, "in use"},
		{"directory in use", embedded.Config{DataDir: busyDir}, "in use by another process"},
		{"directory is a file", embedded.Config{DataDir: filepath.Join(broken, "schemas.json")}, "make data directory"},
		{"broken file", embedded.Config{DataDir: broken}, "schemas.json"},
		{"contradictory file", embedded.Config{DataDir: contradictory}, "schemas.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := embedded.Start(tt.config, discard())
			if err == nil {
				_ = e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Start() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// Ensure that several brokers share the topics, on ports one after another.
func TestSeveralBrokers(t *testing.T) {
	t.Parallel()
	e := start(t, embedded.Config{Brokers: 3})
	produce(t, e, "t", 50)
	if len(e.KafkaAddrs()) != 3 || stored(t, e, "t") != 50 {
		t.Errorf("%v hold %d records, want three brokers with 50", e.KafkaAddrs(), stored(t, e, "t"))
	}
	for range 20 { // until three ports in a row are free
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := ln.Addr().(*net.TCPAddr).Port
		_ = ln.Close()
		row, err := embedded.Start(embedded.Config{KafkaListen: fmt.Sprintf("127.0.0.1:%d", port), Brokers: 3}, discard())
		if err != nil {
			continue
		}
		defer stop(t, row)
		for i, addr := range row.KafkaAddrs() {
			if want := fmt.Sprintf("127.0.0.1:%d", port+i); addr != want {
				t.Errorf("broker %d is at %s, want %s", i, addr, want)
			}
		}
		return
	}
	t.Error("no three ports in a row")
}

// Ensure that Close cuts clients that wait, and does so soon.
func TestCloseCutsClients(t *testing.T) {
	t.Parallel()
	e := start(t, embedded.Config{})
	produce(t, e, "t", 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(e.KafkaAddrs()...), kgo.ConsumeTopics("t"), kgo.FetchMaxWait(time.Minute), kgo.FetchMinBytes(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_ = client.PollFetches(ctx) // it waits at the broker from now on
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.RegistryURL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("POST /subjects/t-value HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close() waits for its clients")
	}
}
