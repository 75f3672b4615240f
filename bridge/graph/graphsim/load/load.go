package load

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what became of a load.
type Result struct {
	Codes   map[int]int64 // answers by status code
	Broken  int64         // POSTs without an answer: the connection failed
	Acked   int64         // items that were acknowledged with 202
	Elapsed time.Duration
	// Times of the answers in microseconds. In an open loop each counts from the
	// moment when its POST was due, so that one slow answer does not hide those
	// that had to wait behind it.
	Times *hdrhistogram.Histogram
	// Good are the times of those with 202.
	Good *hdrhistogram.Histogram
}

// Posts returns how many POSTs were answered.
func (r Result) Posts() int64 { return r.Times.TotalCount() }

// At returns the quantile, in percent, of the answers' times.
func (r Result) At(percent float64) time.Duration {
	return time.Duration(r.Times.ValueAtQuantile(percent)) * time.Microsecond
}

// Longest returns the longest time of an answer.
func (r Result) Longest() time.Duration { return time.Duration(r.Times.Max()) * time.Microsecond }

// Closed sends n POSTs over so many connections, each waiting for its answer
// before it sends the next. It ends early with ctx.
func Closed(ctx context.Context, addr string, p *Posts, connections int, n int64) Result {
	var next atomic.Int64
	return run(ctx, addr, p, connections, func() (time.Time, bool) {
		return time.Now(), next.Add(1) <= n
	})
}

// Open sends rate POSTs a second for d over at most so many connections: when all
// of them wait, what is due waits too, and its time runs. It ends early with ctx.
func Open(ctx context.Context, addr string, p *Posts, connections int, rate float64, d time.Duration) Result {
	var next atomic.Int64
	start := time.Now()
	return run(ctx, addr, p, connections, func() (time.Time, bool) {
		due := time.Duration(float64(next.Add(1)-1) / rate * float64(time.Second))
		if due >= d {
			return time.Time{}, false
		}
		at := start.Add(due)
		if wait := time.Until(at); wait > 0 {
			time.Sleep(wait)
		}
		return at, true
	})
}

// run sends POSTs over the connections until take returns false; take says from
// when on the next one's time counts.
func run(ctx context.Context, addr string, p *Posts, connections int, take func() (time.Time, bool)) Result {
	total := newSender()
	var mu sync.Mutex // guards total
	var wg sync.WaitGroup
	start := time.Now()
	for range connections {
		wg.Go(func() {
			s := newSender()
			s.send(ctx, addr, p, take)
			mu.Lock()
			defer mu.Unlock()
			total.add(s)
		})
	}
	wg.Wait()
	total.Elapsed = time.Since(start)
	return total.Result
}

// sender is one connection's part.
type sender struct{ Result }

func newSender() *sender {
	return &sender{Result{Codes: map[int]int64{}, Times: newTimes(), Good: newTimes()}}
}

// newTimes returns a histogram from 1 µs to a minute, good to 1 %.
func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(1, time.Minute.Microseconds(), 2) }

func (s *sender) add(other *sender) {
	for code, n := range other.Codes {
		s.Codes[code] += n
	}
	s.Broken += other.Broken
	s.Acked += other.Acked
	s.Times.Merge(other.Times)
	s.Good.Merge(other.Good)
}

func (s *sender) send(ctx context.Context, addr string, p *Posts, take func() (time.Time, bool)) {
	var c *connection
	defer func() {
		if c != nil {
			_ = c.Close()
		}
	}()
	for ctx.Err() == nil {
		from, more := take()
		if !more {
			return
		}
		if c == nil {
			var err error
			if c, err = dial(ctx, addr); err != nil {
				s.Broken++
				c = nil
				time.Sleep(time.Millisecond) // nobody listens: no reason to spin
				continue
			}
		}
		code, closing, err := c.post(p)
		if err != nil || closing {
			_ = c.Close()
			c = nil
		}
		if err != nil {
			s.Broken++
			continue
		}
		took := max(time.Since(from).Microseconds(), 1)
		s.Codes[code]++
		_ = s.Times.RecordValue(took) // a minute at most: patience is far below
		if code == http.StatusAccepted {
			s.Acked += int64(p.items)
			_ = s.Good.RecordValue(took)
		}
	}
}
