package graphsim_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"meetbridge/bridge/graph/graphsim"
)

// swallow acknowledges everything at once.
type swallow struct{}

func (swallow) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// benchmark generates, writes and delivers b.N items, and checks at the end
// that all were acknowledged, and that those are sealed that should be.
func benchmark(b *testing.B, basic bool) {
	b.Helper()
	cfg := config(&receiver{})
	cfg.Basic = basic
	cfg.Client = &http.Client{Transport: swallow{}}
	cfg.BatchMax = 200
	settled, sealed := 0, 0
	cfg.OnEntry = func(e graphsim.Entry) {
		if e.Acked {
			settled++
		}
		if e.PayloadSHA256 != (graphsim.Digest{}) {
			sealed++
		}
	}
	s := start(b, cfg)
	defer stop(b, s)
	b.ReportAllocs()
	b.ResetTimer()
	if err := s.Run(context.Background(), graphsim.Limit{Items: b.N}); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	sum := s.Summary()
	if sum.Acked != b.N || settled != b.N {
		b.Fatalf("acknowledged %d, settled %d of %d", sum.Acked, settled, b.N)
	}
	if basic && sealed > 0 || !basic && b.N >= 1000 && sealed < b.N/2 {
		b.Fatalf("%d of %d items were sealed", sealed, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkBasic is generation and delivery without sealing.
func BenchmarkBasic(b *testing.B) { benchmark(b, true) }

// BenchmarkRich is generation and delivery with sealing, nearly all items rich.
func BenchmarkRich(b *testing.B) { benchmark(b, false) }
