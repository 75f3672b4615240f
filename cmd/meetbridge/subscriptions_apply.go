package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"meetbridge/renewer"
)

type subscriptionsApplyCmd struct {
	Yes      bool          `help:"Delete also more than half of the living subscriptions."`
	Patience time.Duration `default:"2m" placeholder:"DURATION" help:"How long to go on while nothing gets done."`
	JSON     bool          `name:"json" help:"Print one JSON object for each thing that was done or failed, then for each that remains, and the summary as the last one."`

	SessionTimeout time.Duration `default:"10s" help:"How long a leader may go without a heartbeat before another process takes its place; the renewers'." group:"Election"`
	Heartbeat      time.Duration `default:"250ms" help:"How often to tell Kafka that this process lives; the renewers'. At most a sixth of --session-timeout." group:"Election"`
	subscriptionsFlags
}

// Help is printed below what the command is for.
func (subscriptionsApplyCmd) Help() string {
	return `
Where a renewer runs, it does the work: this command only watches until all is as the file
says, and says what differs if nothing moves. Where none runs, this command stands for
election itself, reads back what should be alive, does what subscriptions plan shows, what
could wait for the next renewals and what was refused before too, and leaves. A changed
client-state key waits all the same: Graph lets no clientState be changed, nor two alike
subscriptions be, so each is replaced, with a short gap, when its renewal is due. It keeps
nothing alive: for that, run meetbridge renewer.

Ends with exit code 1 if something is refused or remains, with Graph's words. To delete more
than half of the living subscriptions it needs --yes; a renewer holds so many back until the
file says max_removals.

Examples:
  meetbridge subscriptions apply --client-state-keys keys/client-state.keys
  meetbridge subscriptions apply --patience 10m --json`
}

// Run carries the plan out, or watches it being carried out.
func (c subscriptionsApplyCmd) Run(ctx context.Context, t *terminal) error {
	if c.Patience <= 0 {
		return usagef("--patience is %s: must be above zero", c.Patience)
	}
	desired, err := c.load(t)
	if err != nil {
		return err
	}
	view, err := c.read(ctx, t)
	if err != nil {
		return err
	}
	if c.Yes {
		desired.rules.Removals = math.MaxInt
	}
	a := &applying{subscriptionsApplyCmd: c, terminal: t, desired: desired}
	err = a.run(ctx, view)
	if a.own == nil {
		return err
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	return errors.Join(err, a.own.Stop(stopCtx))
}

// applying is one run of apply.
type applying struct {
	subscriptionsApplyCmd
	*terminal
	desired *desired

	own   *renewer.Renewer // nil: not yet, or another process does the work
	since time.Time        // when own began
	led   bool             // another process does the work

	open   map[renewer.Key]renewer.Difference // what is to be done, as of the last look
	begun  map[renewer.Key]renewer.Difference // the same, as of when it was first known what that is
	ids    map[renewer.Key]string             // of what lives, as of the last look
	unread int                                // how many of them were not proved to live since own began
	said   map[renewer.Key]string             // the failures that were told of
	moved  time.Time                          // when something was done last
	counts map[string]int                     // of what was done, by word
	tenant string                             // that the last line was about
	took   time.Duration                      // for the last look
}

// Waits between two looks at the states: one costs Kafka some requests, and more
// than that where there are many.
const (
	lookEvery   = 500 * time.Millisecond
	lookShare   = 4 // times as long as the last look took
	watchFactor = 2 // while somebody else leads
)

// run looks again and again until nothing is left that can be done.
func (a *applying) run(ctx context.Context, view renewer.View) error {
	a.said, a.begun, a.counts, a.moved = map[renewer.Key]string{}, map[renewer.Key]renewer.Difference{}, map[string]int{}, time.Now()
	for first := true; ; first = false {
		a.led = a.own == nil && len(view.Renewers) > 0
		a.desired.rules.Hasten = !a.led
		p := newSubscriptionsPlan(a.desired, view, nil)
		if err := a.progress(p, first); err != nil {
			return err
		}
		if a.finished(p) {
			return a.end(p, nil)
		}
		if time.Since(a.moved) > a.Patience {
			return a.end(p, fmt.Errorf("nothing got done for %s", span(a.Patience)))
		}
		switch {
		case !a.led && a.own == nil:
			if err := a.stand(ctx, p); err != nil {
				return err
			}
		case first && !a.JSON:
			if err := a.printf("%s It does the work, and is watched.\n", whoLeads(view)); err != nil {
				return err
			}
		}
		var err error
		if view, err = a.look(ctx); err != nil {
			return err
		}
	}
}

// stand makes this process a renewer.
func (a *applying) stand(ctx context.Context, p subscriptionsPlan) error {
	if err := needStates(a.ClientStateKeys); err != nil {
		return err
	}
	if err := a.consider(p); err != nil {
		return err
	}
	a.since = time.Now()
	rules := a.desired.rules
	rules.Hasten, rules.ReadBefore = true, a.since
	var err error
	a.own, err = renewer.New(ctx, renewer.Config{
		Subscriptions: a.Subscriptions, ClientStateKeys: a.ClientStateKeys, GraphCA: a.GraphCA,
		AdminListener: &deafListener{closed: make(chan struct{})},
		Kafka:         a.Kafka, Registry: a.Registry, TopicPrefix: a.TopicPrefix,
		SessionTimeout: a.SessionTimeout, Heartbeat: a.Heartbeat, Rules: &rules,
	}, a.log)
	if err != nil {
		return mistyped(err)
	}
	a.own.Start()
	if a.JSON {
		return nil
	}
	return a.printf("No renewer runs: standing for election.\n")
}

// consider refuses to delete most of what lives unless that is meant.
func (a *applying) consider(p subscriptionsPlan) error {
	living, deleted := 0, 0
	for _, s := range p.view.States {
		if s.SubscriptionID != "" && s.ExpiresAt.After(p.now) {
			living++
		}
	}
	for _, d := range p.all {
		if d.Kind == renewer.WouldDelete && d.SubscriptionID != "" {
			deleted++
		}
	}
	if 2*deleted > living && !a.Yes {
		return usagef("%d of %d living subscriptions would be deleted (meetbridge subscriptions plan shows which): give --yes if that is meant", deleted, living)
	}
	return nil
}

// look waits and reads the states again. While Kafka or the registry is away it
// tries for as long as patience lasts.
func (a *applying) look(ctx context.Context) (renewer.View, error) {
	wait := lookEvery
	if a.led {
		wait *= watchFactor
	}
	wait = max(wait, lookShare*a.took)
	var ended <-chan struct{}
	if a.own != nil {
		ended = a.own.Done()
	}
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return renewer.View{}, ctx.Err()
		case <-ended:
			return renewer.View{}, a.own.Err()
		case <-time.After(wait):
		}
		asked := time.Now()
		view, err := a.read(ctx, a.terminal)
		a.took = time.Since(asked)
		if err == nil || time.Since(began) > a.Patience || ctx.Err() != nil {
			return view, err
		}
	}
}

// deafListener is the admin listener of a process that has no admin port.
type deafListener struct {
	once   sync.Once
	closed chan struct{}
}

// Accept waits until the listener is closed.
func (l *deafListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

// Close ends Accept.
func (l *deafListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address that is none.
func (l *deafListener) Addr() net.Addr { return &net.UnixAddr{Name: "none", Net: "unix"} }
