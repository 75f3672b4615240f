//go:build synctests

package kafka_test

import (
	"testing"
	"testing/synctest"
	"time"

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

// Ensure that what is produced while something is under way leaves together when
// that has its answer, in its order (I6), and that Close waits for it.
func TestCompanyLeaves(t *testing.T) {
	const latency = linger / 4
	for _, closing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, t.TempDir())
			defer s.stop()
			p := s.producer(kafka.ProducerConfig{})
			defer closeNow(p)
			s.send(p, 0)
			time.Sleep(5 * time.Second)
			s.net.latency = latency
			for n := 1; n < 10; n++ {
				s.send(p, n)
			}
			if closing {
				if err := p.Close(t.Context()); err != nil {
					t.Errorf("close: %v", err)
				}
				synctest.Wait()
			}
			for _, want := range []int{2, 10} {
				if !closing {
					time.Sleep(latency)
					synctest.Wait()
				}
				if acked, _ := s.count(); !closing && acked != want || closing && acked != 10 {
					t.Errorf("%d records acknowledged, want %d (closing %t)", acked, want, closing)
				}
			}
			s.check()
		})
	}
}
