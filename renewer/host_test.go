//go:build synctests

package renewer_test

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// startKafka runs a broker and a registry on the network until the test ends.
func startKafka(t *testing.T, n *bridgetest.Network) *embedded.Embedded {
	t.Helper()
	e, err := embedded.Start(embedded.Config{KafkaListen: "127.0.0.1:9092", RegistryListen: "127.0.0.1:8081", ListenFn: n.Listen}, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// makeTopics makes the topics that a renewer needs, with so many shards.
func makeTopics(t *testing.T, c kafka.Config, shards int32) {
	t.Helper()
	adm, err := kafka.NewAdmin(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	for topic, partitions := range map[string]int32{"teams.subscriptions": shards, "teams.gaps": 3, "teams.lifecycle": 3} {
		if _, err := adm.CreateTopic(t.Context(), partitions, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("33554432")}, topic); err != nil {
			t.Fatal(err)
		}
	}
}

// host is where one process runs.
type host struct {
	*bridgetest.Host
	asked atomic.Int64 // requests to Graph
}

func newHost(n *bridgetest.Network) *host { return &host{Host: n.NewHost()} }
