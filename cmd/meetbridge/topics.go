package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge/kafka"
)

type topicsCmd struct {
	Plan  topicsPlanCmd  `cmd:"" help:"Show what has to change so that the topics are as they should be."`
	Apply topicsApplyCmd `cmd:"" help:"Make the topics, and correct the settings of those that are there."`
}

// topicsWanted are the flags that say how the topics should be.
type topicsWanted struct {
	topicsFlags
	Partitions  int32        `name:"topic-partitions" default:"12" placeholder:"N" group:"Kafka" help:"Partitions of every record topic: the same for all, so that equal keys meet in equal partitions. Choose well: it cannot change once records are there."`
	Replication int16        `name:"topic-replication" default:"-1" placeholder:"N" group:"Kafka" help:"Replicas of each new topic; -1 takes the brokers' default."`
	JSON        bool         `name:"json" help:"Print one JSON object a change."`
	Kafka       kafka.Config `embed:"" group:"Kafka"`
}

type topicsPlanCmd struct{ topicsWanted }

type topicsApplyCmd struct{ topicsWanted }

// Help is printed below what the command is for.
func (topicsPlanCmd) Help() string {
	return `
Changes nothing. A line begins with + for a topic to be made, ~ for settings to be
changed, ! for what only a person can decide (then the exit code is 1).

Examples:
  meetbridge topics plan
  meetbridge topics plan --topic-partitions 24 --kafka-brokers kafka-1:9092`
}

// Help is printed below what the command is for.
func (topicsApplyCmd) Help() string {
	return `
Carries out what topics plan shows. Nothing is ever deleted, and nothing is changed while a
topic needs a person's decision. Run it as often as you like.

Examples:
  meetbridge topics apply
  meetbridge topics apply --topic-partitions 24 --topic-replication 3`
}

// Run shows the plan.
func (c topicsPlanCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, t.log, func(ctx context.Context, adm *kadm.Client, wants []kafka.TopicWant) error {
		changes, err := kafka.PlanTopics(ctx, adm, wants)
		if err != nil {
			return err
		}
		if err := c.print(t, changes, "As they should be: all %d topics.\n", len(wants)); err != nil {
			return err
		}
		for _, change := range changes {
			if change.Problem != "" {
				return fmt.Errorf("topic %s needs a decision (see what begins with ! above)", change.Want.Topic)
			}
		}
		if len(changes) > 0 && !c.JSON {
			return t.printf("Carry it out with: meetbridge topics apply\n")
		}
		return nil
	})
}

// Run carries the plan out.
func (c topicsApplyCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, t.log, func(ctx context.Context, adm *kadm.Client, wants []kafka.TopicWant) error {
		changes, err := kafka.ApplyTopics(ctx, adm, wants)
		if err != nil {
			return err
		}
		return c.print(t, changes, "Nothing to do: all %d topics are as they should be.\n", len(wants))
	})
}

// topicsWithin bounds how long the brokers may take to make all topics.
const topicsWithin = time.Minute

func (c topicsWanted) with(ctx context.Context, log *slog.Logger, do func(context.Context, *kadm.Client, []kafka.TopicWant) error) error {
	if c.Partitions <= 0 {
		return usagef("--topic-partitions is %d: must be above zero", c.Partitions)
	}
	client, err := connect(ctx, c.Kafka, log)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, topicsWithin)
	defer cancel()
	return do(ctx, kadm.NewClient(client), c.Kafka.WantedTopics(c.TopicPrefix, c.Partitions, c.Replication))
}

// print writes one line a change, or the sentence none.
func (c topicsWanted) print(t *terminal, changes []kafka.TopicChange, none string, args ...any) error {
	for _, change := range changes {
		var err error
		if c.JSON {
			err = t.printJSON(changeJSON(change))
		} else {
			line := change.String()
			err = t.printf("%s\n", t.paint(changeStyle(line), line))
		}
		if err != nil {
			return err
		}
	}
	if len(changes) == 0 && !c.JSON {
		return t.printf(none, args...)
	}
	return nil
}

func changeStyle(line string) string {
	switch line[0] {
	case '+':
		return green
	case '!':
		return red
	default:
		return yellow
	}
}

// topicChange is the JSON form of a change.
type topicChange struct {
	Topic      string            `json:"topic"`
	Change     string            `json:"change"` // create, configure, decide
	Partitions int32             `json:"partitions"`
	Configs    map[string]string `json:"configs,omitempty"`
	Problem    string            `json:"problem,omitempty"`
}

func changeJSON(c kafka.TopicChange) topicChange {
	out := topicChange{Topic: c.Want.Topic, Change: "configure", Partitions: c.Want.Partitions, Configs: map[string]string{}, Problem: c.Problem}
	switch {
	case c.Problem != "":
		out.Change = "decide"
	case c.Create:
		out.Change = "create"
	}
	for _, s := range c.Configs {
		out.Configs[s.Name] = s.To
	}
	return out
}
