package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicChange is what one topic needs: to be made, to have settings changed,
// or a person's decision.
type TopicChange struct {
	Want    TopicWant
	Create  bool           // the topic does not exist
	Configs []ConfigChange // settings that differ; for a topic to be made: all
	Problem string         // why the topic cannot be made as wanted, and what to do; nothing is changed by itself then
}

// ConfigChange is one setting of a topic.
type ConfigChange struct {
	Name string
	From string // "" for a topic that does not exist
	To   string
}

// String returns the change as one line for people.
func (c TopicChange) String() string {
	var b strings.Builder
	switch {
	case c.Problem != "":
		fmt.Fprintf(&b, "! %s: %s", c.Want.Topic, c.Problem)
	case c.Create:
		fmt.Fprintf(&b, "+ %s: %s, replication %s", c.Want.Topic, partitions(c.Want.Partitions), replicationText(c.Want.Replication))
	default:
		fmt.Fprintf(&b, "~ %s", c.Want.Topic)
	}
	sep := ": "
	if c.Create {
		sep = ", "
	}
	if c.Problem == "" {
		for _, s := range c.Configs {
			b.WriteString(sep)
			if c.Create {
				fmt.Fprintf(&b, "%s=%s", s.Name, s.To)
			} else {
				fmt.Fprintf(&b, "%s %s → %s", s.Name, s.From, s.To)
			}
			sep = ", "
		}
	}
	return b.String()
}

func partitions(n int32) string {
	if n == 1 {
		return "1 partition"
	}
	return strconv.Itoa(int(n)) + " partitions"
}

func replicationText(n int16) string {
	if n <= 0 {
		return "by the brokers' default"
	}
	return strconv.Itoa(int(n))
}

// ErrTopics is wrapped by the errors that say that topics are not as they
// should be, in contrast to errors of asking.
var ErrTopics = errors.New("kafka: topics are not as they should be")

// PlanTopics returns what has to change so that the topics are as wanted, in
// the order of wants; nothing if all is well. It changes nothing.
func PlanTopics(ctx context.Context, adm *kadm.Client, wants []TopicWant) ([]TopicChange, error) {
	have, err := listTopics(ctx, adm, names(wants))
	if err != nil {
		return nil, err
	}
	var existing []string
	for _, w := range wants {
		t := have[w.Topic]
		switch {
		case t.Err == nil:
			existing = append(existing, w.Topic)
		case !errors.Is(t.Err, kerr.UnknownTopicOrPartition):
			return nil, fmt.Errorf("list topic %s: %w", w.Topic, t.Err)
		}
	}
	configs, err := describeConfigs(ctx, adm, existing)
	if err != nil {
		return nil, err
	}
	common := commonPartitions(have, wants)
	var changes []TopicChange
	for _, w := range wants {
		if c, needed := planTopic(w, have[w.Topic], configs[w.Topic], common); needed {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// listTopics returns what is known of the topics. Where our user may not see one
// of them Kafka says so without its name: then each is asked for by itself.
func listTopics(ctx context.Context, adm *kadm.Client, topics []string) (kadm.TopicDetails, error) {
	have, err := adm.ListTopics(ctx, topics...)
	if err == nil {
		return have, nil
	}
	if _, denied := errors.AsType[*kadm.AuthError](err); denied {
		var hidden []string
		for _, topic := range topics {
			_, err := adm.ListTopics(ctx, topic)
			if _, denied := errors.AsType[*kadm.AuthError](err); denied {
				hidden = append(hidden, topic)
			}
		}
		if len(hidden) > 0 {
			return nil, &explained{"our user may not see topic " + strings.Join(hidden, ", ") + ": grant it Describe there", err}
		}
	}
	return nil, fmt.Errorf("list topics: %w", err)
}

// commonPartitions returns the count that the existing topics of equal count
// have: that of the first which exists, 0 if none does.
func commonPartitions(have kadm.TopicDetails, wants []TopicWant) int32 {
	for _, w := range wants {
		if n := len(have[w.Topic].Partitions); !w.Single && n > 0 {
			return int32(n)
		}
	}
	return 0
}

func planTopic(w TopicWant, have kadm.TopicDetail, configs map[string]string, common int32) (TopicChange, bool) {
	c := TopicChange{Want: w}
	count := int32(len(have.Partitions))
	if w.Partitions <= 0 {
		c.Want.Partitions = common
	}
	for _, name := range w.configNames() {
		if value, known := configs[name]; have.Err != nil || known && value != w.Configs[name] {
			c.Configs = append(c.Configs, ConfigChange{Name: name, From: value, To: w.Configs[name]})
		}
	}
	switch {
	case have.Err != nil:
		c.Create = true
		if c.Want.Partitions <= 0 {
			c.Problem = "does not exist, and no number of partitions is given to create it with: give --topic-partitions"
		}
	case count != c.Want.Partitions && !w.Optional:
		c.Problem = partitionProblem(c.Want, count, common)
	}
	return c, c.Create || c.Problem != "" || len(c.Configs) > 0
}

func partitionProblem(w TopicWant, count, common int32) string {
	if w.Single {
		return fmt.Sprintf("has %s, must have %d: delete the topic, then run `meetbridge topics apply`", partitions(count), w.Partitions)
	}
	if count == common {
		return fmt.Sprintf("has %s, wanted are %d: say --topic-partitions %d, or delete the topics and run `meetbridge topics apply` (adding partitions would move keys to other ones)", partitions(count), w.Partitions, count)
	}
	return fmt.Sprintf("has %s, others have %d, and records of one meeting would not share a partition number: delete what differs, then run `meetbridge topics apply --topic-partitions %d`", partitions(count), common, common)
}

// describeConfigs returns the settings of the topics. Without the permission
// to see them it returns none: nothing is known to differ then.
func describeConfigs(ctx context.Context, adm *kadm.Client, topics []string) (map[string]map[string]string, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	described, err := adm.DescribeTopicConfigs(ctx, topics...)
	if _, denied := errors.AsType[*kadm.AuthError](err); denied {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe topic settings: %w", err)
	}
	out := make(map[string]map[string]string, len(described))
	for _, d := range described {
		if d.Err != nil {
			return nil, fmt.Errorf("describe settings of topic %s: %w", d.Name, d.Err)
		}
		m := make(map[string]string, len(d.Configs))
		for _, s := range d.Configs {
			if s.Value != nil {
				m[s.Key] = *s.Value
			}
		}
		out[d.Name] = m
	}
	return out, nil
}

// ApplyTopics makes the topics as wanted and returns what it changed. While
// any topic needs a person's decision (TopicChange.Problem) it changes nothing
// and returns an error that names each and wraps ErrTopics. It returns when
// all brokers that can be asked know the new topics.
func ApplyTopics(ctx context.Context, adm *kadm.Client, wants []TopicWant) ([]TopicChange, error) {
	changes, err := PlanTopics(ctx, adm, wants)
	if err != nil {
		return nil, err
	}
	if err := TopicProblems(changes, len(wants)); err != nil {
		return nil, fmt.Errorf("%w; nothing was changed", err)
	}
	for i, c := range changes {
		if err := applyTopic(ctx, adm, c); err != nil {
			return changes[:i], err
		}
	}
	return changes, awaitTopics(ctx, adm, changes)
}

func applyTopic(ctx context.Context, adm *kadm.Client, c TopicChange) error {
	if c.Create {
		configs := make(map[string]*string, len(c.Want.Configs))
		for name, value := range c.Want.Configs {
			configs[name] = &value
		}
		replication := c.Want.Replication
		if replication <= 0 {
			replication = -1
		}
		// Another replica may have been quicker: that is as good.
		_, err := adm.CreateTopic(ctx, c.Want.Partitions, replication, configs, c.Want.Topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", c.Want.Topic, err)
		}
		return nil
	}
	alter := make([]kadm.AlterConfig, len(c.Configs))
	for i, s := range c.Configs {
		alter[i] = kadm.AlterConfig{Op: kadm.SetConfig, Name: s.Name, Value: &s.To}
	}
	responses, err := adm.AlterTopicConfigs(ctx, alter, c.Want.Topic)
	if err != nil {
		return fmt.Errorf("change settings of topic %s: %w", c.Want.Topic, err)
	}
	for _, r := range responses {
		if r.Err != nil {
			return fmt.Errorf("change settings of topic %s: %w: %s", c.Want.Topic, r.Err, r.ErrMessage)
		}
	}
	return nil
}

// awaitTopics waits until the created topics have leaders: a broker learns of
// a topic a little later than the controller that made it.
func awaitTopics(ctx context.Context, adm *kadm.Client, changes []TopicChange) error {
	var created []string
	for _, c := range changes {
		if c.Create {
			created = append(created, c.Want.Topic)
		}
	}
	if len(created) == 0 {
		return nil
	}
	for {
		have, err := adm.ListTopics(ctx, created...)
		if err == nil {
			err = have.Error()
		}
		have.EachPartition(func(p kadm.PartitionDetail) {
			if err == nil {
				err = p.Err
			}
		})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the created topics: %w", errors.Join(err, ctx.Err()))
		case <-time.After(metadataMinAge):
		}
	}
}

// VerifyTopics returns nil if every topic that is not Optional exists with its
// number of partitions and takes records as large as ours, else an error that
// names each topic which does not, what to do, and wraps ErrTopics. Other settings
// may differ: they are the operator's.
func VerifyTopics(ctx context.Context, adm *kadm.Client, wants []TopicWant) error {
	wants = slices.DeleteFunc(slices.Clone(wants), func(w TopicWant) bool { return w.Optional })
	changes, err := PlanTopics(ctx, adm, wants)
	if err != nil {
		return err
	}
	var bad []TopicChange
	for _, c := range changes {
		switch {
		case c.Create:
			c.Problem = "does not exist: run `meetbridge topics apply`"
		case c.Problem == "":
			c.Problem = sizeProblem(c)
		}
		if c.Problem != "" {
			bad = append(bad, c)
		}
	}
	return TopicProblems(bad, len(wants))
}

func sizeProblem(c TopicChange) string {
	for _, s := range c.Configs {
		if s.Name != maxMessageConfig {
			continue
		}
		has, err := strconv.ParseInt(s.From, 10, 64)
		wants, _ := strconv.ParseInt(s.To, 10, 64)
		if err != nil || has < wants {
			return fmt.Sprintf("takes messages of %s bytes, must take %s: run `meetbridge topics apply`, or say --kafka-max-message where the brokers take no more", s.From, s.To)
		}
	}
	return ""
}
