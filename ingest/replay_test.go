//go:build synctests

package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
)

// sendWorld lets a simulated Graph post n genuine items, each once, to r.
func sendWorld(t *testing.T, r *bridgetest.Rig, n int, change func(*graphsim.Config)) *graphsim.Sim {
	t.Helper()
	sim := r.StartGraph(func(c *graphsim.Config) {
		c.Rate, c.Faults = 50, graphsim.Faults{Every: map[graphsim.Fault]int{graphsim.DuplicateItem: -1}}
		if change != nil {
			change(c)
		}
	})
	r.Ready()
	if err := sim.Run(t.Context(), graphsim.Limit{Items: n}); err != nil {
		t.Fatal(err)
	}
	return sim
}

// replayConfig returns the configuration of a replay on r's Kafka.
func replayConfig(r *bridgetest.Rig, trust ingest.Trust, apply bool) ingest.ReplayConfig {
	return ingest.ReplayConfig{
		QuarantineConfig: ingest.QuarantineConfig{Kafka: r.Config.Kafka, Registry: r.Config.Registry, TopicPrefix: r.Config.TopicPrefix},
		Trust:            trust, Content: r.Config.Content, Apply: apply,
	}
}

// replay runs one and counts its outcomes. stop, if positive, ends it from
// outside once so many records have been produced.
func replay(t *testing.T, cfg ingest.ReplayConfig, stop int) (map[ingest.ReplayOutcome]int, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	outcomes := map[ingest.ReplayOutcome]int{}
	err := ingest.Replay(ctx, cfg, slog.New(slog.DiscardHandler), func(r ingest.Replayed) error {
		outcomes[r.Outcome]++
		if stop > 0 && outcomes[ingest.ReplayProduced] == stop {
			cancel()
		}
		return nil
	})
	return outcomes, err
}

// mustReplay runs a whole one.
func mustReplay(t *testing.T, cfg ingest.ReplayConfig) map[ingest.ReplayOutcome]int {
	t.Helper()
	outcomes, err := replay(t, cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// onlyOnce returns the records outside of the quarantine, and fails the test if
// two of them have one event id.
func onlyOnce(t *testing.T, r *bridgetest.Rig) []bridgetest.Stored {
	t.Helper()
	var records []bridgetest.Stored
	seen := map[string]bool{}
	for _, s := range r.Records() {
		if s.Topic == bridge.Quarantine.Topic() {
			continue
		}
		if id := s.Text("event_id"); seen[id] {
			t.Errorf("event %s stands twice in %s", id, s.Topic)
		} else {
			seen[id] = true
		}
		records = append(records, s)
	}
	return records
}

// misconfigured are three ways in which an operator loses nothing: with each of
// them genuine items are set aside, and pass by what r.Config says.
func misconfigured() map[bridge.Reason]func(t *testing.T, c *ingest.Config) {
	return map[bridge.Reason]func(t *testing.T, c *ingest.Config){
		bridge.TokenAudience: func(_ *testing.T, c *ingest.Config) {
			c.AppIDs = []string{"22222222-2222-4222-8222-222222222222"}
		},
		bridge.DecryptionKeyUnknown: func(t *testing.T, c *ingest.Config) {
			t.Helper()
			c.DecryptionKeys = t.TempDir()
			from, err := filepath.Glob(filepath.Join(filepath.Dir(c.ClientStates), "keys", "*.pem"))
			if err != nil || len(from) != 1 {
				t.Fatalf("keys of the rig: %q, %v", from, err)
			}
			other := bridgetest.OtherKeyFiles(t)
			if err := os.WriteFile(filepath.Join(c.DecryptionKeys, "other.pem"), []byte(other.PEM), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		bridge.ClientStateUnknownKey: func(t *testing.T, c *ingest.Config) {
			t.Helper()
			c.ClientStateKeys = filepath.Join(t.TempDir(), "client-state.keys")
			if err := os.WriteFile(c.ClientStateKeys, []byte("k0 HxscHRobGBkWFxQVEhMQEQ4PDA0KCwgJBgcEBQIDAAE=\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// What a wrong app id, a missing decryption key or a missing client-state key
// set aside becomes a record once it is mended: the same one that it would have
// become, with the time of its receipt, and once, however often and however
// interrupted the replay.
func TestReplayCures(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	for reason, break_ := range misconfigured() {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var good ingest.Trust
				r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), func(c *ingest.Config) {
					good = c.Trust
					break_(t, c)
				})
				sim := sendWorld(t, r, 200, nil)
				received := map[string]time.Time{} // by subscription and sealed data's place
				aside := 0
				for _, s := range r.Records() {
					if s.Topic == bridge.Quarantine.Topic() {
						if got := s.Text("reason"); got != string(reason) {
							t.Fatalf("set aside for %s", got)
						}
						received[s.Text("subscription_id")+s.Value["received_at"].(time.Time).String()] = s.Value["received_at"].(time.Time)
						aside++
					}
				}
				before := len(onlyOnce(t, r))
				if aside < 120 {
					t.Fatalf("only %d of 200 items were set aside", aside)
				}
				r.StopIngest()
				time.Sleep(26 * time.Hour) // every token has expired meanwhile

				if got := mustReplay(t, replayConfig(r, r.Config.Trust, true)); got[ingest.ReplayStays] != aside {
					t.Fatalf("before anything is mended: %v, want %d to stay", got, aside)
				}
				if got := mustReplay(t, replayConfig(r, good, false)); got[ingest.ReplayWould] != aside {
					t.Fatalf("dry run: %v, want %d", got, aside)
				}
				if n := len(onlyOnce(t, r)); n != before {
					t.Fatalf("the dry run wrote %d records", n-before)
				}

				apply := replayConfig(r, good, true)
				outcomes, err := replay(t, apply, 60)
				first := outcomes[ingest.ReplayProduced]
				if !errors.Is(err, context.Canceled) || first >= aside {
					t.Fatalf("interrupted replay: %v, %v", outcomes, err)
				}
				if n := len(onlyOnce(t, r)) - before; n != first {
					t.Fatalf("interrupted replay: %d records, and it said %d", n, first)
				}
				if got := mustReplay(t, apply); got[ingest.ReplayThere] != first || got[ingest.ReplayProduced] != aside-first {
					t.Fatalf("the rest: %v, want %d there and %d produced", got, first, aside-first)
				}
				if got := mustReplay(t, apply); got[ingest.ReplayThere] != aside {
					t.Fatalf("once more: %v, want %d there", got, aside)
				}

				records := onlyOnce(t, r)
				if len(records) != before+aside {
					t.Fatalf("%d records from %d items", len(records)-before, aside)
				}
				var stored []bridgetest.Stored
				for _, s := range records {
					if _, ok := received[s.Text("subscription_id")+s.Value["received_at"].(time.Time).String()]; !ok && before == 0 {
						t.Errorf("%s %s: received_at %s is not that of the delivery", s.Topic, s.Key, s.Value["received_at"])
					}
					stored = append(stored, s)
				}
				for _, d := range bridgetest.Judge(sim.Ledger(), stored, false) { // key, topic, payload: all as if it had passed at once
					t.Error(d)
				}

				if reason != bridge.TokenAudience {
					return // a week costs seconds, and is the same for each
				}
				time.Sleep(7 * 24 * time.Hour) // longer than the topics keep anything
				if got := mustReplay(t, apply); got[ingest.ReplayProduced] > 0 || got[ingest.ReplayThere]+got[ingest.ReplayExpired] != aside {
					t.Errorf("a week later: %v, want nothing produced", got)
				}
			})
		})
	}
}

// A replay that loses Kafka in its midst, as one that is killed does, leaves
// nothing half done: what a consumer of committed records sees is each record
// once, after the next replay all of them.
func TestReplayCutOff(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		var good ingest.Trust
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), func(c *ingest.Config) {
			good = c.Trust
			misconfigured()[bridge.TokenAudience](t, c)
		})
		sendWorld(t, r, 500, nil)
		r.StopIngest()
		before := len(onlyOnce(t, r))
		produced, ctx := 0, t.Context()
		cut := sync.OnceFunc(func() {
			go func() { // some way into the next transaction
				time.Sleep(time.Millisecond)
				for _, addr := range r.Kafka.KafkaAddrs() {
					r.Net.Cut(addr)
				}
			}()
		})
		err := ingest.Replay(ctx, replayConfig(r, good, true), slog.New(slog.DiscardHandler), func(p ingest.Replayed) error {
			if p.Outcome == ingest.ReplayProduced {
				produced++
			}
			if produced == 100 {
				cut()
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		if err == nil || produced < 100 {
			t.Fatalf("produced %d, %v: the cut was not felt", produced, err)
		}
		for _, addr := range r.Kafka.KafkaAddrs() {
			r.Net.Heal(addr)
		}
		rest := mustReplay(t, replayConfig(r, good, true))
		n := len(onlyOnce(t, r)) - before
		if rest[ingest.ReplayThere] < produced || n != rest[ingest.ReplayThere]+rest[ingest.ReplayProduced] || rest[ingest.ReplayProduced] == 0 {
			t.Errorf("first %d, then %v, in Kafka %d", produced, rest, n)
		}
	})
}

// Of two replays at once the later one goes on, and each record is there once.
func TestReplayTwiceAtOnce(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		var good ingest.Trust
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), func(c *ingest.Config) {
			good = c.Trust
			misconfigured()[bridge.TokenAudience](t, c)
		})
		sendWorld(t, r, 300, nil)
		r.StopIngest()
		before := len(onlyOnce(t, r))
		produced := 0
		var second map[ingest.ReplayOutcome]int
		err := ingest.Replay(t.Context(), replayConfig(r, good, true), slog.New(slog.DiscardHandler), func(p ingest.Replayed) error {
			// It has looked, and written its first transaction.
			if produced++; produced == 50 {
				second = mustReplay(t, replayConfig(r, good, true))
			}
			return nil
		})
		if !errors.Is(err, kafka.ErrFenced) {
			t.Errorf("the first of two replays: %v, want ErrFenced", err)
		}
		if second[ingest.ReplayThere] == 0 || second[ingest.ReplayProduced] == 0 {
			t.Errorf("the second of two replays: %v", second)
		}
		if n := len(onlyOnce(t, r)) - before; n != second[ingest.ReplayThere]+second[ingest.ReplayProduced] {
			t.Errorf("%d records, the second replay says %v", n, second)
		}
	})
}

// I3: whatever was forged stays out, also when the replay knows every key that
// the forger named.
func TestReplayForgeries(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		sim := sendWorld(t, r, 1500, func(c *graphsim.Config) { c.Faults = c.AllForgeries(60) })
		before := onlyOnce(t, r)
		trust := r.Config.Trust
		trust.ClientStateKeys = filepath.Join(t.TempDir(), "client-state.keys")
		more := bridgetest.ClientStateKey + "nosuchkey HxscHRobGBkWFxQVEhMQEQ4PDA0KCwgJBgcEBQIDAAE=\n"
		if err := os.WriteFile(trust.ClientStateKeys, []byte(more), 0o600); err != nil {
			t.Fatal(err)
		}
		now := map[bridge.Reason]int{}
		err := ingest.Replay(t.Context(), replayConfig(r, trust, true), slog.New(slog.DiscardHandler), func(p ingest.Replayed) error {
			if p.Outcome != ingest.ReplayStays || p.Now == "" {
				t.Errorf("set aside for %s: %s %s", p.Reason.Reason, p.Outcome, p.Now)
			}
			now[p.Now]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if after := onlyOnce(t, r); len(after) != len(before) {
			t.Errorf("%d forgeries became records", len(after)-len(before))
		}
		if now[bridge.ClientStateUnknownKey] > 0 || now[bridge.ClientStateMismatch] == 0 {
			t.Errorf("a MAC under a key that is there now was not checked: %v", now)
		}
		for f, n := range sim.Summary().Faults {
			if n == 0 {
				t.Errorf("fault %s never fired", f)
			}
		}
		if len(now) < 18 {
			t.Errorf("reasons met: %v", now)
		}
	})
}
