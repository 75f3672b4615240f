//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"meetbridge/bridge/kafka"
)

// Ensure that the list has what each living member says now, and nothing of
// those that left or died.
func TestRoster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		cluster := startCluster(t, kfake.SeedTopics(1, "a"), kfake.ListenFn(n.Listen))
		c := kafka.Config{Brokers: cluster.ListenAddrs(), Dialer: n.Dial}
		adm, err := kafka.NewAdmin(c, discard())
		if err != nil {
			t.Fatal(err)
		}
		defer adm.Close()
		reads := func(limit time.Duration, want ...string) {
			t.Helper()
			eventually(t, limit, func() error {
				members, err := kafka.ReadRoster(t.Context(), adm, "g")
				if err != nil {
					return err
				}
				var got []string
				for _, m := range members {
					if m.ID == "" || m.Host == "" {
						return fmt.Errorf("member %q is at %q", m.ID, m.Host)
					}
					got = append(got, string(m.Says))
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					return fmt.Errorf("the roster says %q, want %q", got, want)
				}
				return nil
			})
		}
		reads(0)
		join := func(says string) (*kafka.Roster, func() error) {
			t.Helper()
			own := newMemNet()
			own.listeners = n.listeners
			mine := c
			mine.Dialer = own.Dial
			r, err := kafka.JoinRoster(mine, "g", "a", []byte(says), discard())
			if err != nil {
				t.Fatal(err)
			}
			return r, func() error {
				own.Cut(true)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				return r.Leave(ctx)
			}
		}
		one, _ := join("one")
		reads(10*time.Second, "one")
		_, killTwo := join("two")
		reads(10*time.Second, "one", "two")
		one.Say([]byte("one more"))
		reads(10*time.Second, "one more", "two")
		time.Sleep(time.Minute)
		reads(0, "one more", "two")
		if err := killTwo(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("leave without a network: %v", err)
		}
		reads(40*time.Second, "one more")
		if err := one.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		reads(time.Second)
	})
}

// Ensure that leaving ends with its context also while the group waits for a
// member that is dead.
func TestRosterLeaveWhileJoining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		cluster := startCluster(t, kfake.SeedTopics(1, "a"), kfake.ListenFn(n.Listen))
		leave := func(r *kafka.Roster) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return r.Leave(ctx)
		}
		join := func() (*kafka.Roster, *memNet) {
			own := newMemNet()
			own.listeners = n.listeners
			r, err := kafka.JoinRoster(kafka.Config{Brokers: cluster.ListenAddrs(), Dialer: own.Dial}, "g", "a", nil, discard())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			return r, own
		}
		dead, network := join()
		stays, _ := join()
		network.Cut(true)
		stays.Say([]byte("anew")) // it joins again, and waits for the dead one
		time.Sleep(time.Second)
		began := time.Now()
		if err := leave(stays); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it was not joining: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("left after %v", took)
		}
		_ = leave(dead) // it cannot
	})
}
