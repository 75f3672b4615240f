package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"meetbridge/ingest"
)

type checkCmd struct {
	JSON          bool   `name:"json" help:"Print one JSON object a check."`
	Only          string `enum:"all,ingest,renewer" default:"all" placeholder:"WHAT" help:"Check only what that process needs: for a machine that runs the other one elsewhere."`
	Subscriptions string `default:"subscriptions.yaml" placeholder:"FILE" group:"Subscriptions" help:"The renewer's file of desired subscriptions. What the renewer needs is checked if it is there."`
	GraphCA       string `name:"graph-ca" placeholder:"FILE" group:"Subscriptions" help:"PEM file with certificates that may sign those of Graph and of the sign-in authority, beside the system's."`
	ingest.Config
}

// Help is printed below what the command is for.
func (checkCmd) Help() string {
	return `
Takes the settings of meetbridge ingest and meetbridge renewer (in a --config file also those
below ingest: and renewer:), changes nothing, and says of everything that they need whether it
is ok or what to do. With --create-topics, topics and schemas that ingest will make are ok.
Exit code 1 if anything is not.

Of the renewer: the file of desired subscriptions, each tenant's sign-in and permissions, the
public URLs (each is asked as Graph asks before it makes a subscription), the clock, and how
the subscriptions do.

Examples:
  meetbridge check --config meetbridge.yaml
  meetbridge check --only renewer --subscriptions subscriptions.yaml
  meetbridge check --json | jq 'select(.ok | not)'`
}

// finding is one line of the doctor, and its JSON form.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, or what to do
}

// maxDetail is how much of a finding a line shows; --json has it all.
const maxDetail = 400

// checkWithin bounds each check, but for those that ask the far side.
const checkWithin = 5 * time.Second

// doctor carries out checks, and prints and counts their findings.
type doctor struct {
	t        *terminal
	asJSON   bool
	all, bad int
}

// Run carries out every check and prints its finding.
func (c checkCmd) Run(ctx context.Context, t *terminal) error {
	d := &doctor{t: t, asJSON: c.JSON}
	if err := c.checkAll(ctx, d); err != nil {
		return err
	}
	if d.bad > 0 {
		return fmt.Errorf("%d of %d checks are not ok", d.bad, d.all)
	}
	return nil
}

func (c checkCmd) checkAll(ctx context.Context, d *doctor) error {
	client, kafkaErr := connect(ctx, c.Kafka, d.t.log)
	if kafkaErr == nil {
		defer client.Close()
	}
	type check struct {
		name string
		do   func(context.Context) (string, error)
	}
	settings := check{"settings", func(context.Context) (string, error) { return "those of ingest", c.Check() }}
	shared := []check{
		{"kafka", func(ctx context.Context) (string, error) { return c.checkKafka(ctx, client, kafkaErr) }},
		{"topics", func(ctx context.Context) (string, error) { return c.checkTopics(ctx, client) }},
		{"schemas", func(ctx context.Context) (string, error) { return c.checkSchemas(ctx, d.t) }},
	}
	trust := []check{
		{"decryption keys", func(context.Context) (string, error) { return checkKeys(c.DecryptionKeys) }},
		{"client state", func(context.Context) (string, error) { return checkStates(c.ClientStateKeys, c.ClientStates) }},
		{"token key set", func(ctx context.Context) (string, error) { return c.checkKeySet(ctx, d.t) }},
	}
	checks := shared
	if c.Only != "renewer" {
		checks = append(append([]check{settings}, shared...), trust...)
	}
	for _, check := range checks {
		if err := d.look(ctx, check.name, checkWithin, check.do); err != nil {
			return err
		}
	}
	if !c.hasRenewer() {
		return nil
	}
	return c.checkRenewer(ctx, d, kafkaErr == nil)
}

// hasRenewer reports whether there is a renewer to be checked: a file of desired
// subscriptions that was named, or is where one is looked for.
func (c checkCmd) hasRenewer() bool {
	if c.Only != "all" {
		return c.Only == "renewer"
	}
	_, err := os.Stat(c.Subscriptions)
	return c.Subscriptions != "subscriptions.yaml" || !errors.Is(err, fs.ErrNotExist)
}

// look carries out one check within a time. The error is one of printing, or of
// ctx.
func (d *doctor) look(ctx context.Context, name string, limit time.Duration, do func(context.Context) (string, error)) error {
	within, cancel := context.WithTimeout(ctx, limit)
	detail, err := do(within)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.say(name, detail, err)
}

// say prints what a check has found: a detail if err is nil.
func (d *doctor) say(name, detail string, err error) error {
	d.all++
	f := finding{Check: name, OK: err == nil, Detail: detail}
	if err != nil {
		d.bad++
		f.Detail = oneLine(err.Error())
	}
	return f.print(d.t, d.asJSON)
}

func (f finding) print(t *terminal, asJSON bool) error {
	if asJSON {
		return t.printJSON(f)
	}
	word, style := "ok", green
	if !f.OK {
		word, style = "not ok", red
	}
	return t.printf("%s  %s  %s\n", t.paint(style, pad(word, 6)), pad(f.Check, 15), printable(f.Detail, maxDetail))
}

// count returns "1 key" or "2 keys".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
