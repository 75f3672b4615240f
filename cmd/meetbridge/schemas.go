package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

type schemasCmd struct {
	List     schemasListCmd     `cmd:"" help:"List this program's schemas; --text prints one."`
	Check    schemasCheckCmd    `cmd:"" help:"Compare this program's schemas with the registry; change nothing."`
	Register schemasRegisterCmd `cmd:"" help:"Register this program's schemas, each under <topic>-value."`
}

type schemasListCmd struct {
	Text string `placeholder:"TOPIC" help:"Print the schema of that topic (without prefix) as it is registered; with --json as the member schema of an object."`
	JSON bool   `name:"json" help:"Print one JSON object a schema."`
	topicsFlags
}

// Help is printed below what the command is for.
func (schemasListCmd) Help() string {
	return `
Examples:
  meetbridge schemas list
  meetbridge schemas list --text meeting-call-events > meeting-call-events.avsc`
}

// Run lists what is built in; nothing is asked of the registry.
func (c schemasListCmd) Run(t *terminal) error {
	if c.Text != "" {
		return c.printText(t)
	}
	rows := [][]string{{"SUBJECT", "RECORD"}}
	for _, s := range schemas.All() {
		subject := kafka.Subject(c.TopicPrefix + s.Topic)
		if !c.JSON {
			rows = append(rows, []string{subject, s.Name})
			continue
		}
		if err := t.printJSON(c.object(s)); err != nil {
			return err
		}
	}
	if c.JSON {
		return nil
	}
	return t.table(rows, headline)
}

// object is the JSON form of a schema.
func (c schemasListCmd) object(s schemas.Schema) map[string]string {
	topic := c.TopicPrefix + s.Topic
	return map[string]string{"subject": kafka.Subject(topic), "record": s.Name, "topic": topic, "schema": s.Text}
}

func (c schemasListCmd) printText(t *terminal) error {
	var topics []string
	for _, s := range schemas.All() {
		if topics = append(topics, s.Topic); c.Text == s.Topic || c.Text == c.TopicPrefix+s.Topic {
			if c.JSON {
				return t.printJSON(c.object(s))
			}
			return t.printf("%s\n", strings.TrimSpace(s.Text))
		}
	}
	return usagef("--text is %q: no topic is called so%s", c.Text, didYouMean(c.Text, topics))
}

// registryFlags are shared by what talks to the registry.
type registryFlags struct {
	topicsFlags
	JSON     bool                 `name:"json" help:"Print one JSON object a schema."`
	Registry kafka.RegistryConfig `embed:"" group:"Schema registry"`
}

type schemasCheckCmd struct{ registryFlags }

// Help is printed below what the command is for.
func (schemasCheckCmd) Help() string {
	return `
Ends with exit code 1 unless every schema is registered, and its subject set to
FULL_TRANSITIVE.

Example:
  meetbridge schemas check --registry-url https://registry.example:8081`
}

// schemaLine is one line of check and register, and its JSON form.
type schemaLine struct {
	Subject string   `json:"subject"`
	State   string   `json:"state"` // registered, missing, incompatible, level
	ID      int      `json:"id,omitzero"`
	Version int      `json:"version,omitzero"`
	Level   string   `json:"compatibility,omitzero"`
	Reasons []string `json:"reasons,omitempty"`
}

// Run compares and prints a line for each schema.
func (c schemasCheckCmd) Run(ctx context.Context, t *terminal) error {
	lines, err := c.check(ctx, t)
	if err != nil {
		return err
	}
	if err := printSchemas(t, lines, c.JSON); err != nil {
		return err
	}
	bad, broken := 0, 0
	for _, l := range lines {
		switch l.State {
		case "registered":
		case "incompatible":
			bad, broken = bad+1, broken+1
		default:
			bad++
		}
	}
	switch {
	case broken > 0:
		return fmt.Errorf("%d of %d schemas do not fit what is registered: another program, or a newer meetbridge, owns those subjects", broken, len(lines))
	case bad > 0:
		return fmt.Errorf("%d of %d schemas are not as they should be: mend it with meetbridge schemas register", bad, len(lines))
	}
	return nil
}

func (c registryFlags) check(ctx context.Context, t *terminal) ([]schemaLine, error) {
	registry, err := kafka.NewRegistry(c.Registry, t.log)
	if err != nil {
		return nil, usageError{err}
	}
	var lines []schemaLine
	for _, s := range schemas.All() {
		state, err := registry.Check(ctx, kafka.Subject(c.TopicPrefix+s.Topic), s.Text)
		if err != nil {
			return nil, registryHint(err, c.Registry.URL)
		}
		lines = append(lines, lineOf(state))
	}
	return lines, nil
}

func lineOf(s kafka.SchemaState) schemaLine {
	l := schemaLine{Subject: s.Subject, ID: s.ID, Version: s.Version, Level: s.Level, Reasons: s.Reasons, State: "missing"}
	switch {
	case s.Good():
		l.State = "registered"
	case s.Registered:
		l.State = "level"
	case !s.Compatible:
		l.State = "incompatible"
	}
	return l
}

// explain says what the line's state means.
func (l schemaLine) explain() string {
	switch l.State {
	case "registered":
		return "registered, version " + strconv.Itoa(l.Version)
	case "level":
		level := l.Level
		if level == "" {
			level = "not set"
		}
		return "registered, but compatibility is " + level + ", must be FULL_TRANSITIVE"
	case "incompatible":
		return "incompatible with a registered version: " + strings.Join(l.Reasons, "; ")
	default:
		return "not registered"
	}
}

func printSchemas(t *terminal, lines []schemaLine, asJSON bool) error {
	rows := [][]string{{"SUBJECT", "ID", "STATE"}}
	for _, l := range lines {
		if asJSON {
			if err := t.printJSON(l); err != nil {
				return err
			}
			continue
		}
		id := "-"
		if l.ID != 0 {
			id = strconv.Itoa(l.ID)
		}
		rows = append(rows, []string{l.Subject, id, printable(l.explain(), 200)})
	}
	if asJSON {
		return nil
	}
	return t.table(rows, func(row, column int) string {
		switch {
		case row == 0:
			return dim
		case column != 2:
			return ""
		case lines[row-1].State == "registered":
			return green
		default:
			return yellow
		}
	})
}

// headline paints the first row of a table.
func headline(row, _ int) string {
	if row == 0 {
		return dim
	}
	return ""
}

type schemasRegisterCmd struct{ registryFlags }

// Help is printed below what the command is for.
func (schemasRegisterCmd) Help() string {
	return `
Ingest does the same when it starts; this is for registries that ingest may only read.
Run it as often as you like.

Example:
  meetbridge schemas register`
}

// Run registers and prints a line for each schema.
func (c schemasRegisterCmd) Run(ctx context.Context, t *terminal) error {
	registry, err := kafka.NewRegistry(c.Registry, t.log)
	if err != nil {
		return usageError{err}
	}
	if err := registry.Ping(ctx); err != nil {
		return registryHint(err, c.Registry.URL)
	}
	if _, err := registry.RegisterAll(ctx, c.TopicPrefix, schemas.All()); err != nil {
		return err
	}
	lines, err := c.check(ctx, t)
	if err != nil {
		return err
	}
	return printSchemas(t, lines, c.JSON)
}

// registryHint adds to err what to do when the registry is away.
func registryHint(err error, url string) error {
	if errors.Is(err, kafka.ErrRegistryAway) {
		return fmt.Errorf("cannot reach the schema registry at %s: check --registry-url, or start one for development with: meetbridge broker (%w)", url, err)
	}
	return err
}
