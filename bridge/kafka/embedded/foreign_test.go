package embedded_test

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka/embedded"
)

// Ensure that Java's admin client gets no answer that it cannot read: it takes
// the eligible leader replicas of DescribeTopicPartitions for a list, always,
// although the protocol lets them be null, and counts on a source for each
// setting of a topic that it made. Not offered that, it does without.
func TestJavaAdminClient(t *testing.T) {
	t.Parallel()
	e := start(t, embedded.Config{})
	client, err := kgo.NewClient(kgo.SeedBrokers(e.KafkaAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	create := kmsg.NewPtrCreateTopicsRequest()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = "a", 2, 1
	wanted.Configs = append(wanted.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: kmsg.StringPtr("compact")})
	create.Topics = append(create.Topics, wanted)
	created, err := create.RequestWith(t.Context(), client)
	if err != nil || len(created.Topics) != 1 || created.Topics[0].ErrorCode != 0 {
		t.Fatalf("created %+v, %v", created, err)
	}
	for _, c := range created.Topics[0].Configs {
		if c.Source < 1 {
			t.Errorf("setting %s has the source %d", c.Name, c.Source)
			break
		}
	}
	offered, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	offers := func(key kmsg.Key) bool {
		return slices.ContainsFunc(offered.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == key.Int16() })
	}
	if !offers(kmsg.Metadata) || !offers(kmsg.ConsumerGroupHeartbeat) {
		t.Errorf("offered are %v", offered.ApiKeys)
	}
	if !offers(kmsg.DescribeTopicPartitions) {
		return
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
	topic.Topic = "a"
	req.Topics = append(req.Topics, topic)
	described, err := req.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range described.Topics[0].Partitions {
		if p.EligibleLeaderReplicas == nil || p.LastKnownELR == nil {
			t.Fatalf("partition %d has null where Java wants lists", p.Partition)
		}
	}
}
