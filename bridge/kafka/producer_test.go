package kafka_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// murmur2 is the hash of the Java client for keys, written down from its
// definition and independent of the client that is tested.
func murmur2(data []byte) int32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	for i := len(data) - 1; i >= 0; i-- {
		h ^= uint32(data[i]) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h ^= h >> 13
	h *= m
	return int32(h ^ h>>15)
}

// Ensure that a key goes where the Java client would put it, on every topic
// with as many partitions.
func TestPartitions(t *testing.T) {
	t.Parallel()
	// What Java's org.apache.kafka.common.utils.Utils.murmur2 returns.
	java := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	for key, want := range java {
		if got := murmur2([]byte(key)); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
	keys := slices.Collect(func(yield func(string) bool) {
		for key := range java {
			if !yield(key) {
				return
			}
		}
		for i := range 40 {
			if !yield(fmt.Sprintf("19:meeting_%032x@thread.v2", i*i)) {
				return
			}
		}
		_ = yield("")
	})
	cluster := startCluster(t, kfake.SeedTopics(12, "a", "b"), kfake.SeedTopics(7, "c"))
	p := newProducer(t, kafka.Config{Brokers: cluster.ListenAddrs()}, kafka.ProducerConfig{})
	used := map[int32]bool{}
	for _, key := range keys {
		for topic, count := range map[string]int32{"a": 12, "b": 12, "c": 7} {
			r := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte("v")}
			if err := produceRecord(p, r); err != nil {
				t.Fatal(err)
			}
			if want := (murmur2([]byte(key)) & 0x7fffffff) % count; r.Partition != want {
				t.Errorf("key %q is on partition %d of %s, want %d", key, r.Partition, topic, want)
			}
			used[r.Partition] = true
		}
	}
	if len(used) < 12 {
		t.Errorf("%d partitions are used, want all 12", len(used))
	}
}

// Ensure that the largest record fits, that one byte more does not, and that
// each compression is what the broker gets.
func TestLargestRecord(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	c := kafka.Config{Brokers: cluster.ListenAddrs()}
	adm, err := kafka.NewAdmin(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adm.Close)
	if _, err := kafka.ApplyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("x.", 1, 1)); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, kafka.MaxRecordBytes)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for _, tt := range []struct {
		compression, topic string
		code               uint8 // in the batch's attributes
		large              bool  // try a largest record too
	}{
		{"zstd", "x.chats", 4, true},
		{"lz4", "x.channels", 3, false},
		{"snappy", "x.teams", 2, false},
		{"gzip", "x.other", 1, false},
		{"none", "x.gaps", 0, true},
	} {
		p := newProducer(t, c, kafka.ProducerConfig{Compression: tt.compression})
		if err := produce(p, tt.topic, "k", strings.Repeat("compressible ", 1000)); err != nil {
			t.Errorf("%s: %v", tt.compression, err)
		}
		header := kgo.RecordHeader{Key: "h", Value: []byte("v")}
		if tt.large {
			fits := kgo.Record{Topic: tt.topic, Key: []byte("key"), Value: noise[:len(noise)-3-2], Headers: []kgo.RecordHeader{header}}
			if err := produceRecord(p, &fits); err != nil {
				t.Errorf("%s: record of %d bytes: %v", tt.compression, kafka.MaxRecordBytes, err)
			}
		}
		over := kgo.Record{Topic: tt.topic, Key: []byte("key"), Value: noise[:len(noise)-3-2+1], Headers: []kgo.RecordHeader{header}}
		if err := produceRecord(p, &over); !errors.Is(err, kafka.ErrTooLarge) || !strings.Contains(err.Error(), tt.topic) {
			t.Errorf("%s: record of %d bytes: %v, want ErrTooLarge with the topic", tt.compression, kafka.MaxRecordBytes+1, err)
		}
		records := consume(t, c, tt.topic)
		if got := records[0].Attrs.CompressionType(); got != tt.code {
			t.Errorf("%s: the batch has compression %d, want %d", tt.compression, got, tt.code)
		}
		if tt.large && (len(records) != 2 || len(records[1].Value) != len(noise)-5) {
			t.Errorf("%s: %d records are there, want 2 with the largest", tt.compression, len(records))
		}
	}
}

// Ensure that no record has a time for which Kafka would refuse it or keep it
// for ever.
func TestTimestamps(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, kafka.Config{Brokers: cluster.ListenAddrs()}, kafka.ProducerConfig{})
	past := time.Date(2024, 2, 29, 12, 0, 0, 123_456_789, time.UTC)
	for _, tt := range []struct {
		name     string
		set      time.Time
		wantSame bool
	}{
		{"past", past, true},
		{"epoch", time.UnixMilli(0), true},
		{"none", time.Time{}, false},
		{"before the epoch", time.UnixMilli(-2), false},
		{"ahead", time.Now().Add(100 * time.Hour), false},
		{"far ahead", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), false},
	} {
		before := time.Now().Truncate(time.Millisecond)
		r := &kgo.Record{Topic: "t", Value: []byte(tt.name), Timestamp: tt.set}
		if err := produceRecord(p, r); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if now := !r.Timestamp.Before(before) && !r.Timestamp.After(time.Now()); tt.wantSame == now || tt.wantSame && !r.Timestamp.Equal(tt.set.Truncate(time.Millisecond)) {
			t.Errorf("%s: the record has %v", tt.name, r.Timestamp)
		}
	}
}

func TestProducerConfigErrors(t *testing.T) {
	t.Parallel()
	for want, pc := range map[string]kafka.ProducerConfig{
		`--compression: "brotli" is none of`:    {Compression: "brotli"},
		"--linger":                              {Linger: -1},
		"--linger is 1s: must be at most 100ms": {Linger: time.Second},
		"--max-buffered-records":                {MaxBufferedRecords: -1},
		"--max-buffered-bytes":                  {MaxBufferedBytes: -1},
	} {
		if _, err := kafka.NewProducer(kafka.Config{Brokers: []string{"127.0.0.1:9"}}, pc, discard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewProducer(%+v) = %v, want an error with %q", pc, err, want)
		}
	}
}

// Ensure that the client's metrics are there, with ours as their prefix, and
// that a second producer may follow the first.
func TestMetrics(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, kfake.SeedTopics(1, "t"))
	reg := prometheus.NewPedanticRegistry()
	for range 2 {
		p := newProducer(t, kafka.Config{Brokers: cluster.ListenAddrs()}, kafka.ProducerConfig{Registerer: reg})
		if err := produce(p, "t", "k", "v"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, func() error { // some are counted a little later
			return clientMetrics(reg)
		})
		closeNow(p)
	}
}

// clientMetrics returns what is wrong with the metrics of a client that has
// produced.
func clientMetrics(reg *prometheus.Registry) error {
	families, err := reg.Gather()
	if err != nil {
		return err
	}
	found := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "meetbridge_kafka_") {
			return fmt.Errorf("metric %s has another prefix", f.GetName())
		}
		found[f.GetName()] = 0
		for _, m := range f.GetMetric() {
			found[f.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for _, name := range []string{
		"produce_records_total", "produce_batches_total", "produce_compressed_bytes_total", "produce_uncompressed_bytes_total",
		"connects_total", "write_bytes_total", "read_bytes_total", "request_duration_e2e_seconds",
	} {
		if found["meetbridge_kafka_"+name] == 0 {
			return fmt.Errorf("metric meetbridge_kafka_%s is missing or zero", name)
		}
	}
	if _, ok := found["meetbridge_kafka_buffered_produce_records_total"]; !ok {
		return errors.New("the gauge of buffered records is missing")
	}
	return nil
}
