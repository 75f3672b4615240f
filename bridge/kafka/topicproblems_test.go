package kafka_test

import (
	"errors"
	"testing"

	"meetbridge/bridge/kafka"
)

// Ensure that a problem of many topics is one sentence.
func TestTopicProblems(t *testing.T) {
	t.Parallel()
	var changes []kafka.TopicChange
	for i := range 17 {
		changes = append(changes, kafka.TopicChange{Want: kafka.TopicWant{Topic: "t" + string(rune('a'+i))}, Problem: "has 12 partitions, wanted are 24: do this"})
	}
	changes = append(changes, kafka.TopicChange{Want: kafka.TopicWant{Topic: "z"}, Problem: "does not exist: make it"}, kafka.TopicChange{Create: true})
	err := kafka.TopicProblems(changes, 18)
	const want = "kafka: topics are not as they should be: 17 of 18 topics have 12 partitions, wanted are 24: do this (ta, tb, tc and 14 more); topic z does not exist: make it"
	if !errors.Is(err, kafka.ErrTopics) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := kafka.TopicProblems(changes[18:], 18); err != nil {
		t.Error(err)
	}
}
