package kafka

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
)

const (
	metricsNamespace = "meetbridge"
	metricsSubsystem = "kafka"
)

// metrics are the client's: connections, bytes and errors of all brokers together,
// and records, batches and bytes produced to each topic. It counts what is produced
// itself, on kprom's counters: those look up four by their labels for each batch,
// and with most batches of one record that is work for each record.
type metrics struct {
	*kprom.Metrics
	reg    prometheus.Registerer
	vecs   [4]*prometheus.CounterVec // batches, records, compressed and uncompressed bytes
	topics sync.Map                  // of [4]prometheus.Counter, by topic
}

func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{reg: reg, Metrics: kprom.NewMetrics(metricsNamespace,
		kprom.Subsystem(metricsSubsystem),
		kprom.Registerer(reg),
		kprom.BrokerLabels(),
		kprom.FetchAndProduceDetail(kprom.ByTopic, kprom.Records, kprom.Batches, kprom.CompressedBytes, kprom.UncompressedBytes, kprom.ConsistentNaming),
		kprom.Histograms(kprom.RequestDurationE2E, kprom.RequestThrottled),
		kprom.NativeBucketFactor(1),
	)}
}

// OnNewClient implements kgo.HookNewClient: kprom registers its counters, and
// registering their likes gives us them.
func (m *metrics) OnNewClient(c *kgo.Client) {
	m.Metrics.OnNewClient(c)
	for i, what := range [...]string{"batches", "records", "compressed bytes", "uncompressed bytes"} {
		m.vecs[i] = registered(m.reg, prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem,
			Name: "produce_" + strings.ReplaceAll(what, " ", "_") + "_total", Help: "Total number of " + what + " produced",
		}, "topic")
	}
}

// registered returns the counters that are registered under these options.
func registered(reg prometheus.Registerer, opts prometheus.CounterOpts, label string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(opts, []string{label})
	if there, ok := reg.Register(vec).(prometheus.AlreadyRegisteredError); ok { //nolint:errorlint // never wrapped
		vec, _ = there.ExistingCollector.(*prometheus.CounterVec)
	}
	return vec
}

// OnProduceBatchWritten implements kgo.HookProduceBatchWritten.
func (m *metrics) OnProduceBatchWritten(_ kgo.BrokerMetadata, topic string, _ int32, b kgo.ProduceBatchMetrics) {
	found, ok := m.topics.Load(topic)
	if !ok {
		var counters [4]prometheus.Counter
		for i, vec := range m.vecs {
			counters[i] = vec.WithLabelValues(topic)
		}
		found, _ = m.topics.LoadOrStore(topic, counters)
	}
	for i, n := range [...]int{1, b.NumRecords, b.CompressedBytes, b.UncompressedBytes} {
		found.([4]prometheus.Counter)[i].Add(float64(n)) //nolint:forcetypeassert // see topics
	}
}
