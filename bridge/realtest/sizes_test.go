//go:build real

package realtest_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// Where the brokers take messages of 1,000 KiB only, --kafka-max-message makes do
// with that: the topics, what ingest wants of them, and what is produced.
func (l *lab) sizes(t *testing.T) {
	t.Parallel()
	const most = 1000 << 10
	s := l.newSite(t, "small.", l.guarded, l.durable.url())
	s.do("keys", "new", "keys", "--id", "main")
	s.do(s.with("topics", "apply", "--topic-partitions", "3", "--kafka-max-message", "1000KiB")...)

	p := s.ingest("ingest", nil)
	await(t, time.Minute, "one that is not told so ends", func() bool { return !p.runs() })
	names(t, "ingest", p.said.tail(1), []string{"messages of 1024000 bytes, must take 33619968", "--kafka-max-message"})
	p = s.ingest("ingest", nil, "--app-ids", appID, "--kafka-max-message", "1000KiB")
	await(t, time.Minute, "one that is told so finds the topics good", func() bool { return p.metric("meetbridge_ingest_topics_ready", "") == 1 })

	c := l.guarded.open()
	c.MaxMessage = units.Base2Bytes(most)
	producer, err := kafka.NewProducer(c, kafka.ProducerConfig{Compression: "none"}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close(within(t, 10*time.Second)) }()
	noise := make([]byte, most)
	_, _ = rand.Read(noise) // never fails
	produce := func(bytes int) error {
		done := make(chan error, 1)
		producer.Produce(&kgo.Record{Topic: "small.chats", Value: noise[:bytes]}, func(err error) { done <- err })
		return <-done
	}
	const largest = most - 64<<10
	if err := produce(largest); err != nil {
		t.Errorf("a largest record: %v", err)
	}
	if err := produce(largest + 1); !errors.Is(err, kafka.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}
