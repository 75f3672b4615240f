//go:build synctests

package bridgetest_test

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/ingest"
)

var redeliveries = flag.Int("redeliveries", 2000, "how many items TestRedeliveries sends once more")

// itemsAPost is how many items a POST of TestRedeliveries holds.
const itemsAPost = 20

// I1, I2, I8: everything is delivered, and once more after a while, each time to
// whichever of two replicas. Nothing is lost, and how much is stored twice is
// counted: nothing where the redelivery comes as late as Graph's, 10 s (FACTS
// §1.3), also when each replica is stopped and started between; what was under
// way where they are killed; what comes back within an announcement's time.
func TestRedeliveries(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("counts thousands of redeliveries: TestReplicas is the short one")
	}
	for _, c := range []struct {
		name  string
		after time.Duration // the redelivery
		end   func(*replicas, int)
		most  float64 // how many of the items may be stored twice
	}{
		{name: "Calm", after: 10 * time.Second},
		{name: "Soon", after: 200 * time.Millisecond},
		{name: "AtOnce", after: 0, most: 0.6},
		{name: "Stopped", after: 10 * time.Second, end: (*replicas).stop},
		{name: "Killed", after: 10 * time.Second, end: (*replicas).kill, most: 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := bridgetest.NewRig(t, bridgetest.KeyFiles{}, slog.New(slog.DiscardHandler), basicOnly)
				s := newReplicas(t, r, 2)
				d := &driver{replicas: s, random: rand.New(rand.NewPCG(*seed, 0)), after: c.after}
				kills := 0
				if c.end != nil {
					kills = 5
				}
				d.run(*redeliveries/itemsAPost, kills, c.end)
				stored, doubled := map[string]int{}, 0
				for _, rec := range s.Records() {
					if stored[rec.Text("event_id")]++; stored[rec.Text("event_id")] > 1 {
						doubled++
					}
				}
				items := *redeliveries / itemsAPost * itemsAPost
				t.Logf("%d items, each acknowledged and sent once more after %v; %d kills or stops, %d first deliveries broken off: %d stored twice, %.0f of 100,000",
					items, c.after, d.ended, d.broken, doubled, float64(doubled)*100_000/float64(items))
				if len(stored) != items {
					t.Errorf("%d items are stored, %d were acknowledged", len(stored), items)
				}
				if doubled > int(c.most*float64(items)) {
					t.Errorf("%d items of %d are stored twice", doubled, items)
				}
				if c.end != nil && d.broken == 0 {
					t.Error("nothing was broken off")
				}
				if unread := s.counted("meetbridge_ingest_recent_ids_unread_total"); unread > 0 {
					t.Errorf("%v announcements were passed over", unread)
				}
			})
		})
	}
}

// basicOnly has ingest take notifications without content, which need no keys.
func basicOnly(c *ingest.Config) {
	c.DecryptionKeys, c.AppIDs = "", nil
	c.RecentIDs = max(8**redeliveries, 20_000)
}

// driver is a Graph that sends everything twice.
type driver struct {
	*replicas
	after  time.Duration
	ended  int // replicas
	random *rand.Rand

	mu     sync.Mutex // guards all below
	broken int
}

// run sends so many POSTs, 1,000 items a second, and each of them once more.
// Meanwhile it ends one replica after the other, kills times in all.
func (d *driver) run(posts, kills int, end func(*replicas, int)) {
	const every = time.Second * itemsAPost / 1000
	var wg sync.WaitGroup
	wg.Go(func() {
		for range kills {
			span := time.Duration(posts) * every / time.Duration(kills)
			lead := time.Duration(d.random.Int64N(int64(span / 2)))
			time.Sleep(lead)
			which := d.random.IntN(len(d.all))
			end(d.replicas, which)
			time.Sleep(span / 4)
			d.start(which)
			d.ended++
			time.Sleep(span - lead - span/4)
		}
	})
	choice := rand.New(rand.NewPCG(*seed, 1))
	for n := range posts {
		first, second := choice.IntN(len(d.all)), choice.IntN(len(d.all))
		wg.Go(func() { d.twice(n, first, second) })
		time.Sleep(every)
	}
	wg.Wait()
}

// twice sends a POST until it is acknowledged, as Graph does, and then once more.
func (d *driver) twice(n, first, second int) {
	for try := 0; ; try++ {
		if d.post(n, (first+try)%len(d.all)) {
			break
		}
		d.mu.Lock()
		d.broken++
		d.mu.Unlock()
		time.Sleep(10 * time.Second)
	}
	time.Sleep(d.after)
	for !d.post(n, second) {
		time.Sleep(10 * time.Second)
	}
}

// post sends the nth POST to a replica and returns whether it was acknowledged.
func (d *driver) post(n, to int) bool {
	var b bytes.Buffer
	b.WriteString(`{"value":[`)
	for i := range itemsAPost {
		path := fmt.Sprintf("chats('19:chat%d@thread.v2')/messages('%d')", i, n*itemsAPost+i)
		fmt.Fprintf(&b, `%s{"subscriptionId":"10493aa0-4d29-4df5-bc0c-ef742cc6cd7f","changeType":"created","clientState":%q,"resource":%q,"tenantId":"84bd8158-6d4d-4958-8b9f-9d6445542f95",`+
			`"resourceData":{"id":"%d","@odata.type":"#Microsoft.Graph.chatMessage","@odata.id":%q}}`, map[bool]string{true: ",", false: ""}[i > 0], bridgetest.LiteralState, path, n*itemsAPost+i, path)
	}
	b.WriteString(`]}`)
	resp, err := d.HTTP.Post("http://"+d.route(to).addr+ingest.PathNotifications, "application/json", &b)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusAccepted
}

// I1, I2, I3, I7, I8: three replicas take turns in what a Graph sends that repeats
// POSTs and cuts them off, while one after the other is killed or stopped.
func TestReplicas(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		var s *replicas
		sim := world(r, func(c *graphsim.Config) {
			c.Drain, c.Client = time.Hour, &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) { return s.RoundTrip(req) })}
			c.Faults.Every = map[graphsim.Fault]int{graphsim.RepeatPost: 10, graphsim.CutPost: 25}
		})
		s = newReplicas(t, r, 3)
		over := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(over)
			if err := sim.Run(t.Context(), graphsim.Limit{Items: 1000}); err != nil {
				t.Error(err)
			}
		})
		ended := 0
		for i := 0; ; i = (i + 1) % len(s.all) {
			select {
			case <-over:
			case <-time.After(4 * time.Second):
				if ended++; ended%3 == 0 {
					s.stop(i)
				} else {
					s.kill(i)
				}
				time.Sleep(time.Second)
				s.start(i)
				continue
			}
			break
		}
		wg.Wait()
		stored := report(t, r, sim, true)
		sum := sim.Summary()
		if sum.Acked != sum.Items || sum.Dropped > 0 || ended < 5 {
			t.Errorf("%d items, %d acknowledged, %d dropped; %d kills and stops", sum.Items, sum.Acked, sum.Dropped, ended)
		}
		for f, n := range sum.Faults {
			if n == 0 {
				t.Errorf("fault %s never fired", f)
			}
		}
		events, doubled := map[string]bool{}, 0
		for _, rec := range stored {
			if events[rec.Text("event_id")] {
				doubled++
			}
			events[rec.Text("event_id")] = true
		}
		t.Logf("%d records, %d of them twice; %d kills and stops, %d ids heard", len(stored), doubled, ended, int(s.counted("meetbridge_ingest_recent_ids_heard_total")))
		if s.counted("meetbridge_ingest_recent_ids_heard_total") == 0 {
			t.Error("no replica heard of what another took")
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
