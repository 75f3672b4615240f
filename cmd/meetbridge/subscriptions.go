package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
)

type subscriptionsCmd struct {
	Plan  subscriptionsPlanCmd  `cmd:"" help:"Show what would be done so that the subscriptions are as desired; change nothing."`
	Apply subscriptionsApplyCmd `cmd:"" help:"Make the subscriptions as desired, now, and end when they are."`
	List  subscriptionsListCmd  `cmd:"" help:"List the subscriptions that there are, and how they do."`
}

// subscriptionsFlags say what is desired, and where what is known stands. They
// are the renewer's own.
type subscriptionsFlags struct {
	Subscriptions   string `name:"subscriptions" default:"subscriptions.yaml" help:"YAML file of the tenants and the subscriptions that are desired in each; the renewer's." placeholder:"FILE" group:"Subscriptions"`
	ClientStateKeys string `help:"File of the keys that clientStates are made with; the renewer's. Unset: plan says nothing of clientStates, and apply can only watch." placeholder:"FILE" group:"Subscriptions"`
	GraphCA         string `name:"graph-ca" help:"PEM file with certificates that may sign those of Graph and of the sign-in authority, beside the system's." placeholder:"FILE" group:"Subscriptions"`
	statesFlags
}

// statesFlags say where the renewers' states are.
type statesFlags struct {
	topicsFlags
	Kafka    kafka.Config         `embed:"" group:"Kafka"`
	Registry kafka.RegistryConfig `embed:"" group:"Schema registry"`
}

// desired is what the files say.
type desired struct {
	*renewer.Wanted
	byKey map[renewer.Key]*renewer.Desired
	rules renewer.Rules
}

// load reads the desired subscriptions. Faults go to standard error, a line each.
func (c subscriptionsFlags) load(t *terminal) (*desired, error) {
	wanted, faults, err := renewer.LoadDesired(c.Subscriptions)
	if err != nil {
		return nil, usagef("--subscriptions: %w: correct the path, or make the file as meetbridge subscriptions plan --help shows", err)
	}
	bad := 0
	for _, f := range faults {
		word := ""
		if f.Warning {
			word = "warning: "
		} else {
			bad++
		}
		if _, err := fmt.Fprintln(t.stderr, word+f.String()); err != nil {
			return nil, fmt.Errorf("write to standard error: %w", err)
		}
	}
	if wanted == nil {
		return nil, usagef("%s in %s: correct what is said above, nothing was done", count(bad, "fault"), c.Subscriptions)
	}
	d := &desired{Wanted: wanted, byKey: make(map[renewer.Key]*renewer.Desired, len(wanted.Subscriptions)), rules: wanted.Rules()}
	for i := range wanted.Subscriptions {
		d.byKey[wanted.Subscriptions[i].Key] = &wanted.Subscriptions[i]
	}
	return d, c.loadClientStates(d)
}

// loadClientStates notes the keys of clientStates in d, if there are any.
func (c subscriptionsFlags) loadClientStates(d *desired) error {
	if c.ClientStateKeys == "" {
		return nil
	}
	text, err := os.ReadFile(c.ClientStateKeys)
	if err != nil {
		return usagef("--client-state-keys: %w: give the same file as ingest's", err)
	}
	keys, err := bridge.ParseClientStateKeys(text, nil)
	if err != nil {
		return usagef("--client-state-keys %s: %w", c.ClientStateKeys, err)
	}
	d.rules.ClientStateKeys = keys.IDs()
	for i := range d.Subscriptions {
		d.Subscriptions[i].ClientStateKeyID = keys.MinterID()
	}
	return nil
}

// read returns what the renewers know, once Kafka was reached and their topics
// are known to be there: the errors say what to do.
func (c statesFlags) read(ctx context.Context, t *terminal) (renewer.View, error) {
	client, err := connect(ctx, c.Kafka, t.log)
	if err != nil {
		return renewer.View{}, err
	}
	names, err := topicNames(ctx, client)
	client.Close()
	for _, kind := range []bridge.Kind{bridge.SubscriptionState, bridge.Gap, bridge.Lifecycle} {
		if err == nil {
			_, err = pickTopics(names, []string{c.TopicPrefix + kind.Topic()}, c.TopicPrefix)
		}
	}
	if err != nil {
		return renewer.View{}, err
	}
	view, err := renewer.ReadStates(ctx, c.Kafka, c.Registry, c.TopicPrefix, t.log)
	return view, registryHint(err, c.Registry.URL)
}

// readBoth returns what Graph has of the tenants, and what the renewers know: in
// it, what Graph says to be gone is dead.
func (c subscriptionsFlags) readBoth(ctx context.Context, t *terminal, tenants []renewer.Tenant) (renewer.View, renewer.Listing, error) {
	view, err := c.read(ctx, t)
	if err != nil {
		return view, renewer.Listing{}, err
	}
	listing := renewer.Config{GraphCA: c.GraphCA}.ListGraph(ctx, tenants, view.States, t.log)
	if err := ctx.Err(); err != nil {
		return view, listing, err
	}
	// Once more, lest what was made meanwhile be taken for a stranger.
	quiet := *t
	quiet.log = slog.New(slog.DiscardHandler) // what is unreadable was said
	view, err = c.read(ctx, &quiet)
	for key, s := range view.States {
		if s.SubscriptionID != "" && listing.Gone[s.SubscriptionID] {
			s.Status, s.SubscriptionID, s.ExpiresAt = renewer.Dead, "", time.Time{}
			s.Gap = renewer.OpenGap{ID: "unnoticed", From: s.ProofAt, Cause: renewer.CauseNotFound}
			view.States[key] = s
		}
	}
	return view, listing, err
}

// unlisted returns an error that names the first tenants of which Graph's part
// cannot be had; nil if there are none.
func unlisted(l renewer.Listing) error {
	var (
		firsts []string // the first tenant of each cause
		like   = map[string]int{}
	)
	for _, tenant := range slices.Sorted(maps.Keys(l.Failed)) {
		cause := causeOf(l.Failed[tenant])
		if like[cause]++; like[cause] == 1 {
			firsts = append(firsts, tenant)
		}
	}
	var errs []error
	named := 0
	for _, tenant := range firsts[:min(len(firsts), maxTenants)] {
		err := l.Failed[tenant]
		n := like[causeOf(err)]
		named += n
		if n > 1 {
			tenant += fmt.Sprintf(" and %d more", n-1)
		}
		errs = append(errs, fmt.Errorf("tenant %s: %w", tenant, unknownAuthority(err)))
	}
	if more := len(l.Failed) - named; more > 0 {
		errs = append(errs, fmt.Errorf("and %s more", count(more, "tenant")))
	}
	return errors.Join(errs...)
}

// causeOf returns what a failure of several tenants has in common: of a request
// that failed, not the URL, which names the tenant.
func causeOf(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err.Error()
	}
	return err.Error()
}

// maxTenants bounds the tenants that an error names.
const maxTenants = 3

// whoLeads says in a sentence whether a renewer runs.
func whoLeads(v renewer.View) string {
	leading, standing := v.Leading(), 0
	var hosts []string
	for _, m := range v.Renewers {
		if len(m.Shards) == 0 {
			standing++
			continue
		}
		hosts = append(hosts, m.Host)
	}
	switch {
	case v.Electing:
		return "The renewers are just electing who leads."
	case len(v.Renewers) == 0:
		return "No renewer runs."
	case leading == 0:
		return fmt.Sprintf("%s, and none leads.", plural(standing, "A renewer stands by", "%d renewers stand by"))
	}
	slices.Sort(hosts)
	text := fmt.Sprintf("%s (%s)", plural(len(hosts), "A renewer leads", "%d renewers lead"), strings.Join(slices.Compact(hosts), ", "))
	if standing > 0 {
		text += fmt.Sprintf(", %d more %s by", standing, plural(standing, "stands", "stand"))
	}
	return text + "."
}

// plural returns one for a single thing, else many, which may hold %d.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	if strings.Contains(many, "%d") {
		return fmt.Sprintf(many, n)
	}
	return many
}

// from says how far at is from now: "in 2d 3h", "5m ago".
func from(now, at time.Time) string {
	d := at.Sub(now).Round(time.Second)
	switch {
	case d < 0:
		return span(-d) + " ago"
	case d == 0:
		return "now"
	default:
		return "in " + span(d)
	}
}

// span writes a duration by its two largest units.
func span(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size && u.size > time.Second {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.size, u.name)
		if i+1 < len(units) && d < 10*u.size {
			if rest := d % u.size / units[i+1].size; rest > 0 {
				text += fmt.Sprintf(" %d%s", rest, units[i+1].name)
			}
		}
		return text
	}
	return ""
}

// Widths of resources on a line, and of their segments in those that are longer.
const (
	resourceWidth = 96
	segmentWidth  = 38
)

// shortResource returns the path of a resource on one line. Where it is long, its
// long segments are shortened in their middle: what tells one from another is at
// both ends. Of a meeting's join link stands the thread of the meeting.
func shortResource(resource string) string {
	segments := strings.Split(resource, "/")
	if link := bridge.ParseResource(resource).JoinWebURL; link != "" {
		if key, ok := bridge.MeetingKeyFromJoinURL(link); ok {
			head, _, _ := strings.Cut(resource, "(")
			segments = []string{head + "(", key, ")" + resource[strings.LastIndexByte(resource, ')')+1:]}
			resource = strings.Join(segments, "")
			if len(resource) > resourceWidth {
				segments[1] = elide(key)
			}
			return printable(strings.Join(segments, ""), 2*resourceWidth)
		}
	}
	if len(resource) > resourceWidth {
		for i, s := range segments {
			segments[i] = elide(s)
		}
	}
	return printable(strings.Join(segments, "/"), 2*resourceWidth)
}

// elide shortens the middle of a long text.
func elide(s string) string {
	r := []rune(s)
	if len(r) <= segmentWidth {
		return s
	}
	return string(r[:segmentWidth/2]) + "…" + string(r[len(r)-segmentWidth/2+1:])
}

// kindWord returns the word for whether notifications are rich.
func kindWord(rich bool) string {
	if rich {
		return "rich"
	}
	return "basic"
}

// fileOf returns "file:line" without the file's directory.
func fileOf(where string) string { return where[strings.LastIndexByte(where, os.PathSeparator)+1:] }

// changesOf returns change types as people write them.
func changesOf(types string) string {
	return cmp.Or(strings.ReplaceAll(types, ",", ", "), "-")
}
