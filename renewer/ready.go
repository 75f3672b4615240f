package renewer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/process"
)

var (
	errUnregistered = errors.New("schemas are not registered yet: is the registry at --registry-url?")
	errTopics       = errors.New("topics are not there yet: is Kafka at --kafka-brokers, and were they made (meetbridge topics apply)?")
	errNoElection   = errors.New("does not stand for election: starting, or shutting down")
	errNoMember     = errors.New("the group's coordinator has not confirmed us lately: is Kafka well, and may our user read the group?")
	errKeyUnknown   = errors.New("a running ingest process lacks the client-state key: living subscriptions keep the clientStates they have, what comes for new ones goes to quarantine; give ingest and renewer the same --client-state-keys")
	errTakingOver   = errors.New("leads, and has not read the states yet")
)

// readiness returns what /readyz asks. A standby is as ready as a leader, since
// it does what it is for.
func (r *Renewer) readiness() *process.Readiness {
	return process.NewReadiness(r.log,
		process.Check{Name: "kafka", Test: r.checkKafka},
		process.Check{Name: "registry", Test: r.checkRegistry},
		process.Check{Name: "subscriptions", Test: r.checkSubscriptions},
		process.Check{Name: "election", Test: r.checkElection},
	)
}

func (r *Renewer) checkKafka(context.Context) (string, error) {
	if !r.topicsOK.Load() {
		return "", errTopics
	}
	return "", nil
}

func (r *Renewer) checkRegistry(context.Context) (string, error) {
	select {
	case <-r.registered:
		return "", nil
	default:
		return "", errUnregistered
	}
}

func (r *Renewer) checkSubscriptions(context.Context) (string, error) {
	w := r.wish.Load()
	if !r.ingest.proves(w.keys.MinterID()) {
		return "", errKeyUnknown
	}
	words := fmt.Sprintf("%d desired in %d tenants", len(w.wanted.Subscriptions), len(w.wanted.Tenants))
	all := map[string]Held{} // of all shards led here
	for _, l := range r.shards() {
		held := l.held.Load()
		if held == nil {
			continue
		}
		for tenant, h := range *held {
			all[tenant] = Held{Removals: all[tenant].Removals + h.Removals}
		}
	}
	for _, tenant := range slices.Sorted(maps.Keys(all)) {
		words += fmt.Sprintf("; %d removals in tenant %s held back (%s: %d lets them go)", all[tenant].Removals, tenant, keyMaxRemovals, all[tenant].Removals)
	}
	return words, nil
}

// checkElection says which role the process has.
func (r *Renewer) checkElection(context.Context) (string, error) {
	e := r.election.Load()
	if e == nil {
		return "", errNoElection
	}
	if !e.member.fresh(time.Now()) {
		return "", errNoMember
	}
	won := e.leading()
	if len(won) == 0 {
		return "stands by", nil
	}
	led := r.shards()
	if len(led) < len(won) {
		return "", errTakingOver
	}
	words := make([]string, len(led))
	for i, l := range led {
		words[i] = fmt.Sprintf("shard %d in epoch %d", l.lease.Partition, l.epoch)
	}
	slices.Sort(words)
	return "leads " + strings.Join(words, ", "), nil
}

// askWithin bounds how long a scrape waits for a shard.
const askWithin = 500 * time.Millisecond

// gauges registers what is read when it is scraped.
func (r *Renewer) gauges(reg *prometheus.Registry) {
	gauge := func(name, help string, read func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, read))
	}
	gauge("nearest_expiry_seconds", "Time until the first of the living subscriptions of the shards led here expires, in seconds; below zero if it should have been renewed, and 0 without any.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), askWithin)
		defer cancel()
		at := r.nearest(ctx)
		if at.IsZero() {
			return 0
		}
		return time.Until(at).Seconds()
	})
	gauge("lease_fresh", "1 while the group's coordinator has confirmed this process so lately that it may call Graph for the shards it leads, else 0.", func() float64 {
		if e := r.election.Load(); e != nil && e.member.fresh(time.Now()) {
			return 1
		}
		return 0
	})
}
