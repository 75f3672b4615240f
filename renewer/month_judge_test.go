package renewer

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// knowing is how long it may take until the leader knows that ingest is back: a
// probe that is under way has to time out, and the next one is up to probeLast
// away.
const knowing = probeLast + 15*time.Second

// verdict is what became of the month.
type verdict struct {
	deaths   int // stretches without a subscription
	silent   int // that Graph made
	outages  int // there was no moment to renew in
	limits   int // there was, but Graph's documented limits had no room for all
	share    int // there was room in those, but not in the share of them that is used (safety, and what a full bucket holds)
	avoided  []string
	needed   int // calls
	writes   int // of which creations and renewals
	actual   int // calls that arrived at Graph, but for those that got no handshake
	actually int // of which creations and renewals
	probes   int // what it takes to know when ingest is back
}

// judge compares what happened with what had to.
func (m *month) judge(t *testing.T) verdict {
	t.Helper()
	g := m.graph
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.expire(now)
	v := m.lapses()
	m.need(&v)
	v.actual, v.actually = g.calls["write"]+g.calls["read"]+g.calls["list"]-g.shaken, g.calls["write"]-g.shaken
	for _, x := range g.ingest {
		v.probes += m.tenants * (laneWidth + patience + int(x.to.Sub(x.from)/probeLast))
	}
	excess, over := float64(v.actual)/float64(v.needed), float64(v.actually)/float64(v.writes)
	t.Logf("%d subscriptions, %v: %d deaths: %d of Graph's making, %d in ingest's absence, %d forced by Graph's limits, %d more by the share of them that is used, %d avoidable",
		m.n, m.length, v.deaths, v.silent, v.outages, v.limits, v.share, len(v.avoided))
	t.Logf("%d calls, %.4f of what is needed; %d creations and renewals, %.4f of what is needed; %d more found no handshake (%d probes); %d failed by faults, %d over Graph's limits; %d lists",
		v.actual, excess, v.actually, over, g.shaken, v.probes, g.failed, g.throttled, g.calls["list"])
	t.Logf("%d leaders, %d transactions, %d records", len(m.unled), m.ledger.commits, m.ledger.records)
	for i, why := range v.avoided {
		if i == 5 {
			break
		}
		t.Errorf("died, and could have been saved: %s", why)
	}
	for _, w := range g.wrong[:min(5, len(g.wrong))] {
		t.Error(w)
	}
	if m.away == nil && (excess > 1.05 || excess < .95 || over > 1.05 || over < .95) { // what is dead for long needs no calls
		t.Errorf("%.3f times the calls that are needed, %.3f times the creations and renewals", excess, over)
	}
	if g.shaken > v.probes {
		t.Errorf("%d calls without a handshake, %d would do to know when ingest is back", g.shaken, v.probes)
	}
	if g.throttled > 0 {
		t.Errorf("%d calls over Graph's limits", g.throttled)
	}
	m.compareGaps(t)
	if v.silent == 0 || len(m.unled) == 0 || (v.outages == 0) != (m.away == nil) {
		t.Error("not everything happened that should")
	}
	if alive := len(g.living); alive < m.n-m.n/100-8 {
		t.Errorf("%d live at the end", alive)
	}
	return v
}

// lapses says of each stretch without a subscription what forced it.
func (m *month) lapses() (v verdict) {
	var expired []*death
	for _, all := range m.graph.dead {
		for _, d := range all {
			v.deaths++
			if d.silent {
				v.silent++
				continue
			}
			expired = append(expired, d)
		}
	}
	rules := DefaultRules()
	for _, d := range expired {
		// From when on it is due at the latest, by the rule.
		due := d.renewed.Add(time.Duration(float64(d.from.Sub(d.renewed)) * rules.RenewAt * (1 + rules.RenewSpread)))
		away, times := m.graph.ingest.during(due, d.from), 0
		var back time.Time // when ingest was back the last time
		for _, x := range m.graph.ingest {
			if x.from.Before(d.from) && x.to.After(due) {
				times++
				back = earlier(x.to, d.from)
			}
		}
		chance := d.from.Sub(due) - away - m.unled.during(due, d.from) - time.Duration(times)*knowing
		if chance <= 0 {
			v.outages++
			continue
		}
		demand := m.demand(back, d.from)
		switch q := quotas()[writeCall]; {
		case chance.Seconds() < float64(demand)/(q.app/window.Seconds()):
			v.limits++
		case chance.Seconds() < float64(demand)/float64(bucket(q.app).Limit()):
			v.share++
		default:
			v.avoided = append(v.avoided, fmt.Sprintf("%s at %v, renewed %v, due %v, ingest away for %v since, back at %v, %d to renew since; on record are %+v", d.key,
				d.from.Sub(m.start), d.renewed.Sub(m.start), due.Sub(m.start), away, back.Sub(m.start), demand, m.ledger.gaps[d.key]))
		}
	}
	return v
}

// demand returns how many subscriptions had to be renewed by then when ingest was
// back after long.
func (m *month) demand(back, then time.Time) int {
	n, _ := slices.BinarySearchFunc(m.demands[back], then.Add(1), time.Time.Compare)
	return n
}

// need counts the calls that the rules need: each subscription is created, and
// once more when it has died; renewed when its share of its time is over, and
// read whenever nothing has proved for long that it lives.
func (m *month) need(v *verdict) {
	rules := DefaultRules()
	for i := range m.wish.wanted.Subscriptions {
		d := &m.wish.wanted.Subscriptions[i]
		s := State{Key: d.Key, RenewedAt: m.start, ProofAt: m.start, ExpiresAt: m.start.Add(d.Lifetime)}
		renew, read := rules.renewalDue(&s, s.chance()).Sub(m.start), rules.readDue(&s, s.chance()).Sub(m.start)
		cycles := int(m.length / renew)
		v.writes += 1 + cycles
		v.needed += 1 + cycles + cycles*int(renew/read) + int((m.length%renew)/read)
	}
	v.writes += v.deaths
	v.needed += v.deaths
}

// compareGaps compares the gap records with the truth (I9).
func (m *month) compareGaps(t *testing.T) {
	t.Helper()
	wrong, records := 0, 0
	complain := func(format string, args ...any) {
		t.Helper()
		if wrong++; wrong <= 5 {
			t.Errorf(format, args...)
		}
	}
	for key, all := range m.ledger.gaps {
		records += len(all)
		for i, g := range all {
			switch {
			case g.To.IsZero() != (i%2 == 0):
				complain("%s: record %d of its gaps is out of turn: %+v", key, i, g)
			case !g.To.IsZero() && g.GapID != all[i-1].GapID:
				complain("%s: a gap closed that had not opened: %+v", key, g)
			}
		}
	}
	for key, all := range m.graph.dead {
		for _, d := range all {
			if !slices.ContainsFunc(m.gapsOf(key), func(g span) bool {
				return !g.from.After(d.from) && (g.to.IsZero() || !d.to.IsZero() && !g.to.Before(d.to))
			}) && (!d.to.IsZero() || time.Since(d.from) > 7*time.Hour) {
				complain("%s was dead from %v to %v, and no gap says so: %v", key, d.from, d.to, m.gapsOf(key))
			}
		}
	}
	for key, all := range m.ledger.gaps {
		for _, g := range m.gapsOf(key) {
			if all[0].OldSubscriptionID == "" && g.from.Equal(all[0].From) {
				continue // the first creation failed
			}
			if !slices.ContainsFunc(m.graph.dead[key], func(d *death) bool {
				return (g.to.IsZero() || d.from.Before(g.to)) && (d.to.IsZero() || !d.to.Before(g.from))
			}) {
				complain("%s has a gap from %v to %v, and lived", key, g.from, g.to)
			}
		}
	}
	t.Logf("%d gap records", records)
}

// gapsOf returns the gaps on record of a key; to is zero for an open one.
func (m *month) gapsOf(key string) (all spans) {
	for _, g := range m.ledger.gaps[key] {
		if g.To.IsZero() {
			all = append(all, span{from: g.From})
		} else if len(all) > 0 {
			all[len(all)-1].to = g.To
		}
	}
	return all
}
