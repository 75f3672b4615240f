//go:build figures

package renewer

import (
	"flag"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// These are the figures that take minutes: make figures-renewer. They fail where
// a figure is worse than promised.

var figureDays = flag.Int("days", 30, "how long TestFigureMonth takes, in days of its own")

// TestFigureMonth is 100,000 subscriptions in 20 tenants under one leader after
// another for -days: one call in a hundred fails, ingest restarts three times a
// day and is away for minutes, two leaders a day die or are stopped, Graph
// throttles as documented, and ends some subscriptions in silence.
func TestFigureMonth(t *testing.T) {
	figure(t, &month{seed: 1, n: 100_000, tenants: 20, length: time.Duration(*figureDays) * 24 * time.Hour, faults: .01, restarts: 3, kills: 2, silent: 48})
}

// TestFigureAbsence is the worst that Graph's limits can meet with: all 100,000
// are of one age, ingest is away for 30 hours from before the first is due, and
// back when some have expired and all others are about to.
func TestFigureAbsence(t *testing.T) {
	figure(t, &month{
		seed: 2, n: 100_000, tenants: 20, length: 4 * 24 * time.Hour, faults: .01, restarts: 3, kills: 2, silent: 48,
		away: spans{{hours(42), hours(72.1)}},
	})
}

func figure(t *testing.T, m *month) {
	t.Helper()
	began := cpuTime()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		go func() { // for who waits
			for day := 1; time.Duration(day)*24*time.Hour < m.length; day++ {
				time.Sleep(24 * time.Hour)
				m.graph.mu.Lock()
				t.Logf("day %2d after %v of CPU: %d live, calls %v", day, cpuTime()-began, len(m.graph.living), m.graph.calls)
				m.graph.mu.Unlock()
			}
		}()
		m.run(t)
		m.judge(t)
	})
	t.Logf("in %v of CPU", cpuTime()-began)
}

// cpuTime returns what the process has used of the processors: in a bubble the
// clock is another one.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Round(time.Second)
}
