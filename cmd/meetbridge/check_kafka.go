package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

var errKafkaAway = errors.New("not looked at, since Kafka cannot be reached")

func (c checkCmd) checkKafka(ctx context.Context, client *kgo.Client, err error) (string, error) {
	if err != nil {
		return "", err
	}
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	if err != nil {
		return "", fmt.Errorf("list brokers: %w", err)
	}
	return fmt.Sprintf("%s, by way of %s", count(len(brokers), "broker"), strings.Join(c.Kafka.Brokers, ",")), nil
}

func (c checkCmd) checkTopics(ctx context.Context, client *kgo.Client) (string, error) {
	if client == nil {
		return "", errKafkaAway
	}
	wants, adm := c.Kafka.WantedTopics(c.TopicPrefix, c.TopicPartitions, c.TopicReplication), kadm.NewClient(client)
	changes, err := kafka.PlanTopics(ctx, adm, wants)
	if err != nil {
		return "", err
	}
	if c.CreateTopics {
		if err := kafka.TopicProblems(changes, len(wants)); err != nil {
			return "", err
		}
		if len(changes) > 0 {
			return fmt.Sprintf("ingest will make or correct %d of %d topics %s*", len(changes), len(wants), c.TopicPrefix), nil
		}
	}
	missing := 0
	for _, change := range changes {
		if change.Create {
			missing++
		}
	}
	if missing == len(wants) {
		return "", fmt.Errorf("%d of %d topics %s* do not exist: make them with meetbridge topics apply, or let ingest do it by --create-topics", missing, len(wants), c.TopicPrefix)
	}
	if err := kafka.VerifyTopics(ctx, adm, wants); err != nil {
		return "", err
	}
	records := fmt.Sprintf("%d topics %s*, %s each", len(wants)-1, c.TopicPrefix, count(int(c.TopicPartitions), "partition"))
	if missing > 0 {
		return fmt.Sprintf("%s; without %s a redelivery to another replica is stored again: make it with meetbridge topics apply", records, bridge.RecentIDs(c.TopicPrefix)), nil
	}
	return records + ", and " + bridge.RecentIDs(c.TopicPrefix), nil
}

func (c checkCmd) checkSchemas(ctx context.Context, t *terminal) (string, error) {
	lines, err := registryFlags{topicsFlags: topicsFlags{TopicPrefix: c.TopicPrefix}, Registry: c.Registry}.check(ctx, t)
	if err != nil {
		return "", err
	}
	missing := 0
	for _, l := range lines {
		switch l.State {
		case "incompatible":
			return "", fmt.Errorf("%s is %s", l.Subject, l.explain())
		case "registered":
		default:
			missing++
		}
	}
	if missing > 0 && c.CreateTopics {
		return fmt.Sprintf("ingest will register or correct %d of %d schemas", missing, len(lines)), nil
	}
	if missing > 0 {
		return "", fmt.Errorf("%d of %d schemas are not registered as they should be: ingest does it when it starts, or run meetbridge schemas register", missing, len(lines))
	}
	return fmt.Sprintf("%d schemas at %s", len(lines), c.Registry.URL), nil
}
