package renewer

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
	"meetbridge/bridge/kafka"
)

// month is a long time of leading in virtual time: planner, lanes, limits and the
// client of Graph as they are in the product, with a ledger in memory in the
// place of Kafka.
type month struct {
	seed     uint64
	n        int // subscriptions
	tenants  int
	length   time.Duration
	faults   float64 // share of calls that fail
	restarts int     // of ingest, a day: some minutes each
	away     spans   // when ingest is away for long
	kills    int     // leaders that die, a day
	silent   int     // subscriptions that die in silence, a day

	demands map[time.Time][]time.Time // what lived when ingest was back after long, by when that expired
	graph   *farGraph
	ledger  *farLedger
	wish    *wish
	unled   spans
	rng     *rand.Rand
	start   time.Time
}

// Ensure that days of failing calls, ingest's restarts and leaders' deaths cost no
// subscription and hardly a call more than is needed, that an absence of ingest
// costs none that could have been saved, and that what was dead is on record
// (I9). make figures-renewer has the same for 100,000 subscriptions and 30 days.
func TestMonth(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("many days: the others have the same calls in fewer")
	}
	for name, m := range map[string]*month{
		"Restarts": {seed: 1, n: 300, tenants: 3, length: 5 * 24 * time.Hour, faults: .01, restarts: 4, kills: 8, silent: 4},
		"Absence":  {seed: 2, n: 60, tenants: 2, length: 4 * 24 * time.Hour, faults: .01, restarts: 4, kills: 8, silent: 4, away: spans{{hours(50), hours(73)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				t.Helper()
				m.run(t)
				m.judge(t)
			})
		})
	}
}

// hours returns the instant so many hours from the beginning of a bubble.
func hours(n float64) time.Time {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Hour)))
}

func (m *month) run(t *testing.T) {
	t.Helper()
	m.start = time.Now()
	m.rng = rand.New(rand.NewPCG(m.seed, 3))
	m.graph, m.ledger = newFarGraph(m.seed, m.faults), &farLedger{written: states{}, gaps: map[string][]Gap{}}
	m.graph.ingest = m.absences()
	m.wish = m.desire(t)
	end := m.start.Add(m.length)
	var beside context.Context
	beside, stop := context.WithCancel(t.Context())
	defer stop()
	go m.silence(beside)
	go m.returns(beside)
	for time.Now().Before(end) {
		until := end
		if m.kills > 0 {
			until = earlier(end, time.Now().Add(time.Duration(m.rng.ExpFloat64()*float64(24*time.Hour)/float64(m.kills))))
		}
		m.term(t, until)
	}
}

// absences returns when ingest is away.
func (m *month) absences() spans {
	all := slices.Clone(m.away)
	for at := m.start; m.restarts > 0 && at.Before(m.start.Add(m.length)); {
		at = at.Add(time.Duration(m.rng.ExpFloat64() * float64(24*time.Hour) / float64(m.restarts)))
		to := at.Add(time.Minute + time.Duration(m.rng.Int64N(int64(9*time.Minute))))
		if all.during(at, to) == 0 {
			all = append(all, span{at, to})
		}
		at = to
	}
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	return all
}

// silence ends subscriptions, as nobody learns, while ctx lasts.
func (m *month) silence(ctx context.Context) {
	rng := rand.New(rand.NewPCG(m.seed, 5))
	for ctx.Err() == nil {
		sleep(ctx, time.Duration(rng.ExpFloat64()*float64(24*time.Hour)/float64(m.silent)))
		m.graph.die(time.Now())
	}
}

// returns notes at the end of each long absence of ingest when what lives expires.
func (m *month) returns(ctx context.Context) {
	m.demands = map[time.Time][]time.Time{}
	for _, x := range m.away {
		if sleep(ctx, time.Until(x.to)); ctx.Err() != nil {
			return
		}
		m.demands[x.to] = m.graph.expiries(x.to)
	}
}

// desire returns the wish for all.
func (m *month) desire(t *testing.T) *wish {
	t.Helper()
	keys, err := bridge.ParseClientStateKeys([]byte("k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := &Wanted{}
	for i := range m.tenants {
		wanted.Tenants = append(wanted.Tenants, Tenant{ID: fmt.Sprintf("7a4c9d0e-0000-4000-8000-%012d", i)})
	}
	for i := range m.n {
		wanted.Subscriptions = append(wanted.Subscriptions, Desired{
			Key: Key{wanted.Tenants[i%m.tenants].ID, fmt.Sprintf("chats/19:%032x@thread.v2/messages", i), "created,deleted,updated"},
			// What LoadDesired asks for: the longest less the margin.
			Lifetime: 4320*time.Minute - margin, NotificationURL: farNotify, LifecycleURL: farNotify, Version: graph.V1,
		})
	}
	w, err := makeWish(wanted, &keys, &ingestKeys{known: true}, DefaultRules(), &wish{}, func(t Tenant) (*graph.Client, error) {
		return graph.New(graph.Config{BaseURL: "https://graph.example", HTTP: &http.Client{Transport: m.graph}, Credential: farToken(t.ID), Before: letPass})
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// term leads until then: at its end the leader dies, and another one follows as
// soon as one would, or it goes in good order.
func (m *month) term(t *testing.T, until time.Time) {
	t.Helper()
	counted := newMetrics(prometheus.NewRegistry())
	ledger := &farTerm{farLedger: m.ledger, coin: rand.New(rand.NewPCG(m.rng.Uint64(), 4))}
	member := &membership{session: 100 * 365 * 24 * time.Hour}
	member.confirm(time.Now())
	feed := &feed{out: make(chan []received), heeded: map[int32]int64{}, caughtUp: make(chan struct{})}
	close(feed.caughtUp)
	s := &shard{
		lease: &Lease{member: member}, store: ledger, feed: feed, limits: newLimits(), counted: counted, log: slog.New(slog.DiscardHandler),
		shards: 1, freshEvery: time.Second, wishes: func() *wish { return m.wish }, wish: m.wish, tell: func(map[string]Held) {},
		lanes: map[string]*lane{}, dirty: map[Key]struct{}{}, unread: unheeded{feed: feed, waiting: map[int32][]*pending{}}, outcomes: make(chan []outcome),
	}
	s.begin(m.ledger.written, time.Now())
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	sleep(ctx, time.Until(until))
	graceful := m.rng.IntN(4) == 0
	if graceful {
		cancel(errRevoked)
	} else {
		ledger.dead.Store(true)
		cancel(errLost)
	}
	if err := <-ended; err != nil && !ledger.dead.Load() {
		t.Fatal(err)
	}
	from := time.Now()
	if graceful {
		time.Sleep(time.Duration(m.rng.Int64N(int64(time.Second))))
	} else {
		time.Sleep(8*time.Second + time.Duration(m.rng.Int64N(int64(4*time.Second))))
	}
	m.unled = append(m.unled, span{from, time.Now()})
}

// farLedger is what stands on Kafka.
type farLedger struct {
	written states
	gaps    map[string][]Gap // by key
	commits int
	records int
}

// farTerm is the ledger as one leader has it, who may die in the middle of
// writing: then it takes effect or not.
type farTerm struct {
	*farLedger
	dead atomic.Bool
	coin *rand.Rand
}

func (l *farTerm) write(_ context.Context, all []State, gaps []Gap) error {
	time.Sleep(5 * time.Millisecond)
	dead := l.dead.Load()
	if dead && l.coin.IntN(2) == 0 {
		return kafka.ErrFenced
	}
	for i := range all {
		if all[i].Status == Deleted {
			delete(l.written, all[i].Key)
		} else {
			l.written[all[i].Key] = pack(&all[i])
		}
	}
	for _, g := range gaps {
		l.gaps[g.Key.String()] = append(l.gaps[g.Key.String()], g)
	}
	l.commits++
	l.records += len(all) + len(gaps)
	if dead {
		return kafka.ErrFenced
	}
	return nil
}
