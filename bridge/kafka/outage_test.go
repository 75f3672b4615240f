//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/schemas"
)

// site is an embedded Kafka on a network in memory, and what was produced to
// it.
type site struct {
	t      *testing.T
	net    *memNet
	dir    string // "": Kafka forgets everything with each stop
	kafka  *embedded.Embedded
	config kafka.Config

	mu      sync.Mutex
	records map[string]*outcome // by value
}

type outcome struct {
	key   string
	calls int
	err   error
}

func newSite(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{t: t, net: newMemNet(), dir: dir, records: map[string]*outcome{}}
	s.config = kafka.Config{Brokers: []string{"127.0.0.1:9092"}, Dialer: s.net.Dial}
	s.start()
	s.apply()
	return s
}

func (s *site) start() {
	s.t.Helper()
	var err error
	s.kafka, err = embedded.Start(embedded.Config{KafkaListen: "127.0.0.1:9092", DataDir: s.dir, ListenFn: s.net.Listen}, discard())
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) stop() {
	s.t.Helper()
	if err := s.kafka.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// apply makes the topics.
func (s *site) apply() {
	s.t.Helper()
	adm, err := kafka.NewAdmin(s.config, discard())
	if err != nil {
		s.t.Fatal(err)
	}
	defer adm.Close()
	if _, err := kafka.ApplyTopics(context.Background(), adm, kafka.Config{}.WantedTopics("teams.", 12, 1)); err != nil {
		s.t.Fatal(err)
	}
}

// linger is how long records of these producers wait for company.
const linger = time.Millisecond

// producer returns a producer without compression: reading zstd leaves a
// decoder which the garbage collector ends from outside the bubble, and the
// runtime does not stand for it.
func (s *site) producer(pc kafka.ProducerConfig) *kafka.Producer {
	s.t.Helper()
	pc.Compression, pc.Linger = "none", linger
	p, err := kafka.NewProducer(s.config, pc, discard())
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// send produces a record of its own to teams.chats.
func (s *site) send(p *kafka.Producer, n int) {
	o := &outcome{key: fmt.Sprintf("key-%d", n%7)}
	value := fmt.Sprintf("%08d", n)
	s.mu.Lock()
	s.records[value] = o
	s.mu.Unlock()
	p.Produce(&kgo.Record{Topic: "teams.chats", Key: []byte(o.key), Value: []byte(value)}, func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.calls++
		o.err = err
	})
}

// count returns how many records were acknowledged and how many failed. A
// record that failed for another reason than ErrBusy fails the test.
func (s *site) count() (acked, busy int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, o := range s.records {
		switch {
		case o.calls > 1:
			s.t.Errorf("done was called %d times for %s", o.calls, value)
		case o.calls == 0:
		case o.err == nil:
			acked++
		case errors.Is(o.err, kafka.ErrBusy):
			busy++
		default:
			s.t.Errorf("%s: %v, want ErrBusy", value, o.err)
		}
	}
	return acked, busy
}

// check compares what Kafka holds with what was answered: every record that
// was acknowledged once (I1), in the order of its key (I6), and no other.
func (s *site) check() {
	s.t.Helper()
	last := map[string]string{}
	stored := map[string]bool{}
	there := consume(s.t, s.config, "teams.chats")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range there {
		key, value := string(r.Key), string(r.Value)
		switch o := s.records[value]; {
		case stored[value]:
			s.t.Errorf("%s is there twice", value)
		case o == nil || o.err != nil:
			s.t.Errorf("%s is there, but was answered with an error", value)
		case last[key] > value:
			s.t.Errorf("%s is there after %s, both with key %s (I6)", value, last[key], key)
		}
		stored[value] = true
		last[key] = value
	}
	var lost []string
	for value, o := range s.records {
		if o.calls == 0 {
			s.t.Errorf("%v was never answered", value)
		} else if o.err == nil && !stored[value] {
			lost = append(lost, value)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		s.t.Errorf("%d acknowledged records are not there, the first is %s (I1)", len(lost), lost[0])
	}
}

// flows returns how long it takes until a record goes through.
func (s *site) flows(p *kafka.Producer) time.Duration {
	s.t.Helper()
	started := time.Now()
	for time.Since(started) < time.Minute {
		if produce(p, "teams.gaps", "k", "v") == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // a full buffer answers at once
	}
	return time.Since(started)
}

// Ensure that Kafka may go away for minutes, in every way: what was
// acknowledged is there, what failed is not, memory stays bounded, and all
// flows again within two seconds of its return without a restart.
func TestOutage(t *testing.T) {
	const limit = 2000
	for _, tt := range []struct {
		name          string
		away, return_ func(*site)
		within        time.Duration
	}{
		{"stopped", func(s *site) { s.stop() }, func(s *site) { s.start() }, 2200 * time.Millisecond},
		{"unreachable", func(s *site) { s.net.Cut(true) }, func(s *site) { s.net.Cut(false) }, 2200 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, dir)
				p := s.producer(kafka.ProducerConfig{MaxBufferedRecords: limit})
				n := 0
				load := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
						s.send(p, n)
						n++
					}
				}
				load(3 * time.Second)
				if acked, _ := s.count(); acked < 250 {
					t.Fatalf("%d records were acknowledged in 3 s, want about 300", acked)
				}
				tt.away(s)
				load(10 * time.Minute)
				if records, _ := p.Buffered(); records > limit {
					t.Errorf("%d records are buffered, want at most %d", records, limit)
				}
				_, busy := s.count()
				if busy < n/2 {
					t.Errorf("%d of %d records failed in 10 minutes without Kafka, want most", busy, n)
				}
				tt.return_(s)
				if took := s.flows(p); took > tt.within {
					t.Errorf("the first record went through after %v, want %v", took, tt.within)
				}
				load(3 * time.Second)
				if err := p.Close(context.Background()); err != nil {
					t.Error(err)
				}
				s.check()
				s.stop()
			})
		})
	}
}

// Ensure that a network which loses connections at any moment, requests and
// answers in flight among them, neither loses, doubles nor reorders records.
func TestFlappingNetwork(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				s := newSite(t, dir)
				s.net.latency.Store(int64(15 * time.Millisecond))
				p := s.producer(kafka.ProducerConfig{})
				cuts := 0
				for n := range 3000 {
					s.send(p, n)
					if random.IntN(40) == 0 {
						s.net.Cut(false)
						cuts++
					}
					if random.IntN(3) == 0 {
						time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
					}
				}
				if err := p.Close(context.Background()); err != nil {
					t.Error(err)
				}
				acked, busy := s.count()
				if s.net.lost < 10 || acked < 2000 {
					t.Errorf("%d cuts lost %d answers, %d records were acknowledged, %d failed: want some answers lost and most records acknowledged", cuts, s.net.lost, acked, busy)
				}
				s.check()
				s.stop()
			})
		})
	}
}

// Ensure that a producer which is closed while Kafka is away ends when it was
// told to, and answers for every record.
func TestCloseWithoutKafka(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir)
		p := s.producer(kafka.ProducerConfig{})
		s.flows(p)
		s.stop()
		for n := range 100 {
			s.send(p, n)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		started := time.Now()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close() = %v, want the deadline", err)
		}
		if took := time.Since(started); took > 4*time.Second {
			t.Errorf("Close() took %v, want 3 s", took)
		}
		synctest.Wait()
		if acked, busy := s.count(); acked != 0 || busy != 100 {
			t.Errorf("%d acknowledged, %d failed, want all 100 failed", acked, busy)
		}
		if err := produce(p, "teams.chats", "k", "v"); !errors.Is(err, kafka.ErrBusy) {
			t.Errorf("produce after Close: %v, want ErrBusy", err)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("second Close() = %v", err)
		}
	})
}

// Ensure that the registry too works in virtual time.
func TestRegistryInMemory(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir)
		r, err := kafka.NewRegistry(kafka.RegistryConfig{URL: s.kafka.RegistryURL(), HTTP: s.net.Client()}, discard())
		if err != nil {
			t.Fatal(err)
		}
		ids, err := r.RegisterAll(context.Background(), "teams.", schemas.All())
		if err != nil || len(ids) != len(schemas.All()) {
			t.Errorf("RegisterAll() = %v, %v", ids, err)
		}
		s.stop()
		if err := r.Ping(context.Background()); !errors.Is(err, kafka.ErrRegistryAway) {
			t.Errorf("Ping() of a registry that ended = %v", err)
		}
	})
}
