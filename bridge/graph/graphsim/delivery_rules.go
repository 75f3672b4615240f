package graphsim

import "time"

// Rules are Graph's rules of delivery (FACTS §1.3, §1.4). Zero values are what
// is documented, or where nothing is, what is said here.
type Rules struct {
	FirstTimeout time.Duration // default 3 s
	RetryTimeout time.Duration // default 10 s
	BackoffMin   time.Duration // before the first retry; default 1 s (not documented)
	BackoffMax   time.Duration // default 5 min (not documented)
	GiveUpAfter  time.Duration // since the first attempt; default 4 h

	Window     time.Duration // over which answers are judged; default 10 min
	MinAnswers int           // below it nothing is judged; default 100
	SlowShare  float64       // of answers over FirstTimeout; default 0.10
	DropShare  float64       // of answers over RetryTimeout; default 0.15
	SlowDelay  time.Duration // of new POSTs to a slow endpoint; default 10 min
	DropFor    time.Duration // how long new POSTs are dropped before probes; default 10 min
	Probes     int           // POSTs of one probe round; default 5 (not documented)

	Concurrency int // POSTs at a time to one endpoint; default 16 (not documented)
}

func (r Rules) withDefaults() Rules {
	dur := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	dur(&r.FirstTimeout, 3*time.Second)
	dur(&r.RetryTimeout, 10*time.Second)
	dur(&r.BackoffMin, time.Second)
	dur(&r.BackoffMax, 5*time.Minute)
	dur(&r.GiveUpAfter, 4*time.Hour)
	dur(&r.Window, 10*time.Minute)
	dur(&r.SlowDelay, 10*time.Minute)
	dur(&r.DropFor, 10*time.Minute)
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	num(&r.MinAnswers, 100)
	num(&r.Probes, 5)
	num(&r.Concurrency, 16)
	if r.SlowShare == 0 {
		r.SlowShare = 0.10
	}
	if r.DropShare == 0 {
		r.DropShare = 0.15
	}
	return r
}

// endpointState is what Graph thinks of an endpoint.
type endpointState string

const (
	healthy  endpointState = "healthy"
	slow     endpointState = "slow"
	dropping endpointState = "dropping"
)

// health judges one endpoint by its answers. It is pure: times come in.
type health struct {
	rules   Rules
	state   endpointState
	since   time.Time // when the state, or its last probe round, began
	buckets [10]answerCount
	round   probeRound

	slowed, dropped int // times that the states were entered
}

// answerCount counts answers; at is the tenth of a window that it stands for.
type answerCount struct {
	at                  int64
	all, late, timedOut int
}

// probeRound is the handful of POSTs that decides whether a state ends.
type probeRound struct {
	id                            int // from 1; no round follows another under one id
	started, done, late, timedOut int
}

// admission is what happens to a new POST.
type admission struct {
	due   time.Time
	probe int // the round that it is a probe of; 0: none
	drop  bool
}

// admit decides about a POST that comes up at now.
func (h *health) admit(now time.Time) admission {
	wait := h.rules.SlowDelay
	if h.state == dropping {
		wait = h.rules.DropFor
	}
	switch {
	case h.state == healthy:
		return admission{due: now}
	case now.Sub(h.since) >= wait && h.round.started < h.rules.Probes:
		h.round.started++
		return admission{due: now, probe: h.round.id}
	case h.state == dropping:
		return admission{drop: true}
	default:
		return admission{due: now.Add(h.rules.SlowDelay)}
	}
}

// answered enters an answer, or none: late is one over FirstTimeout, timedOut
// one over RetryTimeout, probe the round that its POST was admitted for. It
// returns whether the state changed.
func (h *health) answered(now time.Time, late, timedOut bool, probe int) bool {
	before := h.state
	tenth := now.UnixNano() / int64(h.rules.Window/10)
	b := &h.buckets[tenth%10]
	if b.at != tenth {
		*b = answerCount{at: tenth}
	}
	b.all++
	b.late += count(late)
	b.timedOut += count(timedOut)
	if probe == h.round.id && h.state != healthy {
		h.probed(now, late, timedOut)
	} else {
		h.judge(now, tenth)
	}
	return h.state != before
}

// judge worsens the state when the window says so.
func (h *health) judge(now time.Time, tenth int64) {
	var sum answerCount
	for _, b := range h.buckets {
		if tenth-b.at < 10 {
			sum.all += b.all
			sum.late += b.late
			sum.timedOut += b.timedOut
		}
	}
	if sum.all < h.rules.MinAnswers {
		return
	}
	switch {
	case h.state != dropping && share(sum.timedOut, sum.all) > h.rules.DropShare:
		h.enter(dropping, now)
	case h.state == healthy && share(sum.late, sum.all) > h.rules.SlowShare:
		h.enter(slow, now)
	}
}

// probed enters the answer to a probe; the last of a round decides whether the
// state ends or stays for as long again.
func (h *health) probed(now time.Time, late, timedOut bool) {
	h.round.done++
	h.round.late += count(late)
	h.round.timedOut += count(timedOut)
	if h.round.done < h.rules.Probes {
		return
	}
	stillLate := share(h.round.late, h.round.done) >= h.rules.SlowShare
	stillDown := share(h.round.timedOut, h.round.done) >= h.rules.DropShare
	switch {
	case h.state == dropping && stillDown, h.state == slow && stillLate:
		h.since, h.round = now, probeRound{id: h.round.id + 1}
	case stillLate:
		h.enter(slow, now)
	default:
		h.enter(healthy, now)
	}
}

// enter starts a state, which is judged by what follows alone.
func (h *health) enter(s endpointState, now time.Time) {
	h.state, h.since, h.round = s, now, probeRound{id: h.round.id + 1}
	h.buckets = [10]answerCount{}
	h.slowed += count(s == slow)
	h.dropped += count(s == dropping)
}

func share(n, of int) float64 { return float64(n) / float64(of) }

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
