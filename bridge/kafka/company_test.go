//go:build synctests

package kafka_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// Ensure that a record waits for nothing where nothing is under way, and that one
// which Kafka does not answer holds up the others no longer than the linger.
func TestCompanyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, t.TempDir())
		defer s.stop()
		p := s.producer(kafka.ProducerConfig{})
		defer closeNow(p)
		s.send(p, 0) // connects, and asks for the topic
		time.Sleep(5 * time.Second)
		began := time.Now()
		s.send(p, 1)
		synctest.Wait()
		if acked, _ := s.count(); acked != 2 || time.Since(began) > 0 {
			t.Errorf("%d records acknowledged after %s, want both at once", acked, time.Since(began))
		}
		s.net.Cut(true)
		for n := 2; n < 8; n++ {
			s.send(p, n)
		}
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{0, 1}, {linger - time.Microsecond, 1}, {time.Microsecond, 6}} {
			time.Sleep(step.after)
			synctest.Wait()
			if got, _ := p.Buffered(); got != step.want {
				t.Errorf("%s after they were produced the client has %d records, want %d", time.Since(began), got, step.want)
			}
		}
		s.net.Cut(false)
		time.Sleep(5 * time.Second)
		if acked, busy := s.count(); acked != 8 || busy != 0 {
			t.Errorf("%d records acknowledged, %d refused, want all 8 acknowledged", acked, busy)
		}
		s.check()
	})
}

// Ensure that those which come together do not wait for each other.
func TestCompanyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, t.TempDir())
		defer s.stop()
		p := s.producer(kafka.ProducerConfig{})
		defer closeNow(p)
		s.send(p, 0)
		time.Sleep(5 * time.Second)
		s.net.Cut(true)
		batch := make([]kafka.Parcel, 5)
		for i := range batch {
			batch[i] = kafka.Parcel{Record: &kgo.Record{Topic: "teams.chats", Key: []byte("k"), Value: []byte("v")}, Done: func(error) {}}
		}
		p.ProduceTogether(batch)
		if got, _ := p.Buffered(); got != 5 {
			t.Errorf("the client has %d of 5 records that came together", got)
		}
	})
}

// Ensure that what is produced while something is under way leaves when that has its
// answer, and in its order (I6).
func TestCompanyLeaves(t *testing.T) {
	const latency = linger / 100
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, t.TempDir())
		defer s.stop()
		p := s.producer(kafka.ProducerConfig{})
		defer closeNow(p)
		s.send(p, 0)
		time.Sleep(5 * time.Second)
		s.net.latency.Store(int64(latency))
		for n := 1; n < 10; n++ {
			s.send(p, n)
		}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{latency, 2}, {linger - latency - time.Microsecond, 10}} { // before the linger is over
			time.Sleep(step.after)
			synctest.Wait()
			if acked, _ := s.count(); acked != step.want {
				t.Errorf("%d records acknowledged, want %d", acked, step.want)
			}
		}
		s.check()
	})
}

// Ensure that Close leaves none of those behind that wait, and that what a sender
// produces meanwhile does not overtake them (I6).
func TestCompanyEnds(t *testing.T) {
	t.Parallel()
	for range 10 {
		cluster := startCluster(t, kfake.SeedTopics(1, "t"))
		c := kafka.Config{Brokers: cluster.ListenAddrs()}
		p := newProducer(t, c, kafka.ProducerConfig{Linger: linger})
		var answers sync.WaitGroup
		var acked atomic.Int64
		closed := make(chan error, 1)
		for n := range 1500 {
			answers.Add(1)
			p.Produce(&kgo.Record{Topic: "t", Key: []byte("k"), Value: fmt.Appendf(nil, "%08d", n)}, func(err error) {
				if err == nil {
					acked.Add(1)
				}
				answers.Done()
			})
			if n == 500 {
				go func() { closed <- p.Close(t.Context()) }()
			}
		}
		answers.Wait()
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
		last := ""
		there := consume(t, c, "t")
		for _, r := range there {
			if string(r.Value) <= last {
				t.Errorf("%s is there after %s (I6)", r.Value, last)
			}
			last = string(r.Value)
		}
		if int64(len(there)) < acked.Load() {
			t.Errorf("%d records are there, %d were acknowledged (I1)", len(there), acked.Load())
		}
	}
}
