//go:build synctests

package bridgetest_test

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
)

// exact is for runs in which every call is answered: what was dead when is known
// to the length of a call, but for silent deaths.
func exact() bridgetest.Tolerance {
	return bridgetest.Tolerance{Begin: 30 * time.Second, Early: time.Second, Late: 2 * time.Second}
}

// judge fails the test with what the judge found, and how to see it again.
func judge(t *testing.T, s *bridgetest.System, seed uint64, tolerance bridgetest.Tolerance) ([]bridgetest.Stored, bridgetest.Found) {
	t.Helper()
	stored, diffs, found := s.Judge(tolerance)
	for i, d := range diffs {
		if i == 20 {
			t.Errorf("… and %d more", len(diffs)-i)
			break
		}
		t.Error(d)
	}
	if t.Failed() || testing.Verbose() {
		var b bytes.Buffer
		_, _ = s.Graph.Summary().WriteTo(&b)
		t.Logf("replay: go test -tags synctests ./bridge/bridgetest -run '^%s$' -seed %d\n%+v\n%s", t.Name(), seed, found, b.String())
	}
	return stored, found
}

// I9: when nobody vouches for subscriptions for longer than Graph holds what it
// cannot send, and nothing dies, the gaps say what is lost, no more and no less;
// what it still holds arrives.
func TestSystemHeld(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		s := bridgetest.NewSystem(t, keys, systemLog(), 1, func(c *graphsim.Config) {
			c.Seed, c.Rate = *seed, 0.5
			c.Faults.Every = map[graphsim.Fault]int{graphsim.APIThrottled: -1, graphsim.APIUnavailable: -1, graphsim.HandshakeLost: -1}
			c.API.Vouched, c.API.NoticeLead = 5*time.Minute, 20*time.Second
		})
		s.Desire(everything(s.Graph)...)
		absent := s.StartRenewer()
		s.Within(30*time.Second, "all are made", func() bool { return s.AsDesired() == nil })
		absent.Stop()
		if err := s.Graph.Run(t.Context(), graphsim.Limit{For: 14 * time.Minute}); err != nil {
			t.Error(err)
		}
		s.StartRenewer()
		s.Within(2*time.Minute, "all deliver again", func() bool { return s.Graph.Summary().API.Paused == 0 })
		time.Sleep(10 * time.Second)
		tolerance := exact()
		tolerance.Early = 25 * time.Second
		_, found := judge(t, s, *seed, tolerance)
		sum := s.Graph.Summary().API
		if len(found.ByCause) != 1 || found.ByCause["held"] != sum.Living || sum.HeldTooLong < 50 || sum.Held < 2*sum.HeldTooLong || found.InGaps < 50 {
			t.Errorf("%+v; %d living, %d held, %d of them lost", found, sum.Living, sum.Held, sum.HeldTooLong)
		}
	})
}

var showLog = flag.Bool("systemlog", false, "show what the processes of a System log")

// systemLog is where the processes log to.
func systemLog() *slog.Logger {
	if *showLog {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// I9: with two renewers and two ingest processes, and Graph as it is in its good
// hours, everything that is desired is made, vouched for and renewed in time, in
// every form in which it can be asked for; all that happens from then on reaches
// its topic, nothing is paused, and there is no gap.
func TestSystem(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		s := bridgetest.NewSystem(t, keys, systemLog(), 2, func(c *graphsim.Config) {
			c.Seed, c.Rate = *seed, 0.5
			c.Faults.Every = map[graphsim.Fault]int{graphsim.APIThrottled: -1, graphsim.APIUnavailable: -1, graphsim.HandshakeLost: -1}
		})
		s.Desire(everything(s.Graph)...)
		s.StartRenewer()
		s.StartRenewer()
		s.Within(30*time.Second, "all are made", func() bool { return s.AsDesired() == nil })
		if err := s.Graph.Run(t.Context(), graphsim.Limit{For: 17 * time.Minute}); err != nil {
			t.Error(err)
		}
		if err := s.AsDesired(); err != nil {
			t.Error(err)
		}
		stored, found := judge(t, s, *seed, exact())
		sum := s.Graph.Summary()
		topics := map[string]int{}
		for _, r := range stored {
			topics[r.Topic]++
		}
		for _, k := range bridge.Kinds() {
			if topics[k.Topic] == 0 && k.Kind != bridge.Gap && k.Kind != bridge.Quarantine && k.Kind != bridge.Other {
				t.Errorf("no record on %s", k.Topic)
			}
		}
		if found.Gaps > 0 || topics["quarantine"] > 0 || sum.Late > 0 || sum.API.Held > 0 || sum.API.TooSoonTwice > 0 || sum.API.Throttled > 0 {
			t.Errorf("%d gaps, %d in quarantine, %d late, %d held, %d renewed and reauthorized at once, %d throttled", found.Gaps, topics["quarantine"],
				sum.Late, sum.API.Held, sum.API.TooSoonTwice, sum.API.Throttled)
		}
		if n := fmt.Sprint(sum.API.Lives[graphsim.LifeCreated]); n != fmt.Sprint(sum.API.Living) || found.Stored < 300 {
			t.Errorf("%s were made, %d live; %d events stored", n, sum.API.Living, found.Stored)
		}
	})
}
