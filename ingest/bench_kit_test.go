package ingest_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/graph/graphsim/load"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/bridge/sealed"
	"meetbridge/ingest"
)

const (
	benchState = "bench-client-state"
	benchApp   = "11111111-1111-4111-8111-111111111111"
	bareTopic  = "bare" // where the bare loop's bodies go
)

// bench is one process's worth of everything: a broker, a registry, an ingest
// and, beside it, the bare loop, which no bridge can beat.
type bench struct {
	tb     testing.TB
	kafka  *embedded.Embedded
	world  graphsim.Config
	ingest string // host:port
	admin  string // host:port
	bare   string // host:port
	adm    *kadm.Client

	recorder *load.Recorder
	ring     *sealed.Ring // of the world's seal, if it seals
}

// setting is what differs between benches. The zero value is one broker and basic
// notifications.
type setting struct {
	bits    int            // size of the decryption key; 0: the world's notifications are basic
	brokers int            // 0: one
	dial    kafka.DialFunc // how ingest reaches Kafka; nil: as usual
}

// newBench starts all.
func newBench(tb testing.TB, set setting) *bench {
	tb.Helper()
	if set.bits > 0 {
		spareThread(tb)
	}
	n := &bench{tb: tb, world: graphsim.Config{Seed: 1, Basic: set.bits == 0, AppIDs: []string{benchApp}, ClientState: func(string) string { return benchState }}}
	log := slog.New(slog.DiscardHandler)
	var err error
	if n.kafka, err = embedded.Start(embedded.Config{Brokers: set.brokers}, log); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = n.kafka.Close() })
	client, err := kgo.NewClient(kgo.SeedBrokers(n.kafka.KafkaAddrs()...))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	n.adm = kadm.NewClient(client)
	if _, err := n.adm.CreateTopic(tb.Context(), 12, 1, nil, bareTopic); err != nil {
		tb.Fatal(err)
	}
	n.startBare()
	n.startIngest(set, log)
	return n
}

// startIngest starts a server that trusts the world, and waits until it is ready.
func (n *bench) startIngest(set setting, log *slog.Logger) {
	tb, dir := n.tb, n.tb.TempDir()
	states := filepath.Join(dir, "states")
	if err := os.WriteFile(states, []byte(benchState+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg := ingest.Config{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		AnswerWithin: 2500 * time.Millisecond, MaxBody: 16 * units.MiB, MaxInFlight: 4096, MaxInFlightBytes: 64 * units.MiB,
		Kafka: kafka.Config{Brokers: n.kafka.KafkaAddrs(), Dialer: set.dial}, Registry: kafka.RegistryConfig{URL: n.kafka.RegistryURL()},
		TopicPrefix: "teams.", CreateTopics: true, TopicPartitions: 12, TopicReplication: 1,
		Trust:   ingest.Trust{EntraAuthority: "https://login.microsoftonline.com", EntraSTS: "https://sts.windows.net", ClientStates: states},
		Content: ingest.Content{Payload: "keep"}, RecentIDs: 1_000_000, QuarantineRate: units.MiB,
		OpenAtOnce: runtime.NumCPU(), Producer: kafka.ProducerConfig{Linger: time.Millisecond}, // as by the command line's default
	}
	if set.bits > 0 {
		cfg.DecryptionKeys, cfg.AppIDs = n.decryptionKey(dir, set.bits), n.world.AppIDs
	}
	n.startWorld()
	if set.bits > 0 {
		cfg.EntraAuthority = "http://" + n.world.Listener.Addr().String()
		cfg.EntraSTS = cfg.EntraAuthority + "/sts"
	}
	s, err := ingest.New(context.Background(), cfg, log)
	if err != nil {
		tb.Fatal(err)
	}
	s.Start()
	tb.Cleanup(func() { _ = s.Stop(context.Background()) })
	n.ingest, n.admin = s.Addr(), s.AdminAddr()
	for range 500 {
		resp, err := http.Get("http://" + s.AdminAddr() + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	tb.Fatal("ingest did not become ready")
}

// decryptionKey makes a key of that size, of which the world gets the
// certificate, and returns its directory.
func (n *bench) decryptionKey(dir string, bits int) string {
	n.tb.Helper()
	text, err := sealed.NewKey("bench", bits, time.Now())
	if err != nil {
		n.tb.Fatal(err)
	}
	keys := filepath.Join(dir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		n.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "bench.pem"), text, 0o600); err != nil {
		n.tb.Fatal(err)
	}
	ring, _, err := sealed.LoadRing(keys)
	if err != nil {
		n.tb.Fatal(err)
	}
	n.ring = ring
	_, rest := pem.Decode(text)
	block, _ := pem.Decode(rest)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		n.tb.Fatal(err)
	}
	n.world.Certificates = []graphsim.Certificate{{ID: "bench", Certificate: cert}}
	return keys
}

// startWorld starts the world, which serves the keys that it signs its tokens with.
func (n *bench) startWorld() {
	n.tb.Helper()
	if !n.world.Basic {
		for _, name := range []string{"a", "b"} {
			n.world.SigningKeys = append(n.world.SigningKeys, readKey(n.tb, "token/testdata/keys/"+name+".pem"))
		}
		var err error
		if n.world.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			n.tb.Fatal(err)
		}
	}
	recorder, err := load.NewRecorder(n.tb.Context(), n.world)
	if err != nil {
		n.tb.Fatal(err)
	}
	n.recorder = recorder
	n.tb.Cleanup(func() { _ = recorder.Stop(context.Background()) })
}

func readKey(tb testing.TB, path string) *rsa.PrivateKey {
	tb.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := pem.Decode(file)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

// startBare starts the bare loop: a handler that hands the body to Kafka and
// waits for its acknowledgement.
func (n *bench) startBare() {
	client, err := kgo.NewClient(kgo.SeedBrokers(n.kafka.KafkaAddrs()...), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		n.tb.Fatal(err)
	}
	n.tb.Cleanup(client.Close)
	h := ingest.BareEcho(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = client.ProduceSync(r.Context(), &kgo.Record{Topic: bareTopic, Value: body}).FirstErr()
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.tb.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	n.tb.Cleanup(func() { _ = srv.Close() })
	n.bare = l.Addr().String()
}

// posts records so many POSTs of the world.
func (n *bench) posts(count, items int) *load.Posts {
	n.tb.Helper()
	p, err := n.recorder.Posts(n.tb.Context(), count, items)
	if err != nil {
		n.tb.Fatal(err)
	}
	return p
}

// check fails the benchmark unless Kafka holds just what was acknowledged: as
// many of ours, none of them in quarantine, and as many of the bare loop's (I1).
func (n *bench) check(ours, bare int64) {
	n.tb.Helper()
	stored := n.stored()
	if stored["teams."] != ours || stored["teams.quarantine"] != 0 || stored[bareTopic] != bare {
		n.tb.Fatalf("acknowledged %d items and %d bodies, stored %v", ours, bare, stored)
	}
}

// stored returns how many records Kafka holds of ours, under "teams.", in
// quarantine and of the bare loop's.
func (n *bench) stored() map[string]int64 {
	n.tb.Helper()
	ends, err := n.adm.ListEndOffsets(context.Background())
	if err != nil {
		n.tb.Fatal(err)
	}
	stored := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		switch quarantine := "teams." + bridge.Quarantine.Topic(); {
		case o.Topic == quarantine, o.Topic == bareTopic:
			stored[o.Topic] += o.Offset
		case strings.HasPrefix(o.Topic, "teams.") && o.Topic != bridge.RecentIDs("teams."):
			stored["teams."] += o.Offset
		}
	})
	return stored
}

// all fails the benchmark unless every POST was acknowledged.
func (n *bench) all(r load.Result) load.Result {
	n.tb.Helper()
	if r.Broken > 0 || r.Codes[http.StatusAccepted] != r.Posts() || r.Posts() == 0 {
		n.tb.Fatalf("not all acknowledged: %v, %d without an answer", r.Codes, r.Broken)
	}
	return r
}

// spareThread gives the process one thread more than there are processors, as the
// ingest command does where it decrypts.
func spareThread(tb testing.TB) {
	tb.Helper()
	before := runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	tb.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// cpuTime returns what this process has spent on processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
