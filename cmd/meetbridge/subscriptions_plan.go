package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

type subscriptionsPlanCmd struct {
	Offline  bool `help:"Do not ask Graph what it has. Nothing is known then of what would be adopted, nor of what is not ours."`
	ExitCode bool `help:"End with exit code 3 if there is something to do and nothing is wrong."`
	JSON     bool `name:"json" help:"Print one JSON object a difference, and the summary as the last one."`
	subscriptionsFlags
}

// Help is printed below what the command is for.
func (subscriptionsPlanCmd) Help() string {
	return `
Compares the file with what the renewers know (teams.subscriptions) and, once, with what
Graph lists. It disturbs no renewer that runs. A line begins with
  +    what would be created          -    what would be deleted
  <=   what would be taken over: Graph has it, and it is ours
  -/+  what would be deleted and created anew, with a gap of about a second
  ~    what would be changed          >    what would be renewed
  *    what failed and is tried again
  !    what only a person can mend (then the exit code is 1)
What stays as it is, such as other people's subscriptions, has none of them.

The file, of which a tenant needs an id, a client_id, a secret_file (or certificate_file,
or token_file), a notification_url and, for more than an hour at a time, a lifecycle_url:
  tenants:
    - id: 7a4c9d0e-1111-4222-8333-444455556666
      client_id: 0d4f3c2b-1111-4222-8333-444455556666
      secret_file: secrets/graph
      notification_url: https://bridge.example.com/graph/notifications
      lifecycle_url: https://bridge.example.com/graph/lifecycle
      decryption_certificate: keys/certificates/mb-20260131-0a1b2c.pem
      subscriptions:
        - all: transcripts
        - chats/getAllMessages
        - meeting: https://teams.microsoft.com/l/meetup-join/…

Examples:
  meetbridge subscriptions plan
  meetbridge subscriptions plan --client-state-keys keys/client-state.keys
  meetbridge subscriptions plan --offline --exit-code > /dev/null
  meetbridge subscriptions plan --json | jq 'select(.kind == "delete")'`
}

// subscriptionsPlan is what separates actual from desired at one instant.
type subscriptionsPlan struct {
	*desired
	now  time.Time
	view renewer.View
	all  []renewer.Difference
}

func newSubscriptionsPlan(d *desired, v renewer.View, listed map[string][]graph.Subscription) subscriptionsPlan {
	p := subscriptionsPlan{desired: d, now: time.Now(), view: v}
	p.all = renewer.Differences(p.now, d.Wanted, v.States, listed, d.rules)
	return p
}

// toDo reports whether a renewer has something to do about a difference, now or
// later.
func (p subscriptionsPlan) toDo(d renewer.Difference) bool {
	return d.Kind != renewer.LeftAlone || p.view.States[keyOf(d)].Intent != ""
}

// later reports whether a difference waits for its time.
func (p subscriptionsPlan) later(d renewer.Difference) bool { return d.Due.After(p.now) }

func keyOf(d renewer.Difference) renewer.Key {
	return renewer.Key{TenantID: d.TenantID, Resource: d.Resource, ChangeType: d.ChangeType}
}

// planSummary is the last line of the JSON form.
type planSummary struct {
	Desired    int                            `json:"desired"`
	AsDesired  int                            `json:"as_desired"`
	Would      map[renewer.DifferenceKind]int `json:"would"`
	Stuck      int                            `json:"stuck"`
	Later      int                            `json:"later"` // of those in Would, with their next renewal or try
	Unreadable int                            `json:"unreadable"`
	Renewers   int                            `json:"renewers"`
	Leading    int                            `json:"leading"` // shards that somebody leads
	Shards     int                            `json:"shards"`
}

func (p subscriptionsPlan) summary() planSummary {
	s := planSummary{
		Desired: len(p.Subscriptions), AsDesired: len(p.Subscriptions), Would: map[renewer.DifferenceKind]int{},
		Unreadable: p.view.Unreadable, Renewers: len(p.view.Renewers), Leading: p.view.Leading(), Shards: p.view.Shards,
	}
	for _, d := range p.all {
		s.Would[d.Kind]++
		if d.Where != "" {
			s.AsDesired--
		}
		if d.Stuck {
			s.Stuck++
		}
		if p.later(d) {
			s.Later++
		}
	}
	return s
}

// Run shows the plan.
func (c subscriptionsPlanCmd) Run(ctx context.Context, t *terminal) error {
	desired, err := c.load(t)
	if err != nil {
		return err
	}
	var (
		view    renewer.View
		listing renewer.Listing
	)
	if c.Offline {
		view, err = c.read(ctx, t)
	} else {
		view, listing, err = c.readBoth(ctx, t, desired.Tenants)
	}
	if err != nil {
		return err
	}
	p := newSubscriptionsPlan(desired, view, listing.Listed)
	if c.JSON {
		err = p.printJSON(t)
	} else {
		err = p.print(t)
	}
	if err != nil {
		return err
	}
	return p.verdict(unlisted(listing), c.ExitCode)
}

// verdict returns the error that stands for the plan's exit code.
func (p subscriptionsPlan) verdict(listErr error, exitCode bool) error {
	stuck, toDo := 0, false
	for _, d := range p.all {
		toDo = toDo || p.toDo(d)
		if d.Stuck {
			stuck++
		}
	}
	var errs []error
	if listErr != nil {
		errs = append(errs, fmt.Errorf("what Graph has is not known, so that the plan is incomplete (--offline makes it without): %w", listErr))
	}
	if stuck > 0 {
		errs = append(errs, fmt.Errorf("%s (see what begins with ! above)", plural(stuck, "a subscription needs somebody to mend it", "%d subscriptions need somebody to mend them")))
	}
	switch {
	case len(errs) > 0:
		return errors.Join(errs...)
	case toDo && exitCode:
		return errDiffers
	}
	return nil
}

func (p subscriptionsPlan) printJSON(t *terminal) error {
	for _, d := range p.all {
		if err := t.printJSON(d); err != nil {
			return err
		}
	}
	return t.printJSON(map[string]any{"summary": p.summary()})
}
