package kafka_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

func TestWantedTopics(t *testing.T) {
	t.Parallel()
	wants := kafka.Config{}.WantedTopics("teams.", 12, 3)
	if len(wants) != len(bridge.Kinds())+1 {
		t.Fatalf("%d topics are wanted, want one for each of %d kinds and that of recent ids", len(wants), len(bridge.Kinds()))
	}
	ids := wants[len(wants)-1]
	if ids.Topic != "teams.recent-ids" || ids.Partitions != 1 || !ids.Optional || ids.Configs["retention.ms"] != "18000000" || ids.Configs["segment.ms"] != "3600000" || ids.Configs["min.insync.replicas"] != "2" {
		t.Errorf("the last one is %+v, want one partition of recent ids for 5 h", ids)
	}
	for _, w := range wants[:len(wants)-1] {
		if !strings.HasPrefix(w.Topic, "teams.") || w.Replication != 3 {
			t.Errorf("%+v: wrong prefix or replication", w)
		}
		for name, want := range map[string]string{"max.message.bytes": "33619968", "min.insync.replicas": "2", "message.timestamp.type": "CreateTime"} {
			if w.Configs[name] != want {
				t.Errorf("%s has %s=%s, want %s", w.Topic, name, w.Configs[name], want)
			}
		}
		policy, partitions, retention := "delete", int32(12), "604800000"
		switch w.Topic {
		case "teams.subscriptions":
			policy, partitions, retention = "compact", 1, ""
		case "teams.quarantine", "teams.gaps", "teams.lifecycle":
			retention = "2592000000"
		}
		if w.Configs["cleanup.policy"] != policy || w.Partitions != partitions || w.Configs["retention.ms"] != retention {
			t.Errorf("%s: %d partitions, %v; want %d, policy %s, retention %q", w.Topic, w.Partitions, w.Configs, partitions, policy, retention)
		}
	}
	if _, ok := (kafka.Config{}).WantedTopics("", 1, -1)[0].Configs["min.insync.replicas"]; ok {
		t.Error("the brokers' default of replicas comes with a minimum of ours")
	}
}

// newTopics returns an admin client of a new broker and what is wanted there.
func newTopics(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *kadm.Client, []kafka.TopicWant) {
	t.Helper()
	cluster := startCluster(t, opts...)
	adm, err := kafka.NewAdmin(kafka.Config{Brokers: cluster.ListenAddrs()}, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adm.Close)
	return cluster, adm, kafka.Config{}.WantedTopics("teams.", 12, 1)
}

// lines returns the changes as people see them.
func lines(changes []kafka.TopicChange) []string {
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = c.String()
	}
	return out
}

func plan(t *testing.T, adm *kadm.Client, wants []kafka.TopicWant) []string {
	t.Helper()
	changes, err := kafka.PlanTopics(t.Context(), adm, wants)
	if err != nil {
		t.Fatal(err)
	}
	return lines(changes)
}

// Ensure that the plan for an empty Kafka is all topics, that carrying it out
// leaves nothing to plan, and that doing so again changes nothing.
func TestTopicsFromNothing(t *testing.T) {
	t.Parallel()
	_, adm, wants := newTopics(t)
	err := kafka.VerifyTopics(t.Context(), adm, wants)
	if !errors.Is(err, kafka.ErrTopics) {
		t.Errorf("VerifyTopics() = %v, want ErrTopics", err)
	}
	if err == nil || !strings.Contains(err.Error(), "18 of 18 topics do not exist: run `meetbridge topics apply` (teams.meeting-call-events, ") {
		t.Errorf("VerifyTopics() = %v", err)
	}
	planned := plan(t, adm, wants)
	if want := "+ teams.meeting-call-events: 12 partitions, replication 1, cleanup.policy=delete, max.message.bytes=33619968, message.timestamp.type=CreateTime, retention.ms=604800000"; len(planned) != len(wants) || planned[0] != want {
		t.Errorf("the plan begins with\n%s\nand has %d lines, want\n%s\nand %d", planned[0], len(planned), want, len(wants))
	}
	if !strings.HasPrefix(planned[len(planned)-1], "+ teams.recent-ids: 1 partition, replication 1, ") {
		t.Errorf("the plan ends with %s", planned[len(planned)-1])
	}
	if again := plan(t, adm, wants); !slices.Equal(again, planned) {
		t.Error("planning changed something")
	}
	done, err := kafka.ApplyTopics(t.Context(), adm, wants)
	if err != nil || !slices.Equal(lines(done), planned) {
		t.Errorf("ApplyTopics() = %q, %v; want what was planned", lines(done), err)
	}
	if left := plan(t, adm, wants); len(left) != 0 {
		t.Errorf("still planned: %q", left)
	}
	if err := kafka.VerifyTopics(t.Context(), adm, wants); err != nil {
		t.Errorf("VerifyTopics() = %v", err)
	}
	if done, err := kafka.ApplyTopics(t.Context(), adm, wants); err != nil || len(done) != 0 {
		t.Errorf("a second ApplyTopics() = %q, %v; want nothing", lines(done), err)
	}
	if err := kafka.VerifyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("teams.", 0, 0)); err != nil {
		t.Errorf("VerifyTopics() of any number of partitions = %v", err)
	}
}

// Ensure that settings which differ are shown and mended, and that only those
// without which we cannot work keep us from starting.
func TestTopicSettings(t *testing.T) {
	t.Parallel()
	_, adm, wants := newTopics(t)
	if _, err := kafka.ApplyTopics(t.Context(), adm, wants); err != nil {
		t.Fatal(err)
	}
	set := func(topic, name, value string) {
		t.Helper()
		if _, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic); err != nil {
			t.Fatal(err)
		}
	}
	set("teams.chats", "retention.ms", "3600000")
	if err := kafka.VerifyTopics(t.Context(), adm, wants); err != nil {
		t.Errorf("VerifyTopics() with another retention = %v", err)
	}
	set("teams.gaps", "max.message.bytes", "50000000")
	if err := kafka.VerifyTopics(t.Context(), adm, wants); err != nil {
		t.Errorf("VerifyTopics() with larger messages = %v", err)
	}
	set("teams.teams", "max.message.bytes", "1000012")
	if err := kafka.VerifyTopics(t.Context(), adm, wants); err == nil || !strings.Contains(err.Error(), "topic teams.teams takes messages of 1000012 bytes, must take 33619968: run `meetbridge topics apply`") {
		t.Errorf("VerifyTopics() with smaller messages = %v", err)
	}
	want := []string{
		"~ teams.chats: retention.ms 3600000 → 604800000",
		"~ teams.teams: max.message.bytes 1000012 → 33619968",
		"~ teams.gaps: max.message.bytes 50000000 → 33619968",
	}
	if got := plan(t, adm, wants); !slices.Equal(got, want) {
		t.Errorf("planned:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := kafka.ApplyTopics(t.Context(), adm, wants); err != nil {
		t.Fatal(err)
	}
	if left := plan(t, adm, wants); len(left) != 0 {
		t.Errorf("still planned: %q", left)
	}
}

// Ensure that a wrong number of partitions is never mended silently: each case
// is told with what to do, and nothing else is changed meanwhile.
func TestTopicPartitions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		exist      map[string]int32
		partitions int32
		want       []string // parts of the error; none: no error
	}{
		{"all of another number", map[string]int32{"teams.meeting-call-events": 6, "teams.chats": 6}, 12, []string{
			"2 of 19 topics have 6 partitions, wanted are 12: say --topic-partitions 6, or delete the topics",
			"(teams.meeting-call-events, teams.chats)",
		}},
		{"one of another number", map[string]int32{"teams.meeting-call-events": 12, "teams.chats": 5}, 12, []string{
			"topic teams.chats has 5 partitions, others have 12, and records of one meeting would not share a partition number: delete what differs, then run `meetbridge topics apply --topic-partitions 12`",
		}},
		{"unequal, any wanted", map[string]int32{"teams.meeting-call-events": 12, "teams.chats": 5}, 0, []string{"topic teams.chats has 5 partitions, others have 12"}},
		{"of recent ids", map[string]int32{"teams.recent-ids": 3}, 5, nil},
		{"equal, any wanted", map[string]int32{"teams.meeting-call-events": 5, "teams.chats": 5}, 0, nil},
		{"none, any wanted", nil, 0, []string{"17 of 19 topics do not exist, and no number of partitions is given to create it with: give --topic-partitions"}},
		{"renewer's state in several", map[string]int32{"teams.subscriptions": 3}, 12, []string{"topic teams.subscriptions has 3 partitions, must have 1: delete the topic"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var opts []kfake.Opt
			for topic, n := range tt.exist {
				opts = append(opts, kfake.SeedTopics(n, topic))
			}
			_, adm, _ := newTopics(t, opts...)
			done, err := kafka.ApplyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("teams.", tt.partitions, 1))
			if len(tt.want) == 0 && err != nil {
				t.Errorf("ApplyTopics() = %v", err)
			}
			for _, want := range tt.want {
				if !errors.Is(err, kafka.ErrTopics) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "nothing was changed") {
					t.Errorf("ApplyTopics() = %v, want an error with %q", err, want)
				}
			}
			have, listErr := adm.ListTopics(t.Context())
			if listErr != nil {
				t.Fatal(listErr)
			}
			wantTopics := len(tt.exist)
			if err == nil {
				wantTopics = len(bridge.Kinds()) + 1
			}
			if len(have) != wantTopics {
				t.Errorf("%d topics exist, want %d; done: %q", len(have), wantTopics, lines(done))
			}
			for _, d := range have {
				want, existed := tt.exist[d.Topic]
				if existed && int32(len(d.Partitions)) != want {
					t.Errorf("%s has %d partitions now, had %d", d.Topic, len(d.Partitions), want)
				}
				if !existed && d.Topic != "teams.subscriptions" && d.Topic != "teams.recent-ids" && len(d.Partitions) != 5 {
					t.Errorf("%s was made with %d partitions, want as many as the others", d.Topic, len(d.Partitions))
				}
			}
		})
	}
}

// Ensure that without the topic of recent ids all else works, so that a version
// that knows it can be started before it is made.
func TestTopicsWithoutRecentIDs(t *testing.T) {
	t.Parallel()
	_, adm, wants := newTopics(t)
	if _, err := kafka.ApplyTopics(t.Context(), adm, wants[:len(wants)-1]); err != nil {
		t.Fatal(err)
	}
	if err := kafka.VerifyTopics(t.Context(), adm, wants); err != nil {
		t.Errorf("VerifyTopics() = %v", err)
	}
	if left := plan(t, adm, wants); len(left) != 1 {
		t.Errorf("planned are %q, want the topic of recent ids", left)
	}
}

// Ensure that a user who may not see settings can still verify the topics.
func TestTopicsWithoutPermission(t *testing.T) {
	t.Parallel()
	cluster, adm, wants := newTopics(t)
	if _, err := kafka.ApplyTopics(t.Context(), adm, wants); err != nil {
		t.Fatal(err)
	}
	cluster.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
			denied := kmsg.NewDescribeConfigsResponseResource()
			denied.ResourceType, denied.ResourceName, denied.ErrorCode = r.ResourceType, r.ResourceName, kerr.TopicAuthorizationFailed.Code
			resp.Resources = append(resp.Resources, denied)
		}
		return resp, nil, true
	})
	if err := kafka.VerifyTopics(t.Context(), adm, wants); err != nil {
		t.Errorf("VerifyTopics() = %v", err)
	}
	if left := plan(t, adm, wants); len(left) != 0 {
		t.Errorf("planned without sight of the settings: %q", left)
	}
}

// Ensure that a refusal to make a topic is told with the topic's name.
func TestTopicsRefused(t *testing.T) {
	t.Parallel()
	cluster, adm, wants := newTopics(t)
	cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		refused := kmsg.NewCreateTopicsResponseTopic()
		refused.Topic, refused.ErrorCode = req.(*kmsg.CreateTopicsRequest).Topics[0].Topic, kerr.TopicAuthorizationFailed.Code
		resp.Topics = append(resp.Topics, refused)
		return resp, nil, true
	})
	_, err := kafka.ApplyTopics(t.Context(), adm, wants)
	if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "teams.meeting-call-events") {
		t.Errorf("ApplyTopics() = %v, want the refusal and the topic", err)
	}
}
