package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// faulted is a fault under way.
type faulted struct {
	*site
	step
	ctx    context.Context
	run    *run
	victim string // whom it came to, once that is known
}

// patience is how long a fault of the network goes on beyond its time until
// somebody feels it.
const patience = time.Minute

// kinds are all faults that a run has. A proof is a thing seen: a process that
// is gone, one that was found stopped, connections that were cut.
func kinds() []kind {
	const s = time.Second
	return slices.Concat([]kind{
		{"broker killed", laneBrokers, 2, 0, 15 * s, func(f *faulted) (string, error) { return f.endNode(syscall.SIGKILL, f.anyNode()) }},
		{"broker stopped", laneBrokers, 2, 0, 15 * s, func(f *faulted) (string, error) { return f.endNode(syscall.SIGTERM, f.anyNode()) }},
		{"controller killed", laneBrokers, 1, 0, 10 * s, func(f *faulted) (string, error) { return f.with(f.cluster.controller, killNode) }},
		{"broker frozen", laneBrokers, 2, s, 60 * s, func(f *faulted) (string, error) { return f.freezeNode(f.anyNode()) }},
		{"partition leader frozen", laneBrokers, 2, s, 60 * s, func(f *faulted) (string, error) { return f.with(f.cluster.leader, (*faulted).freezeNode) }},
		{"controller frozen", laneBrokers, 2, s, 60 * s, func(f *faulted) (string, error) { return f.with(f.cluster.controller, (*faulted).freezeNode) }},
		{"two brokers frozen", laneBrokers, 1, 3 * s, 30 * s, (*faulted).freezeTwo},
		{"two brokers killed", laneBrokers, 1, 2 * s, 20 * s, (*faulted).killTwo},
		{"disk of a broker full", laneBrokers, 1, 2 * s, 20 * s, (*faulted).fillDisk},
	}, manners("broker from the others", laneBrokers, func(f *faulted) *link { return f.used(f.cluster.peers) }), []kind{
		{"ingest killed", laneIngests, 4, 0, 8 * s, func(f *faulted) (string, error) { return f.endIngests(syscall.SIGKILL, f.anyIngest()) }},
		{"ingest stopped", laneIngests, 3, 0, 8 * s, func(f *faulted) (string, error) { return f.endIngests(syscall.SIGTERM, f.anyIngest()) }},
		{"ingest frozen", laneIngests, 3, s, 60 * s, (*faulted).freezeIngest},
		{"all ingests killed", laneIngests, 1, s, 15 * s, func(f *faulted) (string, error) { return f.endIngests(syscall.SIGKILL, f.ingests...) }},
		{"ingest started without the registry", laneIngests, 1, s, 20 * s, func(f *faulted) (string, error) {
			i := f.anyIngest()
			return f.startedWithout(i, i.registry)
		}},
		{"ingest started without the authority", laneIngests, 1, s, 20 * s, func(f *faulted) (string, error) {
			return f.startedWithout(f.anyIngest(), f.keySets)
		}},

		{"leading renewer killed", laneRenewers, 3, 0, 20 * s, func(f *faulted) (string, error) { return f.endRenewers(syscall.SIGKILL, f.leading()) }},
		{"leading renewer stopped", laneRenewers, 2, 0, 10 * s, func(f *faulted) (string, error) { return f.endRenewers(syscall.SIGTERM, f.leading()) }},
		{"leading renewer frozen", laneRenewers, 3, s, 60 * s, func(f *faulted) (string, error) { return f.freezeProcess(f.leading().process) }},
		{"waiting renewer killed", laneRenewers, 1, 0, 10 * s, func(f *faulted) (string, error) { return f.endRenewers(syscall.SIGKILL, f.waiting()) }},
		{"waiting renewer frozen", laneRenewers, 1, s, 30 * s, func(f *faulted) (string, error) { return f.freezeProcess(f.waiting().process) }},
		{"all renewers killed", laneRenewers, 1, s, 30 * s, func(f *faulted) (string, error) { return f.endRenewers(syscall.SIGKILL, f.renewers...) }},

		{"registry frozen", laneNetwork, 2, s, 60 * s, func(f *faulted) (string, error) {
			f.victim = f.registry.name
			return freeze([]int{f.registry.pid()}, f.Hold, nil)
		}},
		{"registry killed", laneNetwork, 1, 0, 10 * s, func(f *faulted) (string, error) { return f.endServer(f.registry, syscall.SIGKILL) }},
		{"registry stopped", laneNetwork, 1, 0, 10 * s, func(f *faulted) (string, error) { return f.endServer(f.registry, syscall.SIGTERM) }},
	},
		manners("ingest from Graph", laneNetwork, func(f *faulted) *link { return f.used([]*link{f.ingests[0].link, f.ingests[1].link}) }),
		manners("ingest from a broker", laneNetwork, func(f *faulted) *link { return f.used(f.cluster.links[f.anyIngest().name]) }),
		manners("leading renewer from a broker", laneNetwork, func(f *faulted) *link { return f.used(f.cluster.links[f.leading().name]) }),
		manners("renewers from Graph", laneNetwork, func(f *faulted) *link { return f.graphAPI }),
		[]kind{
			{"ingest from all brokers: cut", laneNetwork, 1, s, 30 * s, func(f *faulted) (string, error) { return f.apart(f.anyIngest().name, cut) }},
			{"ingest from all brokers: silent", laneNetwork, 1, s, 30 * s, func(f *faulted) (string, error) { return f.apart(f.anyIngest().name, silence) }},
			{"leading renewer from all brokers: silent", laneNetwork, 1, s, 40 * s, func(f *faulted) (string, error) { return f.apart(f.leading().name, silence) }},
		})
}

// manners are the ways in which two that a link joins can be parted.
func manners(parted string, l lane, of func(*faulted) *link) []kind {
	var out []kind
	for _, m := range []manner{cut, slow, deaf, mute, silence} {
		out = append(out, kind{parted + ": " + m.String(), l, 1, time.Second, 30 * time.Second, func(f *faulted) (string, error) {
			k := of(f)
			f.victim = k.name
			defer f.excuse(k)()
			return misbehave([]*link{k}, m, f.late(), f.Hold, patience)
		}})
	}
	return out
}

// late is by how much a slow link delays each piece.
func (f *faulted) late() time.Duration { return time.Duration(50+f.Pick%450) * time.Millisecond }

// used returns one of links that something passes: what parts nobody is no fault.
func (f *faulted) used(links []*link) *link {
	for until := time.Now().Add(patience); time.Now().Before(until) && f.ctx.Err() == nil; {
		if used := inUse(links); len(used) > 0 {
			return used[f.Pick/2%len(used)]
		}
	}
	return links[f.Pick/2%len(links)]
}

func (f *faulted) anyNode() int       { return f.Pick % len(f.cluster.nodes) }
func (f *faulted) anyIngest() *ingest { return f.ingests[f.Pick%len(f.ingests)] }

// leading returns the renewer that leads, after some patience any of them.
func (f *faulted) leading() *renewer {
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until) && f.ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		for _, r := range f.renewers {
			if r.leads() {
				return r
			}
		}
	}
	return f.renewers[f.Pick%len(f.renewers)]
}

func (f *faulted) waiting() *renewer {
	leader := f.leading()
	return f.renewers[(slices.Index(f.renewers, leader)+1)%len(f.renewers)]
}

// with finds a node and does something to it; one that cannot be found, since
// the cluster has other worries, is any.
func (f *faulted) with(find func(context.Context) (int, error), do func(*faulted, int) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(f.ctx, 10*time.Second)
	defer cancel()
	n, err := find(ctx)
	if err != nil {
		n = f.anyNode()
	}
	return do(f, n)
}

func killNode(f *faulted, n int) (string, error) { return f.endNode(syscall.SIGKILL, n) }

// endNode ends a node and starts it again.
func (f *faulted) endNode(sig syscall.Signal, n int) (string, error) {
	return f.endServer(f.cluster.nodes[n], sig)
}

func (f *faulted) endServer(v *server, sig syscall.Signal) (string, error) {
	f.victim = v.name
	proof, err := v.end(sig, 20*time.Second)
	if err != nil {
		return "", err
	}
	time.Sleep(f.Hold)
	return proof, v.start(f.ctx)
}

func (f *faulted) freezeNode(n int) (string, error) {
	v := f.cluster.nodes[n]
	f.victim = v.name
	return freeze([]int{v.pid()}, f.Hold, nil)
}

// two returns the two nodes that are not picked.
func (f *faulted) two() (a, b *server) {
	n := len(f.cluster.nodes)
	a, b = f.cluster.nodes[(f.Pick+1)%n], f.cluster.nodes[(f.Pick+2)%n]
	f.victim = a.name + ", " + b.name
	return a, b
}

// freezeTwo leaves one broker of three: nothing can be acknowledged then.
func (f *faulted) freezeTwo() (string, error) {
	a, b := f.two()
	var since time.Time
	proof, err := freeze([]int{a.pid(), b.pid()}, f.Hold, func() { since = time.Now() })
	if err == nil {
		f.run.below(since, since.Add(f.Hold))
	}
	return proof, err
}

func (f *faulted) killTwo() (string, error) {
	a, b := f.two()
	first, err := a.end(syscall.SIGKILL, 20*time.Second)
	second, err2 := b.end(syscall.SIGKILL, 20*time.Second)
	since := time.Now()
	if err := errors.Join(err, err2); err != nil {
		return "", errors.Join(err, a.start(f.ctx), b.start(f.ctx))
	}
	time.Sleep(f.Hold)
	f.run.below(since, time.Now())
	started := make(chan error)
	go func() { started <- a.start(f.ctx) }()
	err = b.start(f.ctx)
	return first + "; " + second, errors.Join(err, <-started)
}

// fillDisk fills the disk of the last node, which then ends by itself, and
// starts that again with room.
func (f *faulted) fillDisk() (string, error) {
	if f.cluster.disk == "" {
		return "", errSkip
	}
	v := f.cluster.nodes[len(f.cluster.nodes)-1]
	f.victim = v.name
	free, left, err := f.cluster.fill()
	if err != nil {
		return "", err
	}
	pid := v.pid()
	time.Sleep(f.Hold)
	for until := time.Now().Add(patience); v.pid() == pid && time.Now().Before(until); {
		time.Sleep(100 * time.Millisecond)
	}
	bytes, err := left()
	proof := fmt.Sprintf("%d bytes left", bytes)
	if v.pid() == pid {
		proof += ", the node lived on"
	} else {
		proof += ", the node ended"
	}
	if err = errors.Join(err, free()); err != nil {
		return "", err
	}
	if v.pid() != 0 { // what it marked offline comes back with a new start only
		if _, err := v.end(syscall.SIGKILL, 10*time.Second); err != nil {
			return "", err
		}
	}
	return proof, v.start(f.ctx)
}

// endIngests ends some of the ingests and starts them again.
func (f *faulted) endIngests(sig syscall.Signal, all ...*ingest) (string, error) {
	var processes []*process
	for _, i := range all {
		processes = append(processes, i.process)
	}
	return f.endProcesses(sig, processes...)
}

func (f *faulted) endRenewers(sig syscall.Signal, all ...*renewer) (string, error) {
	var processes []*process
	for _, r := range all {
		processes = append(processes, r.process)
	}
	return f.endProcesses(sig, processes...)
}

// drainWithin is how long a process that was asked to end may take: what it
// gives itself, and a busy machine.
const drainWithin = 45 * time.Second

func (f *faulted) endProcesses(sig syscall.Signal, all ...*process) (string, error) {
	proof := ""
	var errs []error
	for _, p := range all {
		if f.victim != "" {
			f.victim, proof = f.victim+", ", proof+"; "
		}
		f.victim += p.name
		how, err := p.end(sig, drainWithin)
		proof += how
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err == nil {
		time.Sleep(f.Hold)
	}
	for _, p := range all {
		if p.incarnation() == 0 {
			errs = append(errs, p.start())
		}
	}
	return proof, errors.Join(errs...)
}

func (f *faulted) freezeProcess(p *process) (string, error) {
	f.victim = p.name
	return freeze([]int{p.pid()}, f.Hold, nil)
}

func (f *faulted) freezeIngest() (string, error) {
	i := f.anyIngest()
	defer f.excuse(i.link)()
	return f.freezeProcess(i.process)
}

// startedWithout ends an ingest and starts it while what it needs is away.
func (f *faulted) startedWithout(i *ingest, k *link) (string, error) {
	f.victim = i.name + ", " + k.name
	how, err := i.end(syscall.SIGTERM, drainWithin)
	if err != nil {
		return "", errors.Join(err, i.start())
	}
	k.set(cut, 0)
	defer k.set(whole, 0)
	if err := i.start(); err != nil {
		return "", err
	}
	proof, err := misbehave([]*link{k}, cut, 0, f.Hold, patience)
	return how + "; " + proof, err
}

// apart cuts a process off from all brokers at once.
func (f *faulted) apart(name string, m manner) (string, error) {
	f.victim = name
	return misbehave(f.cluster.links[name], m, 0, f.Hold, patience)
}

// errSkip says that a fault cannot be had on this machine.
var errSkip = errors.New("chaos: cannot be had here")

// excuse notes that, until the function that it returns is called, an ingest
// cannot answer the front in time, if k stands between them.
func (f *faulted) excuse(k *link) func() {
	n := slices.IndexFunc(f.ingests, func(i *ingest) bool { return i.link == k })
	since := time.Now()
	return func() {
		if n >= 0 {
			f.run.excused(n, since, time.Now())
		}
	}
}
