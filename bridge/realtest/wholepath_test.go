//go:build real

package realtest_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
)

// Graph's notifications land as records that anybody can decode by the registry;
// forgeries land in quarantine; what a wrong setting set aside is replayed, once;
// and a broker, a registry and an ingest that go away and come back cost nothing
// (I1, I2, I3, I7, I8).
func (l *lab) wholePath(t *testing.T) {
	t.Parallel()
	s := l.newSite(t, "whole.", l.plain, l.durable.url())
	s.do("keys", "new", "keys", "--id", "main")
	s.do(s.with("topics", "apply", "--topic-partitions", "3")...)

	// An app id that is not ours: everything sealed is set aside.
	first := s.graph(1, nil)
	in := s.ingest("ingest", first.sim, "--app-ids", "22222222-2222-4222-8222-222222222222")
	in.ready()
	first.run(100)
	in.end(syscall.SIGTERM)
	asides := s.replay(first.sim)
	if asides["produced"] == 0 || asides["stays"] > 0 {
		t.Errorf("the replay of what was set aside: %v", asides)
	}
	again := s.replay(first.sim)
	if again["already_there"] != asides["produced"] || again["produced"] > 0 {
		t.Errorf("the second replay: %v, after %v", again, asides)
	}

	between := time.Now()
	// Everything that Graph does, all kinds of forgeries, and trouble.
	second := s.graph(2, func(c *graphsim.Config) {
		c.Rate, c.Rules.SlowDelay, c.Rules.DropFor = 40, time.Second, time.Second
		c.Rules.BackoffMax, c.Drain = 5*time.Second, time.Minute
		c.Faults = c.AllForgeries(100)
		for f, every := range map[graphsim.Fault]int{graphsim.RepeatPost: 15, graphsim.CutPost: 40, graphsim.MisfitPayload: 60} {
			c.Faults.Every[f] = every
		}
	})
	in = s.ingest("ingest", second.sim)
	in.ready()
	done := make(chan struct{})
	go func() {
		defer close(done)
		second.run(900)
	}()
	time.Sleep(3 * time.Second)
	l.plain.restart(t, nil)
	time.Sleep(2 * time.Second)
	restart(t, l.durable.container, nil)
	in.end(syscall.SIGKILL)
	in = s.ingest("ingest again", second.sim)
	in.ready()
	<-done

	sum := second.sim.Summary()
	if sum.Acked != sum.Items || sum.Dropped > 0 || sum.Genuine < 900 || sum.Forged == 0 {
		t.Errorf("%d items, %d genuine, %d forged, %d acknowledged, %d dropped", sum.Items, sum.Genuine, sum.Forged, sum.Acked, sum.Dropped)
	}
	if sum.Answers["503"]+sum.Answers["unreachable"]+sum.Answers["cut"]+sum.Answers["timeout"] == 0 {
		t.Error("the troubles were not felt")
	}
	stored := bridgetest.Consume(t, l.plain.open(), kafka.RegistryConfig{URL: l.durable.url()}, s.prefix, quiet())
	stored = slices.DeleteFunc(stored, func(r bridgetest.Stored) bool { // of the first run, on purpose
		return r.Topic == "quarantine" && r.Instant("received_at").Before(between)
	})
	entries := append(first.sim.Ledger(), second.sim.Ledger()...)
	for i, d := range bridgetest.Judge(entries, stored, true) {
		if t.Error(d); i == 10 {
			break
		}
	}
	t.Logf("%d items acknowledged, %d forged, %d records, %d set aside and replayed; answers %v", sum.Acked, sum.Forged, len(stored), asides["produced"], sum.Answers)
	in.end(syscall.SIGTERM)
	if code := in.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ingest ended with %d", code)
	}
}

// replay carries out quarantine replay and returns its counts.
func (s *site) replay(sim *graphsim.Sim) map[string]int {
	s.t.Helper()
	out := s.do(s.with("quarantine", "replay", "--apply", "--all", "--json", "--entra-authority", sim.AuthorityURL(), "--entra-sts", sim.STSURL(),
		"--decryption-keys", "keys/decryption", "--client-state-keys", "keys/client-state.keys", "--app-ids", appID)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last struct {
		Summary struct{ Outcomes map[string]int }
	}
	if err := json.NewDecoder(bytes.NewBufferString(lines[len(lines)-1])).Decode(&last); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return last.Summary.Outcomes
}
