//go:build synctests

package renewer_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
	"meetbridge/schemas"
)

// I9: nobody leads for hours, Graph asks to reauthorize, holds back for 4 h, and
// drops the rest. The leader that comes at last says so, whatever is due of itself
// by then, and wherever it has to begin to read notices.
func TestAbsence(t *testing.T) {
	for _, tc := range []struct {
		name      string
		away      time.Duration
		committed bool // a place in the notices is on record
		latency   time.Duration
	}{
		{"NotDue", 270 * time.Minute, true, 0},
		{"NothingCommitted", 270 * time.Minute, false, 0},
		{"Due", 405 * time.Minute, true, 0},
		{"DueAndGraphQuick", 405 * time.Minute, true, time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				t.Helper()
				w.rules, w.lifetime = slowRules(), "9h"
				if tc.latency > 0 {
					w.graph.latency = func() time.Duration { return tc.latency }
				}
				keys := w.desire(3, tenantOne)
				ask := func() {
					for _, k := range keys {
						w.notify("reauthorizationRequired", tenantOne, w.graph.idOf(k))
					}
				}
				p := w.start()
				within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
				time.Sleep(5 * time.Second)
				if tc.committed {
					ask() // it crossed the creation: stale
					time.Sleep(5 * time.Second)
				}
				p.stop()
				time.Sleep(15 * time.Minute)
				asked := time.Now()
				ask()
				time.Sleep(tc.away)
				patches := w.graph.count(http.MethodPatch)
				p = w.start()
				time.Sleep(time.Minute)
				p.stop()
				if n := w.graph.count(http.MethodPatch) - patches; n != 3 {
					t.Errorf("%d renewals, want 3", n)
				}
				closed := 0
				for _, g := range w.gaps() {
					if g.Cause != string(renewer.CauseHeld) || g.From.Sub(asked).Abs() > time.Second {
						t.Errorf("gap %+v", g)
					}
					if g.To != nil {
						closed++
						if lost := g.To.Sub(g.From); lost < tc.away-4*time.Hour || lost > tc.away-4*time.Hour+time.Minute {
							t.Errorf("%s of %s are told to be lost", lost, tc.away)
						}
					}
				}
				if closed != 3 {
					t.Errorf("%d gaps, want 3", closed)
				}
			})
		})
	}
}

// gaps returns all records of teams.gaps.
func (w *world) gaps() (all []schemas.SubscriptionGap) {
	w.t.Helper()
	err := kafka.Scan(w.t.Context(), w.config(), []kafka.ScanTopic{{Topic: "teams.gaps"}}, discard(), func(r *kgo.Record) error {
		var g schemas.SubscriptionGap
		_, body, err := schemas.Split(r.Value)
		if err == nil {
			err = schemas.DecodeInto(body, "gaps", &g)
		}
		all = append(all, g)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}
