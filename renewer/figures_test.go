//go:build figures

package renewer

import (
	"testing"
	"testing/synctest"
	"time"
)

// These are the figures that take minutes: make figures-renewer. They fail where
// a figure is worse than promised.

// TestFigureMonth is 100,000 subscriptions in 20 tenants under one leader after
// another for 30 days: one call in a hundred fails, ingest restarts three times a
// day and is away for minutes, two leaders a day die or are stopped, Graph
// throttles as documented, and ends some subscriptions in silence.
func TestFigureMonth(t *testing.T) {
	figure(t, &month{seed: 1, n: 100_000, tenants: 20, length: 30 * 24 * time.Hour, faults: .01, restarts: 3, kills: 2, silent: 48})
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
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		m.run(t)
		m.judge(t)
	})
	t.Logf("in %v", time.Since(began).Round(time.Second))
}
