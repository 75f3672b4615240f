package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// connectWithin bounds how long a command tries to reach Kafka before it says
// that it cannot.
const connectWithin = 5 * time.Second

// topicsFlags name the topics, in every command that reads or makes them.
type topicsFlags struct {
	TopicPrefix string `default:"teams." placeholder:"PREFIX" group:"Kafka" help:"What every topic's name begins with."`
}

// legalPrefix is what Kafka takes in a topic's name, and leaves room for the rest
// of one, which may have 249 characters.
var legalPrefix = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,200}$`)

// checkPrefix refuses a --topic-prefix that no topic could have, in whatever
// command was selected.
func checkPrefix(selected *kong.Context) error {
	for _, f := range selected.Flags() {
		if prefix, ok := selected.FlagValue(f).(string); f.Name == "topic-prefix" && ok && !legalPrefix.MatchString(prefix) {
			return fmt.Errorf("--topic-prefix is %.80q: must be of letters, digits, '.', '_' and '-' only, as Kafka's topics are, and at most 200 of them", prefix)
		}
	}
	return nil
}

// connect returns a client that has reached Kafka; the caller closes it.
func connect(ctx context.Context, cfg kafka.Config, log *slog.Logger, more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := cfg.Options(log)
	if err != nil {
		return nil, usageError{err}
	}
	client, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("set up kafka client: %w", err)
	}
	within, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if err := client.Ping(within); err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if told := cfg.Explain(err); told != err { //nolint:errorlint // whether it is the same, not of which kind
			return nil, fmt.Errorf("cannot use Kafka at %s: %w", strings.Join(cfg.Brokers, ","), told)
		}
		return nil, fmt.Errorf("cannot reach Kafka at %s: check --kafka-brokers, or start one for development with: meetbridge broker (%w)", strings.Join(cfg.Brokers, ","), err)
	}
	return client, nil
}

// topicNames returns the names of the topics that exist, without internal ones.
func topicNames(ctx context.Context, client *kgo.Client) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	topics, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return topics.Names(), nil
}

// pickTopics returns the full names of wanted, each of which may lack the
// prefix, or all that begin with the prefix and hold records if wanted is empty. An error says
// which one does not exist and what may have been meant.
func pickTopics(existing, wanted []string, prefix string) ([]string, error) {
	var picked []string
	if len(wanted) == 0 {
		for _, name := range existing {
			if strings.HasPrefix(name, prefix) && name != bridge.RecentIDs(prefix) {
				picked = append(picked, name)
			}
		}
		if len(picked) == 0 {
			return nil, fmt.Errorf("no topic begins with %q: make them with meetbridge topics apply, or check --topic-prefix", prefix)
		}
		return picked, nil
	}
	for _, name := range wanted {
		switch {
		case slices.Contains(existing, prefix+name):
			picked = append(picked, prefix+name)
		case slices.Contains(existing, name):
			picked = append(picked, name)
		case slices.ContainsFunc(bridge.Kinds(), func(k bridge.KindInfo) bool { return prefix+k.Topic == name || k.Topic == name }):
			return nil, fmt.Errorf("topic %q does not exist yet: make it with meetbridge topics apply", prefix+strings.TrimPrefix(name, prefix))
		default:
			return nil, fmt.Errorf("topic %q does not exist%s", name, didYouMean(name, append(shortNames(existing, prefix), existing...)))
		}
	}
	slices.Sort(picked)
	return slices.Compact(picked), nil
}

func shortNames(names []string, prefix string) []string {
	var short []string
	for _, n := range names {
		if s, ok := strings.CutPrefix(n, prefix); ok {
			short = append(short, s)
		}
	}
	return short
}
