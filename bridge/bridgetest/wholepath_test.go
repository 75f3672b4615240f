//go:build synctests

package bridgetest_test

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/ingest"
)

var seed = flag.Uint64("seed", 1, "seed of the simulated Graph's world and faults")

// world starts a simulated Graph of the seed against the rig.
func world(r *bridgetest.Rig, change func(*graphsim.Config)) *graphsim.Sim {
	return r.StartGraph(func(c *graphsim.Config) {
		c.Seed = *seed
		if change != nil {
			change(c)
		}
	})
}

// report fails the test with what the judge found, and how to see it again.
func report(t *testing.T, r *bridgetest.Rig, sim *graphsim.Sim, restarted bool) []bridgetest.Stored {
	t.Helper()
	stored := r.Records()
	diffs := bridgetest.Judge(sim.Ledger(), stored, restarted)
	for i, d := range diffs {
		if i == 20 {
			t.Errorf("… and %d more", len(diffs)-i)
			break
		}
		t.Error(d)
	}
	if len(diffs) > 0 {
		var b bytes.Buffer
		_, _ = sim.Summary().WriteTo(&b)
		t.Logf("replay: go test -tags synctests ./bridge/bridgetest -run '^%s$' -seed %d\n%s", t.Name(), *seed, b.String())
	}
	return stored
}

// The whole path with everything that Graph does by default, every kind of
// forgery and the faults that must cost nothing: I1, I2, I3, I5, I7, I8.
func TestWholePath(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		sim := world(r, func(c *graphsim.Config) {
			c.Faults = c.AllForgeries(150)
			for f, every := range map[graphsim.Fault]int{
				graphsim.RepeatPost: 10, graphsim.CutPost: 25, graphsim.MisfitPayload: 60, graphsim.RotateKeys: 600, graphsim.DuplicateUnidentified: 50,
			} {
				c.Faults.Every[f] = every
			}
		})
		r.Ready()
		if err := sim.Run(t.Context(), graphsim.Limit{Items: 2000}); err != nil {
			t.Error(err)
		}
		stored := report(t, r, sim, false)
		sum := sim.Summary()
		if sum.Genuine < 2000 || sum.Acked != sum.Items || sum.Late > 0 {
			t.Errorf("%d genuine of %d items, %d acknowledged, %d late", sum.Genuine, sum.Items, sum.Acked, sum.Late)
		}
		for f, n := range sum.Faults {
			if n == 0 {
				t.Errorf("fault %s never fired", f)
			}
		}
		topics, partitions := map[string]int{}, map[string]int32{}
		for _, s := range stored {
			topics[s.Topic]++
			if before, again := partitions[s.Key]; again && before != s.Partition {
				t.Errorf("key %q is on partitions %d and %d", s.Key, before, s.Partition)
			}
			partitions[s.Key] = s.Partition
		}
		for _, k := range bridge.Kinds() {
			if topics[k.Topic] == 0 && k.Kind != bridge.Gap && k.Kind != bridge.SubscriptionState {
				t.Errorf("no record on %s", k.Topic)
			}
		}
	})
}

// I2, I5: Kafka goes away again and again, ingest is stopped and started, the
// authority falters; Graph's retries bring everything in the end, and every
// answer comes in time.
func TestWholePathTrouble(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		sim := world(r, func(c *graphsim.Config) {
			c.Rate, c.Drain = 3, 5*time.Hour
			c.Faults.Every = map[graphsim.Fault]int{graphsim.AuthorityDown: 3, graphsim.AuthoritySlow: 7, graphsim.AuthorityGarbage: 5}
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := range 6 {
				time.Sleep(time.Minute)
				switch n % 3 {
				case 0, 1:
					for _, addr := range r.Kafka.KafkaAddrs() {
						r.Net.Cut(addr)
					}
					time.Sleep(time.Duration(5+20*n) * time.Second)
					for _, addr := range r.Kafka.KafkaAddrs() {
						r.Net.Heal(addr)
					}
				case 2:
					r.StopIngest()
					time.Sleep(10 * time.Second)
					r.StartIngest()
				}
			}
		})
		if err := sim.Run(t.Context(), graphsim.Limit{Items: 1800}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		report(t, r, sim, true)
		sum := sim.Summary()
		if sum.Acked != sum.Items || sum.Dropped > 0 {
			t.Errorf("%d items, %d acknowledged, %d dropped", sum.Items, sum.Acked, sum.Dropped)
		}
		if r.Net.Refused() == 0 || sum.Answers["503"] == 0 || sum.Answers["unreachable"] == 0 {
			t.Errorf("the troubles were not felt: %d refused, answers %v", r.Net.Refused(), sum.Answers)
		}
		if sum.Late > 0 {
			t.Errorf("%d answers came after 2.9 s", sum.Late)
		}
	})
}

// I6: sent one after another, the records of one key stand in the order of
// arrival.
func TestWholePathOrder(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		sim := world(r, func(c *graphsim.Config) {
			c.Rules.Concurrency = 1
			c.Faults.Every = map[graphsim.Fault]int{graphsim.ReorderItem: -1, graphsim.DuplicateItem: -1}
		})
		r.Ready()
		if err := sim.Run(t.Context(), graphsim.Limit{Items: 1000}); err != nil {
			t.Fatal(err)
		}
		sent := map[string]int{}
		for _, e := range sim.Ledger() {
			if _, again := sent[string(e.Payload)]; again {
				sent[string(e.Payload)] = 0 // happened twice: cannot be told apart
			} else if e.Payload != nil {
				sent[string(e.Payload)] = e.Seq
			}
		}
		last, checked := map[string]int{}, 0
		for _, s := range report(t, r, sim, false) {
			seq, rich := sent[s.Text("payload")]
			if !rich || seq == 0 {
				continue
			}
			line := s.Topic + "\x00" + s.Key
			if seq < last[line] {
				t.Errorf("%s %q: item %d stands after item %d", s.Topic, s.Key, seq, last[line])
			}
			last[line], checked = seq, checked+1
		}
		if checked < 500 {
			t.Errorf("only %d records were compared", checked)
		}
	})
}

// I4: no plaintext, token, clientState or key stands in any log line, metric,
// answer of the admin port or quarantine record.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		const marker = "Sesam-öffne-dich"
		var said lockedBuffer
		log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r := bridgetest.NewRig(t, keys, log, nil)
		var states []string
		sim := world(r, func(c *graphsim.Config) {
			c.Marker, c.Drain = marker, time.Hour
			c.Faults = c.AllForgeries(40)
			c.Faults.Every[graphsim.MisfitPayload], c.Faults.Every[graphsim.AuthorityGarbage] = 30, 5
			c.Faults.AtMost = map[graphsim.Fault]int{graphsim.AuthorityGarbage: 2}
			mint := c.ClientState
			c.ClientState = func(tenant string) string {
				s := mint(tenant)
				states = append(states, s)
				return s
			}
		})
		r.Ready()
		if err := sim.Run(t.Context(), graphsim.Limit{Items: 800}); err != nil {
			var b bytes.Buffer
			_, _ = sim.Summary().WriteTo(&b)
			t.Fatalf("%v\n%s", err, b.String())
		}
		planted := 0
		for _, e := range sim.Ledger() {
			if bytes.Contains(e.Payload, []byte(marker)) {
				planted++
			}
		}
		if planted < 100 || len(states) == 0 {
			t.Fatalf("%d payloads and %d clientStates were planted", planted, len(states))
		}
		secrets := append([]string{marker, bridgetest.LiteralState, "AAECAwQFBgcICQoL", "eyJhbGciOi", "PRIVATE KEY", keys.PEM[100:160]}, states...)
		search := func(where, text string) {
			for _, s := range secrets {
				if i := bytes.Index([]byte(text), []byte(s)); i >= 0 {
					t.Errorf("%s holds %.20q…: %.200q", where, s, text[max(0, i-80):])
				}
			}
		}
		for _, path := range []string{"/readyz", "/metrics", "/livez"} {
			search(path, r.Admin(path))
		}
		for _, s := range r.Records() {
			if s.Topic == "quarantine" && s.Text("reason") != string(bridge.ClientStateUnknownKey) && s.Text("reason") != string(bridge.MalformedItem) {
				search("quarantine", fmt.Sprint(s.Headers, s.Text("item"), s.Text("detail"), s.Value["tokens"]))
			}
		}
		r.StopIngest()
		if said.len() < 1000 {
			t.Fatalf("only %d bytes were logged", said.len())
		}
		search("the log", said.String())
	})
}

// Payloads can be switched off.
func TestDropPayload(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), func(c *ingest.Config) { c.Payload = "drop" })
		sim := world(r, nil)
		r.Ready()
		if err := sim.Run(t.Context(), graphsim.Limit{Items: 200}); err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Records() {
			if s.Text("payload") != "" {
				t.Fatalf("a record on %s has a payload", s.Topic)
			}
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) len() int { return len(l.String()) }
