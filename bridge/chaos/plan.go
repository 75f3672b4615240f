package chaos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// lane is a sequence of faults; those of different lanes overlap as they come.
type lane string

// The lanes: faults of one kind of victim wait for each other.
const (
	laneBrokers  lane = "brokers"
	laneIngests  lane = "ingests"
	laneRenewers lane = "renewers"
	laneNetwork  lane = "network"
)

func lanes() []lane { return []lane{laneBrokers, laneIngests, laneRenewers, laneNetwork} }

// share is how many of twenty faults a lane has: fewer where each takes long, a
// broker's start, so that all lanes end at about the same time.
func (l lane) share() int {
	return map[lane]int{laneBrokers: 3, laneIngests: 6, laneRenewers: 5, laneNetwork: 6}[l]
}

// kind is a way in which something goes wrong.
type kind struct {
	name  string
	lane  lane
	cards int           // of the lane's deck: how often it comes before all have come
	least time.Duration // how long it lasts at least
	most  time.Duration
	do    func(*faulted) (proof string, err error)
}

// step is one fault of a plan.
type step struct {
	N      int           `json:"n"` // from 1, within the lane
	Lane   lane          `json:"lane"`
	Kind   string        `json:"kind"`
	Pick   int           `json:"pick"`   // which of several victims, to be taken modulo their number
	Before time.Duration `json:"before"` // calm of the lane before it
	Hold   time.Duration `json:"hold"`   // how long it lasts
	kind   kind
}

// String returns the step as the run's log has it.
func (s step) String() string {
	return fmt.Sprintf("%s %d: %s (pick %d, after %s, for %s)", s.Lane, s.N, s.Kind, s.Pick, s.Before.Round(10*time.Millisecond), s.Hold.Round(10*time.Millisecond))
}

// makePlan returns the faults of a run by lane: those of a seed are always the
// same. Each lane deals its kinds from a shuffled deck, so that all come before
// one comes again. None lasts longer than longest.
func makePlan(seed uint64, faults int, longest time.Duration, kinds []kind) map[lane][]step {
	plan := map[lane][]step{}
	shares := 0
	for _, l := range lanes() {
		shares += l.share()
	}
	left, sharesLeft := faults, shares
	for i, l := range lanes() {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		n := (left*l.share() + sharesLeft/2) / sharesLeft
		left, sharesLeft = left-n, sharesLeft-l.share()
		var deck []kind
		for len(plan[l]) < n {
			if len(deck) == 0 {
				deck = shuffled(rng, l, kinds)
			}
			k := deck[0]
			deck = deck[1:]
			plan[l] = append(plan[l], step{
				N: len(plan[l]) + 1, Lane: l, Kind: k.name, kind: k, Pick: rng.IntN(1 << 16),
				Before: between(rng, 500*time.Millisecond, min(9*time.Second, longest)), Hold: between(rng, k.least, min(k.most, longest)),
			})
		}
	}
	return plan
}

func shuffled(rng *rand.Rand, l lane, kinds []kind) (deck []kind) {
	for _, k := range kinds {
		for n := 0; k.lane == l && n < k.cards; n++ {
			deck = append(deck, k)
		}
	}
	rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

// between draws a time of which short ones are as likely as long ones of ten
// times the length.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	u := rng.Float64()
	if most <= least {
		return least
	}
	if least <= 0 {
		return time.Duration(u * float64(most))
	}
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), u))
}
