package graphsim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Faults says which faults fire and how often. The zero value is what
// FaultList gives as default.
type Faults struct {
	// Every is a fault's period in candidates: 0 the default, negative never.
	Every map[Fault]int
	// AtMost bounds how often a fault fires; 0 or absent: no bound.
	AtMost map[Fault]int
}

// AllForgeries returns c.Faults with every forgery that c can have firing once
// in so many items.
func (c Config) AllForgeries(every int) Faults {
	out := Faults{Every: map[Fault]int{}, AtMost: c.Faults.AtMost}
	maps.Copy(out.Every, c.Faults.Every)
	for _, i := range FaultList() {
		if i.forgery() && i.possible(c) == nil {
			out.Every[i.Fault] = every
		}
	}
	return out
}

// ParseFaults reads a comma-separated list of fault=every or fault=every/times;
// every may be "off"; "forgeries" stands for all forgeries.
func ParseFaults(s string) (Faults, error) {
	f := Faults{Every: map[Fault]int{}, AtMost: map[Fault]int{}}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, spec, _ := strings.Cut(part, "=")
		everyText, timesText, bounded := strings.Cut(spec, "/")
		every, times := -1, 0
		var err error
		if everyText != "off" {
			every, err = strconv.Atoi(everyText)
		}
		if err == nil && bounded {
			times, err = strconv.Atoi(timesText)
		}
		if err != nil {
			return f, fmt.Errorf("read fault %q: want name=every or name=every/times: %w", part, err)
		}
		for _, i := range FaultList() {
			if string(i.Fault) == name || name == "forgeries" && i.forgery() {
				f.Every[i.Fault], f.AtMost[i.Fault] = every, times
			}
		}
		if _, ok := f.Every[Fault(name)]; !ok && name != "forgeries" {
			return f, fmt.Errorf("read fault %q: no such fault", part)
		}
	}
	return f, nil
}

// every returns the period of i under f, 0 for never.
func (f Faults) every(i FaultInfo) int {
	if n := f.Every[i.Fault]; n != 0 {
		return max(n, 0)
	}
	return i.Every
}

// validate returns what of f cannot be had with c.
func (f Faults) validate(c Config) []error {
	var errs []error
	known := FaultList()
	for fault := range f.Every {
		if !slices.ContainsFunc(known, func(i FaultInfo) bool { return i.Fault == fault }) {
			errs = append(errs, fmt.Errorf("check config: no fault is called %q", fault))
		}
	}
	for _, i := range known {
		if err := i.possible(c); err != nil && f.Every[i.Fault] > 0 {
			errs = append(errs, err)
		}
	}
	return errs
}

// faultPlan decides when faults fire and counts that they did. It is safe for
// concurrent use; what is asked by one goroutine only is deterministic.
type faultPlan struct {
	forgeries []Fault // those that can fire, in FaultList's order

	mu    sync.Mutex
	plans map[Fault]*faultCount
}

type faultCount struct {
	every, phase, most int
	candidates         int
	owed               int // turns that came and were not used yet
	claimed            int // turns that are being used
	done               int
}

func newFaultPlan(f Faults, c Config) *faultPlan {
	p := &faultPlan{plans: map[Fault]*faultCount{}}
	rng := rand.New(rand.NewPCG(c.Seed, 0xfa))
	for _, i := range FaultList() {
		phase := rng.IntN(1 << 30) // drawn for every fault, so that one setting does not move the others
		every := f.every(i)
		if every == 0 || i.possible(c) != nil {
			continue
		}
		p.plans[i.Fault] = &faultCount{every: every, phase: phase % every, most: f.AtMost[i.Fault]}
		if i.forgery() {
			p.forgeries = append(p.forgeries, i.Fault)
		}
	}
	return p
}

// due counts one candidate of f and reports whether the fault's turn has come.
// A turn stays owed until fired, so a candidate that turns out not to fit
// leaves it to the next.
func (p *faultPlan) due(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dueLocked(f)
}

func (p *faultPlan) dueLocked(f Fault) bool {
	c := p.plans[f]
	if c == nil {
		return false
	}
	if c.candidates%c.every == c.phase && (c.most == 0 || c.done+c.owed+c.claimed < c.most) {
		c.owed++
	}
	c.candidates++
	return c.owed > 0
}

// can reports whether f can ever fire.
func (p *faultPlan) can(f Fault) bool { return p.plans[f] != nil }

// fired counts that f happened.
func (p *faultPlan) fired(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.firedLocked(f)
}

func (p *faultPlan) firedLocked(f Fault) {
	if c := p.plans[f]; c != nil {
		c.done++
		c.owed = max(c.owed-1, 0)
	}
}

// take counts one candidate of f, which always fits, and reports whether the
// fault happens to it.
func (p *faultPlan) take(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dueLocked(f) {
		return false
	}
	p.firedLocked(f)
	return true
}

// claim counts one candidate of f and reports whether the fault is to happen to
// it, now or later: happened or returned must follow.
func (p *faultPlan) claim(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dueLocked(f) {
		return false
	}
	c := p.plans[f]
	c.owed--
	c.claimed++
	return true
}

// happened counts that a claimed fault did happen.
func (p *faultPlan) happened(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.plans[f]; c != nil {
		c.claimed--
		c.done++
	}
}

// returned gives a claimed turn back: it did not come to pass.
func (p *faultPlan) returned(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.plans[f]; c != nil {
		c.claimed--
		c.owed++
	}
}

// counts returns how often each fault that can fire has fired.
func (p *faultPlan) counts() map[Fault]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[Fault]int, len(p.plans))
	for f, c := range p.plans {
		out[f] = c.done
	}
	return out
}
