package graphsim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// many returns a simulator of 20 tenants with n subscriptions spread over them,
// a caller for each tenant, and their ids.
func many(tb testing.TB, n int, handshakes bool) (*graphsim.Sim, []*caller, []string) {
	tb.Helper()
	cfg := apiConfig(&receiver{})
	cfg.API.NoHandshakes = !handshakes
	cfg.TenantIDs = nil
	for i := range 20 {
		cfg.TenantIDs = append(cfg.TenantIDs, fmt.Sprintf("5a5a5a5a-0000-4000-8000-%012d", i))
	}
	cfg.API.Unthrottled = true
	cfg.API.Vouched = -1
	cfg.API.NoticeLead = time.Minute
	cfg.API.OnLife = func(graphsim.LifeEvent) {}
	s := start(tb, cfg)
	var callers []*caller
	for _, id := range cfg.TenantIDs {
		c := newCaller(tb, s)
		c.signIn(appID, id, graphsim.DefaultSecret)
		callers = append(callers, c)
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = callers[i%20].create(wanted(fmt.Sprintf("/chats/19:%032x@thread.v2/messages", i), "created,updated,deleted").with(object{
			"expirationDateTime": inTime(71 * time.Hour), "lifecycleNotificationUrl": lifecycleURL,
			"clientState": fmt.Sprintf("mb1.key1.%016d.%043d", i, i),
		}))
	}
	return s, callers, ids
}

// BenchmarkPatch is a renewal in process among 20,000 subscriptions.
func BenchmarkPatch(b *testing.B) {
	b.Run("Handshakes", func(b *testing.B) { benchmarkPatch(b, true) })
	b.Run("NoHandshakes", func(b *testing.B) { benchmarkPatch(b, false) })
}

func benchmarkPatch(b *testing.B, handshakes bool) {
	b.Helper()
	s, callers, ids := many(b, 20_000, handshakes)
	defer stop(b, s)
	handler := s.APIHandler()
	body := fmt.Sprintf(`{"expirationDateTime":%q}`, inTime(71*time.Hour))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		n := i % len(ids)
		req := httptest.NewRequest(http.MethodPatch, "/v1.0/subscriptions/"+ids[n], strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+callers[n%20].token)
		w := &discard{header: http.Header{}}
		handler.ServeHTTP(w, req)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// discard is a ResponseWriter that keeps the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkMemory reports what a subscription takes.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		before := heap()
		s, _, _ := many(b, n, true)
		after := heap()
		b.ReportMetric(float64(after-before)/n, "bytes/subscription")
		b.ReportMetric(float64(after-before)/(1<<20), "MiB")
		if s.Summary().API.Living != n {
			b.Fatal("not all live")
		}
		stop(b, s)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
