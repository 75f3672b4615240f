package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/ingest"
)

// bench is a broker and a registry on loopback.
type bench struct {
	b     *testing.B
	kafka *embedded.Embedded
	log   *slog.Logger
}

func newBench(b *testing.B) *bench {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	e, err := embedded.Start(embedded.Config{}, log)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	adm, err := kafka.NewAdmin(kafka.Config{Brokers: e.KafkaAddrs()}, log)
	if err != nil {
		b.Fatal(err)
	}
	defer adm.Close()
	if _, err := kafka.ApplyTopics(b.Context(), adm, kafka.WantedTopics("teams.", 12, 1)); err != nil {
		b.Fatal(err)
	}
	return &bench{b: b, kafka: e, log: log}
}

// topic is where all items of the load go.
const topic = "teams.chat-messages"

// stored returns how many records the topic holds.
func (n *bench) stored() int64 {
	n.b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.kafka.KafkaAddrs()...))
	if err != nil {
		n.b.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(context.Background(), topic)
	if err != nil {
		n.b.Fatal(err)
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum
}

// ingest starts a server for basic notifications and returns its address.
func (n *bench) ingest() string {
	n.b.Helper()
	states := filepath.Join(n.b.TempDir(), "states")
	if err := os.WriteFile(states, []byte("bench-client-state\n"), 0o600); err != nil {
		n.b.Fatal(err)
	}
	s, err := ingest.New(context.Background(), ingest.Config{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		AnswerWithin: 2500 * time.Millisecond, MaxBody: 16 * units.MiB, MaxInFlight: 4096, MaxInFlightBytes: 64 * units.MiB,
		Kafka: kafka.Config{Brokers: n.kafka.KafkaAddrs()}, Registry: kafka.RegistryConfig{URL: n.kafka.RegistryURL()},
		TopicPrefix: "teams.", TopicPartitions: 12, TopicReplication: 1,
		Trust:   ingest.Trust{EntraAuthority: "https://login.microsoftonline.com", EntraSTS: "https://sts.windows.net", ClientStates: states},
		Content: ingest.Content{Payload: "keep"}, RecentIDs: 1_000_000, QuarantineRate: units.MiB,
	}, n.log)
	if err != nil {
		n.b.Fatal(err)
	}
	s.Start()
	n.b.Cleanup(func() { _ = s.Stop(context.Background()) })
	for range 200 {
		resp, err := http.Get("http://" + s.AdminAddr() + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return s.Addr()
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	n.b.Fatal("ingest did not become ready")
	return ""
}

// bare starts what no bridge can beat: a handler that hands the body to Kafka
// and waits for its acknowledgement.
func (n *bench) bare() string {
	n.b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.kafka.KafkaAddrs()...), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		n.b.Fatal(err)
	}
	n.b.Cleanup(client.Close)
	h := ingest.BareEcho(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = client.ProduceSync(r.Context(), &kgo.Record{Topic: topic, Value: body}).FirstErr()
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.b.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	n.b.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

// request appends one POST of as many basic items, none like another.
func request(dst []byte, seq int64, items int) []byte {
	var body bytes.Buffer
	body.WriteString(`{"value":[`)
	for i := range items {
		if i > 0 {
			body.WriteByte(',')
		}
		id := 1_700_000_000_000 + seq*int64(items) + int64(i)
		path := fmt.Sprintf("chats('19:meeting_%04d@thread.v2')/messages('%d')", id%1000, id)
		fmt.Fprintf(&body, `{"subscriptionId":"10493aa0-4d29-4df5-bc0c-ef742cc6cd7f","changeType":"created","clientState":"bench-client-state","subscriptionExpirationDateTime":"2027-02-02T10:30:34.9097561-08:00","resource":%q,"resourceData":{"id":"%d","@odata.type":"#Microsoft.Graph.chatMessage","@odata.id":%q},"tenantId":"84bd8158-6d4d-4958-8b9f-9d6445542f95"}`, path, id, path)
	}
	body.WriteString(`]}`)
	dst = fmt.Appendf(dst[:0], "POST /graph/notifications HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", body.Len())
	return append(dst, body.Bytes()...)
}

// load sends b.N POSTs over so many connections, each waiting for its answer,
// and returns how many were acknowledged.
func load(b *testing.B, addr string, conns, items int) int64 {
	b.Helper()
	var next, acked atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for range conns {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			in := bufio.NewReader(c)
			var out []byte
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				out = request(out, n, items)
				if _, err := c.Write(out); err != nil {
					b.Error(err)
					return
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusAccepted {
					acked.Add(1)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	took := time.Since(start).Seconds()
	b.ReportMetric(float64(b.N)/took, "posts/s")
	b.ReportMetric(float64(b.N*items)/took, "items/s")
	return acked.Load()
}

// BenchmarkPosts is the closed loop of basic notifications: ours beside the bare
// loop, in one run, with every acknowledged item counted in Kafka at the end
// (I1).
func BenchmarkPosts(b *testing.B) {
	for _, c := range []struct{ conns, items int }{{64, 1}, {256, 1}, {64, 20}} {
		b.Run(fmt.Sprintf("bare/conns=%d/items=%d", c.conns, c.items), func(b *testing.B) {
			n := newBench(b)
			acked := load(b, n.bare(), c.conns, c.items)
			if got := n.stored(); got != acked || acked != int64(b.N) {
				b.Fatalf("%d sent, %d acknowledged, %d stored", b.N, acked, got)
			}
		})
		b.Run(fmt.Sprintf("ingest/conns=%d/items=%d", c.conns, c.items), func(b *testing.B) {
			n := newBench(b)
			acked := load(b, n.ingest(), c.conns, c.items)
			if got := n.stored(); got != acked*int64(c.items) || acked != int64(b.N) {
				b.Fatalf("%d sent, %d acknowledged, %d items stored", b.N, acked, got)
			}
		})
	}
}
