//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
)

func TestX(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		start := func(port string) *embedded.Embedded {
			e, err := embedded.Start(embedded.Config{KafkaListen: "127.0.0.1:" + port, DataDir: dir, ListenFn: n.Listen}, testLog(t, slog.LevelInfo))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		e := start("9092")
		c := kafka.Config{Brokers: e.KafkaAddrs(), Dialer: n.Dial}
		adm, err := kafka.NewAdmin(c, discard())
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		changes, err := kafka.ApplyTopics(ctx, adm, kafka.WantedTopics("teams.", 12, -1))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			t.Log(c)
		}
		adm.Close()
		p, err := kafka.NewProducer(c, kafka.ProducerConfig{}, testLog(t, slog.LevelWarn))
		if err != nil {
			t.Fatal(err)
		}
		one := func(topic string) error {
			done := make(chan error, 1)
			p.Produce(&kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v")}, func(err error) { done <- err })
			select {
			case err := <-done:
				return err
			case <-time.After(20 * time.Second):
				return errors.New("NO ANSWER")
			}
		}
		s := time.Now()
		t.Log(one("teams.chats"), time.Since(s))
		s = time.Now()
		t.Log(one("teams.chats"), time.Since(s))
		s = time.Now()
		t.Log(one("teams.nonsense"), time.Since(s))
		s = time.Now()
		t.Log(one("teams.nonsense"), time.Since(s))
		e.Close()
		s = time.Now()
		t.Log(one("teams.chats"), time.Since(s))
		t.Log(one("teams.teams"), time.Since(s))
		outcome := map[string]int{}
		for i := range 3000 {
			p.Produce(&kgo.Record{Topic: "teams.chats", Key: []byte(fmt.Sprint(i)), Value: []byte("v")}, func(err error) {
				switch {
				case err == nil:
					outcome["ok"]++
				case errors.Is(err, kafka.ErrBusy):
					outcome["busy"]++
				default:
					outcome[err.Error()]++
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		t.Log(outcome)
		t.Log(p.Buffered())
		e = start("9092")
		s = time.Now()
		t.Log(one("teams.chats"), time.Since(s))
		t.Log(one("teams.other"), time.Since(s))
		time.Sleep(3 * time.Second)
		t.Log(p.Buffered())
		t.Log(outcome)
		cc, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		t.Log(p.Close(cc))
		e.Close()
	})
}
