package embedded

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// broker is one or more Kafka brokers in this process.
type broker struct {
	cluster *kfake.Cluster
	addrs   []string
}

func startBroker(c Config, log *slog.Logger) (*broker, error) {
	host, port, err := splitListen("--kafka-listen", c.KafkaListen)
	if err != nil {
		return nil, err
	}
	advertise := c.KafkaAdvertise
	if advertise == "" {
		advertise = reachable(host)
	}
	next := port
	opts := []kfake.Opt{
		kfake.NumBrokers(c.Brokers),
		kfake.ClusterID("meetbridge-embedded"),
		kfake.WithLogger(brokerLog{log}),
		kfake.MaxVersions(offered()),
		// The address that kfake asks for is always on 127.0.0.1.
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			ln, err := c.ListenFn(network, net.JoinHostPort(host, strconv.Itoa(next)))
			if err != nil {
				return nil, err
			}
			if port != 0 {
				next++
			}
			return advertised{ln, advertise}, nil
		}),
	}
	if c.DataDir != "" {
		opts = append(opts, kfake.DataDir(filepath.Join(c.DataDir, "kafka")))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start embedded kafka on %s: %w", c.KafkaListen, err)
	}
	return &broker{cluster: cluster, addrs: cluster.ListenAddrs()}, nil
}

// offered returns the requests that the broker takes: all but what Java's admin
// client cannot read the answers of. DescribeTopicPartitions has nulls where it
// counts on lists; not offered that, it asks for the metadata, as it does of older
// brokers. CreateTopics says from version 5 on which settings a topic got, without
// the source that the client wants of each. Stable is what kfake takes its features
// from when it is told nothing: with Tip, transactions fail.
func offered() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(kmsg.DescribeTopicPartitions.Int16(), -1)
	v.SetMaxKeyVersion(kmsg.CreateTopics.Int16(), 4)
	return v
}

func (b *broker) close() { b.cluster.Close() }

// advertised is a listener whose address, which brokers tell their clients,
// has another host than it listens on.
type advertised struct {
	net.Listener
	host string
}

func (a advertised) Addr() net.Addr {
	_, port, err := net.SplitHostPort(a.Listener.Addr().String())
	if err != nil {
		return a.Listener.Addr()
	}
	return hostPort(net.JoinHostPort(a.host, port))
}

type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (a hostPort) String() string { return string(a) }

// brokerLog passes what the broker finds wrong to slog.
type brokerLog struct{ log *slog.Logger }

// Logf writes one message of the broker's.
func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded kafka", "detail", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded kafka", "detail", fmt.Sprintf(format, args...))
	}
}
