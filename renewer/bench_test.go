package renewer

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/schemas"
)

// benchStates returns n living subscriptions in 20 tenants, and the wish for
// them.
func benchStates(n int, now time.Time) ([]State, *Wanted) {
	wanted := &Wanted{}
	for i := range 20 {
		wanted.Tenants = append(wanted.Tenants, Tenant{ID: fmt.Sprintf("7a4c9d0e-0000-4000-8000-%012d", i)})
	}
	states := make([]State, n)
	for i := range states {
		key := Key{TenantID: wanted.Tenants[i%20].ID, Resource: fmt.Sprintf("chats/19:%032x@thread.v2/messages", i), ChangeType: "created,deleted,updated"}
		d := Desired{
			Key: key, Rich: true, Lifetime: 70 * time.Hour, NotificationURL: "https://bridge.example.com/graph/notifications",
			LifecycleURL: "https://bridge.example.com/graph/lifecycle", Version: "v1.0", ApplicationID: "11111111-1111-4111-8111-111111111111",
			Certificate: Certificate{ID: "2026", Thumbprint: "AABBCCDDEEFF00112233445566778899AABBCCDD"}, ClientStateKeyID: "k1",
		}
		wanted.Subscriptions = append(wanted.Subscriptions, d)
		s := Begin(State{}, Action{Kind: Create, Key: key, Want: &d}, now)
		s.Intent, s.IntentAt, s.Status = "", time.Time{}, Active
		s.SubscriptionID, s.ApplicationID = fmt.Sprintf("7a4c9d0e-1111-4000-8000-%012d", i), d.ApplicationID
		s.CreatedAt, s.RenewedAt, s.ProofAt, s.Proof = now, now, now, ByCreation
		s.ExpiresAt = now.Add(d.Lifetime)
		states[i] = s
	}
	return states, wanted
}

// BenchmarkTakeOver is how long winning a shard of 100,000 subscriptions takes,
// from its epoch to a plan, and what it holds in memory then.
func BenchmarkTakeOver(b *testing.B) {
	const n = 100_000
	log := slog.New(slog.DiscardHandler)
	e, err := embedded.Start(embedded.Config{}, log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	c := kafka.Config{Brokers: e.KafkaAddrs()}
	adm, err := kafka.NewAdmin(c, log)
	if err != nil {
		b.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.CreateTopics(b.Context(), 1, 1, nil, "teams.subscriptions", "teams.gaps"); err != nil {
		b.Fatal(err)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		b.Fatal(err)
	}
	registry, err := kafka.NewRegistry(kafka.RegistryConfig{URL: e.RegistryURL(), HTTP: http.DefaultClient}, log)
	if err != nil {
		b.Fatal(err)
	}
	j := &journal{kafka: c, prefix: "teams.", codec: codec, log: log, counted: newMetrics(prometheus.NewRegistry())}
	j.reader = newReader(codec, map[string]uint32{bridge.SubscriptionState.Topic(): 1}, registry)
	states, wanted := benchStates(n, time.Now())
	first, err := openStore(b.Context(), j, 0)
	if err != nil {
		b.Fatal(err)
	}
	for at := 0; at < n; at += 5000 {
		if err := first.write(b.Context(), states[at:at+5000], nil); err != nil {
			b.Fatal(err)
		}
	}
	first.close()
	states = nil
	held := heapBytes()
	b.ReportAllocs()
	var s *shard
	for b.Loop() {
		store, err := openStore(b.Context(), j, 0)
		if err != nil {
			b.Fatal(err)
		}
		read, err := store.load(b.Context(), 1)
		if err != nil || len(read) != n {
			b.Fatal(len(read), err)
		}
		s = &shard{
			lease: &Lease{}, store: store, counted: j.counted, log: log, shards: 1, lanes: map[string]*lane{},
			wish: &wish{wanted: wanted, rules: DefaultRules(), keys: bridge.ClientStateKeys{}},
		}
		s.begin(read, time.Now())
		if tenants, next := s.planner.Wake(time.Now()); next.IsZero() {
			b.Fatal(tenants, "nothing ever due")
		}
		store.close()
	}
	b.ReportMetric(float64(heapBytes()-held)/(1<<20), "MiB-held")
	runtime.KeepAlive(s)
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
