//go:build synctests

package bridgetest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
)

var seeds = flag.Uint64("seeds", 1, "how many seeds, from -seed on, TestSystemTrouble runs")

// longest is the longest trouble that keeps the renewers from Graph, or from
// leading.
const longest = 90 * time.Second

// troubled is how exact gaps are when anything can go wrong: how long a trouble
// keeps the renewer from knowing, on top of what the rules and the calls take.
func troubled(s *bridgetest.System) bridgetest.Tolerance {
	const (
		takeOver = 25 * time.Second // session, rebalance, and Graph's own time for a dead leader's creation
		call     = time.Minute      // with its retry after a 401, and Graph 20 s late
	)
	wait := longest + takeOver + call + s.Rules.BackoffMax
	return bridgetest.Tolerance{Begin: wait, Early: s.Rules.ReadEvery + wait, Late: wait + s.Rules.BlockedRetry*6/5}
}

// chaos is a system in trouble.
type chaos struct {
	*bridgetest.System
	t    *testing.T
	rng  *rand.Rand
	all  []bridgetest.Wish
	want []bridgetest.Wish
}

// trouble is one thing that goes wrong and is over when do returns.
type trouble struct {
	name string
	do   func(*chaos)
}

func (c *chaos) seconds(from, to int) time.Duration {
	return time.Duration(from)*time.Second + time.Duration(c.rng.Int64N(int64(to-from)))*time.Second + time.Duration(c.rng.IntN(1e9))
}

// leader waits for one.
func (c *chaos) leader() (p *bridgetest.RenewerProcess) {
	c.t.Helper()
	c.Within(time.Minute, "somebody leads", func() bool { p = c.Leader(); return p != nil })
	return p
}

// other is a renewer that lives; nil for none.
func (c *chaos) other(than *bridgetest.RenewerProcess) *bridgetest.RenewerProcess {
	for _, p := range slices.Backward(c.Renewers) {
		if p != than && !p.Host.Dead() && !p.Stopped() {
			return p
		}
	}
	return nil
}

// ingest is one that lives.
func (c *chaos) ingest() *bridgetest.IngestProcess {
	var living []*bridgetest.IngestProcess
	for _, p := range c.Ingests {
		if !p.Host.Dead() && !p.Stopped() {
			living = append(living, p)
		}
	}
	return living[c.rng.IntN(len(living))]
}

// remove makes less desired, restore all again.
func (c *chaos) remove(n int) {
	c.want = slices.Clone(c.all)
	for range n {
		i := c.rng.IntN(len(c.want))
		c.want = slices.Delete(c.want, i, i+1)
	}
	c.Desire(c.want...)
}

func (c *chaos) restore() {
	c.want = c.all
	c.Desire(c.want...)
}

// creating lets some be made, and calls at when the leader asks for one.
func (c *chaos) creating(at func(*bridgetest.RenewerProcess)) {
	c.remove(4)
	time.Sleep(c.seconds(8, 20))
	leader := c.leader()
	var asked atomic.Bool
	nth := int32(c.rng.IntN(3))
	var n atomic.Int32
	leader.Host.OnCall(func(r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/subscriptions") && n.Add(1) > nth && !asked.Swap(true) {
			at(leader)
		}
	})
	c.restore()
	c.Within(2*time.Minute, "a creation is asked for", asked.Load)
}

func troubles() []trouble {
	return []trouble{
		{"leader killed", func(c *chaos) { c.leader().Kill(); c.StartRenewer() }},
		{"leader killed before a creation", func(c *chaos) {
			c.creating(func(p *bridgetest.RenewerProcess) { p.Kill() })
			c.StartRenewer()
		}},
		{"leader killed during a creation", func(c *chaos) {
			within := time.Duration(c.rng.Int64N(int64(15 * time.Millisecond)))
			c.creating(func(p *bridgetest.RenewerProcess) { time.AfterFunc(within, p.Kill) })
			c.StartRenewer()
		}},
		{"leader and standby killed", func(c *chaos) {
			leader := c.leader()
			c.other(leader).Kill()
			leader.Kill()
			time.Sleep(c.seconds(1, 40))
			c.StartRenewer()
			c.StartRenewer()
		}},
		{"leader handed over", func(c *chaos) { c.leader().Stop(); c.StartRenewer() }},
		{"leader frozen", func(c *chaos) {
			p := c.leader()
			p.Host.Freeze()
			time.Sleep(c.seconds(2, 60))
			p.Host.Thaw()
		}},
		{"leader cut off from Kafka", func(c *chaos) {
			p := c.leader()
			p.Host.Cut(bridgetest.KafkaAddr)
			time.Sleep(c.seconds(2, 60))
			p.Host.Heal(bridgetest.KafkaAddr)
		}},
		{"leader cut off from Graph", func(c *chaos) {
			p := c.leader()
			p.Host.Cut(bridgetest.GraphAddr)
			time.Sleep(c.seconds(5, 90))
			p.Host.Heal(bridgetest.GraphAddr)
		}},
		{"Kafka away", func(c *chaos) {
			c.Net.Cut(bridgetest.KafkaAddr)
			time.Sleep(c.seconds(2, 40))
			c.Net.Heal(bridgetest.KafkaAddr)
		}},
		{"Graph away", func(c *chaos) {
			c.Graph.Outage(true)
			time.Sleep(c.seconds(10, 90))
			c.Graph.Outage(false)
		}},
		{"ingest killed", func(c *chaos) { c.ingest().Kill(); time.Sleep(c.seconds(1, 10)); c.StartIngest() }},
		{"ingest stopped", func(c *chaos) { c.ingest().Stop(); c.StartIngest() }},
		{"no ingest", func(c *chaos) {
			c.ingest().Kill()
			c.ingest().Kill()
			time.Sleep(c.seconds(5, 40))
			c.StartIngest()
			c.StartIngest()
		}},
		{"subscriptions die in silence", func(c *chaos) {
			for range 3 {
				alive := c.Graph.Subscriptions()
				c.Graph.Kill(alive[c.rng.IntN(len(alive))].ID)
			}
		}},
		{"subscriptions are removed", func(c *chaos) {
			for _, s := range c.Graph.Subscriptions() {
				if strings.HasSuffix(s.Resource, "getAllMessages") && c.rng.IntN(2) == 0 {
					c.Graph.Remove(s.ID)
				}
			}
		}},
		{"Graph asks for many at once", func(c *chaos) {
			for _, s := range c.Graph.Subscriptions() {
				if c.rng.IntN(3) > 0 {
					c.Graph.Ask(s.ID)
				}
			}
		}},
		{"tokens revoked", func(c *chaos) { c.Graph.RevokeTokens(bridgetest.AppID) }},
		{"others are desired", func(c *chaos) { c.remove(3); time.Sleep(c.seconds(5, 30)); c.restore() }},
	}
}

// misdeeds are all that the API does to a correct renewer, and Graph on its way
// to a correct ingest.
func misdeeds() map[graphsim.Fault]int {
	return map[graphsim.Fault]int{
		graphsim.APIThrottled: 60, graphsim.APIError: 70, graphsim.APIUnavailable: 80, graphsim.APITimedOut: 50, graphsim.APICutBefore: 60,
		graphsim.APICutAfter: 50, graphsim.APISlow: 90, graphsim.APIUnauthorized: 100, graphsim.APIGarbage: 60, graphsim.QuotaHit: 20,
		graphsim.RenewedShort: 40, graphsim.HandshakeLost: 60, graphsim.ListExpired: 4, graphsim.ListHidden: 3, graphsim.ListPageLost: 2,
		graphsim.SilentRemoval: 50, graphsim.SubscriptionRemoved: 4, graphsim.NoticeRepeated: 10, graphsim.NoticeLate: 3, graphsim.NoticeLost: 15,
		graphsim.NoticeMissed: 40,
		graphsim.RepeatPost:   20, graphsim.CutPost: 25, graphsim.MisfitPayload: 40, graphsim.RotateKeys: 100, graphsim.AuthorityDown: 5, graphsim.BigPayload: 50,
	}
}

// I1 to I3, I7 to I10: whatever dies, hangs, is cut off or misbehaves, one after
// another, each event of what is desired reaches its topic or lies in a recorded
// gap, each gap is a real one, and in the end all is as desired.
func TestSystemTrouble(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	for n := range *seeds {
		t.Run(fmt.Sprint(*seed+n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { inTrouble(t, keys, *seed+n) })
		})
	}
}

func inTrouble(t *testing.T, keys bridgetest.KeyFiles, seed uint64) {
	t.Helper()
	s := bridgetest.NewSystem(t, keys, systemLog(), 2, func(c *graphsim.Config) {
		c.Seed, c.Rate, c.Drain = seed, 0.4, time.Hour
		c.API.Vouched, c.API.NoticeLead, c.API.PageSize = 4*time.Minute, time.Minute, 10
		c.Faults.Every = misdeeds()
	})
	s.Lifetime, s.Rules.ReadEvery = 10*time.Minute, 2*time.Minute
	c := &chaos{System: s, t: t, rng: rand.New(rand.NewPCG(seed, 0xc4)), all: everything(s.Graph)}
	c.restore()
	s.StartRenewer()
	s.StartRenewer()
	finish := live(t, s)
	time.Sleep(time.Minute)
	deck := troubles()
	c.rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	for _, trouble := range deck {
		t.Logf("%s: %s", time.Now().Format("15:04:05"), trouble.name)
		trouble.do(c)
		time.Sleep(c.seconds(2, 45))
	}
	finish()
	s.Within(10*time.Minute, "all is as desired", func() bool {
		leader := s.Leader()
		return leader != nil && leader.Value("open_gaps") == 0 && s.AsDesired() == nil && s.Graph.Summary().Pending == 0
	})
	_, found := judge(t, s, seed, troubled(s))
	sum := s.Graph.Summary()
	for f, n := range sum.Faults {
		if n == 0 {
			t.Errorf("fault %s never fired", f)
		}
	}
	if sum.Acked+sum.API.HeldTooLong != sum.Items || sum.Dropped > 0 || sum.Late > 0 || sum.API.TooSoonTwice > 0 {
		t.Errorf("%d items, %d acknowledged, %d dropped, %d late; %d renewed and reauthorized at once", sum.Items, sum.Acked, sum.Dropped, sum.Late, sum.API.TooSoonTwice)
	}
	if found.InGaps == 0 || found.Deaths == 0 || len(found.ByCause) < 4 {
		t.Errorf("the troubles were not felt: %+v", found)
	}
}
