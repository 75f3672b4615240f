//go:build synctests

package renewer_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
	"meetbridge/schemas"
)

var (
	kills    = flag.Int("kills", 14, "how many leaders TestKills kills")
	killSeed = flag.Uint64("killseed", 1, "what TestKills does")
)

// instants are when a leader dies: at the nth request that it makes of a kind,
// just before or just after it leaves, or at any time.
func instants() []instant {
	return []instant{
		{"any time", -1, false},
		{"at init producer id: taking over", kmsg.InitProducerID.Int16(), true},
		{"at fetch: reading the states", kmsg.Fetch.Int16(), true},
		{"at produce: in a transaction", kmsg.Produce.Int16(), false},
		{"at end transaction: it is written, or not", kmsg.EndTxn.Int16(), false},
		{"at heartbeat", kmsg.Heartbeat.Int16(), false},
	}
}

type instant struct {
	name     string
	key      int16 // of a request to Kafka; -1: none
	takeOver bool  // it is the successor of a leader that dies
}

// I9, I10: leaders die at instants of every kind, one after another, between
// intent and call, call and result, in transactions and while they take over.
// Graph never has two subscriptions of one key, though it would take them; after
// one cycle nothing is missing and nothing is left over; and the gap records say
// exactly what was dead when.
func TestKills(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		rng := rand.New(rand.NewPCG(*killSeed, 2))
		defer func() {
			if t.Failed() {
				t.Logf("replay: go test -tags synctests -run TestKills ./renewer -args -kills %d -killseed %d", *kills, *killSeed)
			}
		}()
		sizes := []int{4, 7}
		keys := w.desire(sizes[0], tenantOne, tenantTwo)
		running := []*proc{w.start(), w.start()}
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		var took []time.Duration
		for i := range *kills {
			keys = w.desire(sizes[i%2], tenantOne, tenantTwo) // something to make, something to end
			time.Sleep(time.Duration(rng.Int64N(int64(4 * time.Second))))
			victim := w.victim(running)
			at := instants()[i%len(instants())]
			switch {
			case at.key < 0:
				time.Sleep(time.Duration(rng.Int64N(int64(20 * time.Second))))
				victim.kill()
			case at.takeOver:
				successor := w.other(running, victim)
				successor.killAt(at.key, 0, rng.IntN(2) == 0)
				victim.kill()
				within(t, 2*time.Minute, "killed "+at.name, successor.host.Dead)
				successor.restart(&running)
			default:
				victim.killAt(at.key, rng.IntN(3), rng.IntN(2) == 0)
			}
			within(t, 2*time.Minute, "killed "+at.name, victim.host.Dead)
			dead := time.Now()
			victim.restart(&running)
			within(t, 25*time.Second, fmt.Sprintf("kill %d, %s: somebody leads", i, at.name), func() bool { return w.leader(running) != nil })
			if !at.takeOver { // else two died, one after the other
				took = append(took, time.Since(dead))
			}
			// One cycle: creations that died under way are looked for after 20 s.
			within(t, time.Minute, fmt.Sprintf("kill %d, %s: all alive, none left over", i, at.name), func() bool { return w.allAlive(keys) })
		}
		sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
		t.Logf("%d kills: a leader after %v (median), %v (worst)", *kills, took[len(took)/2], took[len(took)-1])
		if worst := took[len(took)-1]; worst > 12*time.Second {
			t.Errorf("a leader was replaced after %v", worst)
		}
		if len(w.graph.duplicates) > 0 {
			t.Errorf("Graph had duplicates: %q", w.graph.duplicates)
		}
		// A subscription lives before its renewer has written so: it may still ask
		// Graph, or look for what a predecessor's call had made.
		time.Sleep(time.Minute)
		for _, p := range running {
			p.stop()
		}
		w.checkGaps(t)
	})
}

// victim returns the leader, waiting for one.
func (w *world) victim(running []*proc) (p *proc) {
	w.t.Helper()
	within(w.t, 30*time.Second, "somebody leads", func() bool { p = w.leader(running); return p != nil })
	return p
}

func (w *world) leader(running []*proc) *proc {
	for _, p := range running {
		if !p.host.Dead() && p.Leads() > 0 {
			return p
		}
	}
	return nil
}

func (w *world) other(running []*proc, than *proc) *proc {
	for _, p := range running {
		if p != than {
			return p
		}
	}
	return nil
}

// killAt kills p at its nth request of the kind, before it leaves or after.
func (p *proc) killAt(key int16, n int, before bool) {
	p.host.OnKafka(func(k int16) {
		if k != key {
			return
		}
		if n--; n >= 0 {
			return
		}
		if before {
			p.kill()
			return
		}
		go func() {
			time.Sleep(time.Millisecond)
			p.kill()
		}()
	})
}

// restart ends p, if it lives still, and starts another process in its place.
func (p *proc) restart(running *[]*proc) {
	p.kill()
	go p.stop()
	for i := range *running {
		if (*running)[i] == p {
			(*running)[i] = p.world.start()
		}
	}
}

// wished reports whether the key was desired all the time, and shortly before:
// the file is looked at every 2 s.
func (w *world) wished(key string, from, to time.Time) bool {
	from = from.Add(-3 * time.Second)
	for i, wish := range w.wishes {
		over := i+1 < len(w.wishes) && !w.wishes[i+1].from.After(from)
		if !over && wish.from.Before(to) && !slices.Contains(wish.keys, key) {
			return false
		}
	}
	return true
}

// checkGaps compares the gap records with what Graph knows: every stretch in
// which no subscription of a key lived, after its first, lies within a gap, and
// every gap has such a stretch.
func (w *world) checkGaps(t *testing.T) {
	t.Helper()
	type span struct{ from, to time.Time }
	gaps := map[string]map[string]span{}
	err := kafka.Scan(t.Context(), w.config(), []kafka.ScanTopic{{Topic: "teams.gaps"}}, discard(), func(r *kgo.Record) error {
		var g schemas.SubscriptionGap
		_, body, err := schemas.Split(r.Value)
		if err == nil {
			err = schemas.DecodeInto(body, "gaps", &g)
		}
		if err != nil {
			return err
		}
		key := renewer.Key{TenantID: g.TenantID, Resource: g.Resource, ChangeType: g.ChangeType}.String()
		if gaps[key] == nil {
			gaps[key] = map[string]span{}
		}
		s := span{from: g.From}
		if g.To != nil {
			s.to = *g.To
		}
		if before, had := gaps[key][g.GapID]; had && !before.to.IsZero() {
			s = before // a close before the open, or a repetition
		}
		gaps[key][g.GapID] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.graph.mu.Lock()
	defer w.graph.mu.Unlock()
	n := 0
	for key, lives := range w.graph.lives {
		for i := 1; i < len(lives); i++ {
			dead := span{lives[i-1].to, lives[i].from}
			if w.graph.deleted[lives[i-1].id] || !w.wished(key, dead.from, dead.to) {
				continue
			}
			n++
			covered := false
			for _, g := range gaps[key] {
				covered = covered || !g.from.After(dead.from) && (g.to.IsZero() || !g.to.Before(dead.to))
			}
			if !covered {
				t.Errorf("%s was dead from %v to %v, and no gap says so: %v", key, dead.from, dead.to, gaps[key])
			}
		}
	}
	for key, all := range gaps {
		for id, g := range all {
			if !lapsed(w.graph.lives[key], g.from, g.to) {
				t.Errorf("gap %s of %s from %v to %v, and it lived: %v", id, key, g.from, g.to, w.graph.lives[key])
			}
			if g.to.IsZero() && strings.Contains(key, tenantOne) {
				t.Errorf("gap %s of %s is open still", id, key)
			}
		}
	}
	t.Logf("%d stretches without a subscription", n)
}

// lapsed reports whether there was a moment in which none lived between from and
// to, zero being never.
func lapsed(lives []fakeLife, from, to time.Time) bool {
	if len(lives) == 0 || from.Before(lives[0].from) {
		return true
	}
	return slices.ContainsFunc(lives, func(l fakeLife) bool {
		if l.to.IsZero() || !to.IsZero() && l.to.After(to) {
			return false
		}
		next := slices.IndexFunc(lives, func(n fakeLife) bool { return !n.from.Before(l.to) })
		return next < 0 || !lives[next].from.Before(from)
	})
}
