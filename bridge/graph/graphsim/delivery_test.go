package graphsim_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// steady returns a configuration that sends one item a POST at a steady rate,
// without faults, so that a test can count POSTs.
func steady(r *receiver, rate float64) graphsim.Config {
	cfg := config(r)
	cfg.Certificates = nil
	cfg.BatchMax, cfg.Rate = 1, rate
	cfg.Rules.Concurrency = 1000
	cfg.Faults.Every = map[graphsim.Fault]int{graphsim.DuplicateItem: -1, graphsim.ReorderItem: -1}
	return cfg
}

// attemptsOf returns the times of all attempts of the first POST received.
func attemptsOf(r *receiver) []time.Duration {
	posts := r.received()
	var out []time.Duration
	for _, d := range posts {
		if string(d.body) == string(posts[0].body) {
			out = append(out, d.at.Sub(posts[0].at))
		}
	}
	return out
}

// An item that is not acknowledged is sent again after pauses that double, the
// same bytes each time, until it is.
func TestRetriesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(n int, _ *http.Request) response {
			if n < 6 {
				return response{status: http.StatusServiceUnavailable}
			}
			return response{}
		}}
		cfg := steady(r, 0)
		cfg.Drain = time.Hour
		s := play(t, cfg, graphsim.Limit{Items: 1})
		at := attemptsOf(r)
		if len(at) != 7 {
			t.Fatalf("attempts at %v", at)
		}
		for i := 1; i < len(at); i++ {
			pause, want := at[i]-at[i-1], time.Second<<(i-1)
			if pause < want*4/5 || pause > want*6/5 {
				t.Errorf("pause %d is %s, want %s give or take a fifth", i, pause, want)
			}
		}
		e := s.Ledger()[0]
		if e.Attempts != 7 || !e.Acked || e.Last.Sub(e.First) != at[6] || s.Summary().Answers["503"] != 6 {
			t.Errorf("entry %+v, answers %v", e, s.Summary().Answers)
		}
	})
}

// Retry-After lengthens the pause, in both its forms.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		r.answer = func(n int, _ *http.Request) response {
			return []response{
				{status: 503, retryAfter: "60"},
				{status: 429, retryAfter: time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)},
				{status: 503, retryAfter: "soon"},
				{},
			}[n]
		}
		cfg := steady(r, 0)
		cfg.Drain = time.Hour
		play(t, cfg, graphsim.Limit{Items: 1})
		at := attemptsOf(r)
		if len(at) != 4 || at[1] != 60*time.Second || at[2]-at[1] < 89*time.Second || at[2]-at[1] > 90*time.Second || at[3]-at[2] > 5*time.Second {
			t.Errorf("attempts at %v", at)
		}
	})
}

// The first attempt waits 3 s for its answer, every other 10 s; after 4 h the
// item is given up.
func TestTimeoutsAndGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waited []time.Duration
		r := &receiver{}
		client := &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			deadline, _ := req.Context().Deadline()
			waited = append(waited, time.Until(deadline))
			return r.RoundTrip(req)
		})}
		r.answer = func(int, *http.Request) response { return response{after: time.Hour} }
		cfg := steady(r, 0)
		cfg.Client, cfg.Drain = client, 5*time.Hour
		s := play(t, cfg, graphsim.Limit{Items: 1})
		if len(waited) < 40 || waited[0] != 3*time.Second || waited[1] != 10*time.Second || waited[len(waited)-1] != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
		at := attemptsOf(r)
		if last := at[len(at)-1]; last > 4*time.Hour || last < 4*time.Hour-10*time.Minute {
			t.Errorf("last attempt after %s", last)
		}
		e, sum := s.Ledger()[0], s.Summary()
		if e.Acked || !e.Dropped || sum.Dropped != 1 || sum.Answers["timeout"] != len(at) || sum.Late != len(at) {
			t.Errorf("entry %+v, summary %+v", e, sum)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// What is neither 2xx nor answered in time is not delivered: redirects,
// refusals and errors are retried.
func TestOnly2xxDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []response{
			{status: 301},
			{status: 400},
			{status: 404},
			{status: 500},
			{err: errors.New("connection refused")},
			{status: 204, after: 3*time.Second + time.Millisecond}, // a retry may take 10 s: late, but delivered
		}
		r := &receiver{answer: func(n int, _ *http.Request) response { return answers[n] }}
		cfg := steady(r, 0)
		cfg.Drain = time.Hour
		s := play(t, cfg, graphsim.Limit{Items: 1})
		sum := s.Summary()
		for _, kind := range []string{"301", "400", "404", "500", "unreachable", "204"} {
			if sum.Answers[kind] != 1 {
				t.Errorf("answers %v lack %s", sum.Answers, kind)
			}
		}
		if sum.Acked != 1 || sum.Late != 1 {
			t.Errorf("summary %+v", sum)
		}
	})
}

// More than a tenth of answers over 3 s: what is new waits ten minutes; when
// the probes are quick again, it does not.
func TestSlowEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		r := &receiver{answer: func(n int, _ *http.Request) response {
			if bad.Load() && n%5 == 0 {
				return response{after: 3500 * time.Millisecond}
			}
			return response{}
		}}
		cfg := steady(r, 2)
		cfg.Drain = time.Hour
		s := start(t, cfg)
		defer stop(t, s)
		run := func(d time.Duration) []time.Duration { // returns how long each item took to arrive
			t.Helper()
			before, began := len(s.Ledger()), time.Now()
			if err := s.Run(context.Background(), graphsim.Limit{For: d}); err != nil {
				t.Fatal(err)
			}
			var out []time.Duration
			for i, e := range s.Ledger()[before:] {
				out = append(out, e.First.Sub(began.Add(time.Duration(i)*time.Second/2)))
			}
			return out
		}
		if delays := run(90 * time.Second); maximum(delays) > time.Second || s.Summary().Slow != 0 {
			t.Fatalf("a healthy endpoint waits %s", maximum(delays))
		}
		bad.Store(true)
		run(5 * time.Minute)
		if s.Summary().Slow != 1 || s.Summary().Drop != 0 {
			t.Fatalf("after slow answers: slow %d, drop %d", s.Summary().Slow, s.Summary().Drop)
		}
		bad.Store(false)
		// The drain above took the delayed ones with it, ten minutes: probes may go.
		delays := run(time.Minute)
		if maximum(delays[:4]) > time.Second || maximum(delays[20:]) > time.Second {
			t.Errorf("after recovery items wait %s", maximum(delays))
		}
		if sum := s.Summary(); sum.Pending != 0 || sum.Dropped != 0 || sum.Acked != sum.Items {
			t.Errorf("a slow endpoint lost items: %+v", sum)
		}
	})
}

// While an endpoint is slow, new items come ten minutes late, and then they do
// come.
func TestSlowDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := &receiver{answer: func(int, *http.Request) response {
			if time.Since(begin) < 2*time.Minute {
				return response{after: 3500 * time.Millisecond}
			}
			return response{}
		}}
		cfg := steady(r, 2)
		cfg.Rules.DropShare = 1 // slow only
		cfg.Drain = time.Hour
		s := play(t, cfg, graphsim.Limit{For: 5 * time.Minute})
		late := 0
		for i, e := range s.Ledger() {
			told := begin.Add(time.Duration(i) * time.Second / 2)
			if d := e.First.Sub(told); d >= 9*time.Minute {
				late++
				if d > 10*time.Minute+time.Second {
					t.Errorf("entry %d waited %s", e.Seq, d)
				}
			}
		}
		if late < 300 || s.Summary().Slow != 1 || s.Summary().Dropped != 0 {
			t.Errorf("%d of 600 items delayed; %+v", late, s.Summary())
		}
	})
}

// More than 15 % of answers over 10 s: what is new is lost for ten minutes and
// until probes succeed.
func TestDroppingEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := &receiver{answer: func(int, *http.Request) response {
			if time.Since(begin) < 8*time.Minute {
				return response{after: time.Hour}
			}
			return response{}
		}}
		cfg := steady(r, 2)
		cfg.Drain = 3 * time.Hour
		cfg.Rules.SlowShare = 1 // never slow: straight to dropping
		s := play(t, cfg, graphsim.Limit{For: 30 * time.Minute})
		sum := s.Summary()
		if sum.Drop != 1 || sum.Dropped == 0 || sum.Pending != 0 {
			t.Fatalf("summary %+v", sum)
		}
		var first, last time.Duration
		for i, e := range s.Ledger() {
			told := time.Duration(i) * time.Second / 2
			if e.Dropped {
				if e.Attempts != 0 {
					t.Errorf("entry %d was dropped after %d attempts", e.Seq, e.Attempts)
				}
				if first == 0 {
					first = told
				}
				last = told
			}
		}
		if first > 3*time.Minute || last-first < 9*time.Minute || last-first > 11*time.Minute {
			t.Errorf("dropped from %s to %s", first, last)
		}
		if sum.Acked != sum.Items-sum.Dropped {
			t.Errorf("what was not dropped was not delivered: %+v", sum)
		}
	})
}

// Failed probes keep an endpoint in its state for ten minutes more.
func TestProbesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := &receiver{answer: func(int, *http.Request) response {
			if time.Since(begin) < 20*time.Minute {
				return response{after: time.Hour}
			}
			return response{}
		}}
		cfg := steady(r, 2)
		cfg.Drain = 5 * time.Hour
		s := play(t, cfg, graphsim.Limit{For: 45 * time.Minute})
		sum := s.Summary()
		var last time.Duration
		for i, e := range s.Ledger() {
			if e.Dropped && e.Attempts == 0 {
				last = time.Duration(i) * time.Second / 2
			}
		}
		if last < 20*time.Minute || last > 33*time.Minute || sum.Drop == 0 {
			t.Errorf("dropped until %s; %+v", last, sum)
		}
	})
}

// An endpoint that refuses connections is not slow: everything arrives once it
// is back.
func TestOutageIsNotSlowness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := &receiver{answer: func(int, *http.Request) response {
			if time.Since(begin) < 10*time.Minute {
				return response{err: errors.New("connection refused")}
			}
			return response{}
		}}
		cfg := steady(r, 2)
		cfg.Drain = time.Hour
		s := play(t, cfg, graphsim.Limit{For: 12 * time.Minute})
		if sum := s.Summary(); sum.Slow+sum.Drop+sum.Dropped+sum.Pending != 0 {
			t.Errorf("summary %+v", sum)
		}
	})
}

// No more POSTs are under way at a time than Concurrency says.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		r := &receiver{}
		client := &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			return r.RoundTrip(req)
		})}
		r.answer = func(int, *http.Request) response { return response{after: 100 * time.Millisecond} }
		cfg := steady(r, 0)
		cfg.Client, cfg.Rules.Concurrency = client, 4
		play(t, cfg, graphsim.Limit{Items: 100})
		if most.Load() != 4 {
			t.Errorf("%d POSTs at a time", most.Load())
		}
	})
}

func maximum(ds []time.Duration) time.Duration {
	var out time.Duration
	for _, d := range ds {
		out = max(out, d)
	}
	return out
}

// Latencies are those of the answers.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(n int, _ *http.Request) response {
			return response{after: time.Duration(n%100+1) * time.Millisecond}
		}}
		s := play(t, steady(r, 10), graphsim.Limit{Items: 200})
		l := s.Summary().Latency
		for _, c := range []struct {
			name      string
			got, want time.Duration
		}{{"p50", l.P50, 50 * time.Millisecond}, {"p99", l.P99, 99 * time.Millisecond}, {"max", l.Max, 100 * time.Millisecond}} {
			if d := c.got - c.want; d < -time.Millisecond || d > time.Millisecond {
				t.Errorf("%s is %s, want %s", c.name, c.got, c.want)
			}
		}
		if n := s.Summary().Answers[strconv.Itoa(http.StatusAccepted)]; n != 200 {
			t.Errorf("%d answers", n)
		}
	})
}
