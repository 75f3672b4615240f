//go:build real

package realtest_test

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// A registry that is away when ingest starts is waited for; one that goes away,
// is slow or has forgotten everything later costs no record.
func (l *lab) registryTroubles(t *testing.T) {
	t.Parallel()
	f := newFront(t, l.memory.url())
	s := l.newSite(t, "registry.", l.guarded, f.URL)
	s.do("keys", "new", "keys", "--id", "main")
	s.do(s.with("topics", "apply", "--topic-partitions", "3")...)
	w := s.graph(41, func(c *graphsim.Config) {
		c.Rules.BackoffMax, c.Drain = 2*time.Second, time.Minute
	})
	// flows sends items and wants them acknowledged without a word of refusal.
	flows := func(in *process, when string) {
		t.Helper()
		before := w.sim.Summary().Answers["503"]
		w.run(40)
		if sum := w.sim.Summary(); sum.Acked != sum.Items || sum.Answers["503"] != before {
			t.Errorf("%s: %d of %d items acknowledged, answers %v\n%s", when, sum.Acked, sum.Items, sum.Answers, in.said.tail(5))
		}
	}

	// Away at the start: alive, not ready, and 503 for what comes.
	f.set(true, 0, nil)
	in := s.ingest("ingest", w.sim)
	await(t, time.Minute, "it says what is missing", func() bool {
		code, body := in.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "--registry-url") && !strings.Contains(body, "--kafka-brokers")
	})
	if code, _ := in.get("/livez"); code != http.StatusOK {
		t.Errorf("/livez answers %d", code)
	}
	// Then slower than a request may be, for the first ones.
	f.set(false, 7*time.Second, nil)
	await(t, time.Minute, "a registry that is too slow is told of", func() bool {
		return strings.Contains(in.said.String(), "deadline exceeded") || strings.Contains(in.said.String(), "Timeout exceeded")
	})
	f.set(false, 300*time.Millisecond, nil)
	in.ready()
	flows(in, "with a slow registry")

	f.set(true, 0, nil)
	flows(in, "with a registry that is away")
	f.set(false, 0, func(*http.Request) int { return http.StatusConflict })
	flows(in, "with a registry that answers 409")
	f.set(false, 0, nil)
	before := bridgetest.Consume(t, l.guarded.open(), kafka.RegistryConfig{URL: f.URL}, s.prefix, quiet())

	reg, err := kafka.NewRegistry(kafka.RegistryConfig{URL: f.URL}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ids, err := reg.RegisterAll(t.Context(), s.prefix, schemas.All())
	if err != nil {
		t.Fatal(err)
	}

	// It forgets everything: what runs goes on; whoever has to ask cannot read
	// it; and what starts registers anew.
	restart(t, l.memory.container, nil)
	flows(in, "with a registry that has forgotten everything")
	if _, err := reg.SchemaByID(t.Context(), 1); !errors.Is(err, kafka.ErrUnknownSchema) {
		t.Errorf("what a new consumer gets to hear of a registry that has forgotten: %v", err)
	}
	in.end(syscall.SIGTERM)
	in = s.ingest("ingest", w.sim)
	in.ready()
	flows(in, "after it registered anew")
	out := s.do("schemas", "check", "--registry-url", f.URL, "--topic-prefix", s.prefix)
	if strings.Contains(out, "missing") || strings.Contains(out, "incompatible") {
		t.Errorf("the schemas after all: %s", out)
	}
	anew, err := reg.RegisterAll(t.Context(), s.prefix, schemas.All())
	if err != nil {
		t.Fatal(err)
	}
	other := 0
	for topic, id := range ids {
		if anew[topic] != id {
			other++
		}
	}
	t.Logf("%d records before it forgot; %d of %d schemas have another id since", len(before), other, len(ids))
}
