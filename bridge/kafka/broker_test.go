//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka"
)

// bubble is a broker with the topic t and a producer in virtual time.
type bubble struct {
	t       *testing.T
	net     *memNet
	cluster *kfake.Cluster
	p       *kafka.Producer
}

// simulate runs f in virtual time.
func simulate(t *testing.T, f func(bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"), kfake.ListenFn(n.Listen),
			kfake.BrokerConfigs(map[string]string{"message.max.bytes": "40000000"}))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		p, err := kafka.NewProducer(kafka.Config{Brokers: cluster.ListenAddrs(), Dialer: n.Dial},
			kafka.ProducerConfig{Compression: "none", MaxBufferedRecords: 10, MaxBufferedBytes: 4 << 20}, discard())
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(p)
		f(bubble{t, n, cluster, p})
	})
}

// answerProduce makes the broker answer each produce request with code, or do
// its work while code is 0.
func answerProduce(cluster *kfake.Cluster, code *atomic.Int32) {
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if code.Load() == 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.(*kmsg.ProduceRequest).Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic, t.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = rp.Partition, int16(code.Load())
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
}

// Ensure that every kind of refusal is told as what it is, and that the
// producer goes on afterwards.
func TestBrokerAnswers(t *testing.T) {
	small, large := 100, 2<<20
	for _, tt := range []struct {
		code *kerr.Error
		size int
		want error
		says string
	}{
		{kerr.MessageTooLarge, large, kafka.ErrTooLarge, "meetbridge topics apply"},
		{kerr.MessageTooLarge, small, kafka.ErrMisconfigured, "meetbridge topics apply"},
		{kerr.RecordListTooLarge, large, kafka.ErrTooLarge, "topic t"},
		{kerr.TopicAuthorizationFailed, small, kafka.ErrMisconfigured, "may not write to topic t"},
		{kerr.ClusterAuthorizationFailed, small, kafka.ErrMisconfigured, "IdempotentWrite"},
		{kerr.InvalidTimestamp, small, kafka.ErrMisconfigured, "clocks"},
		{kerr.InvalidRecord, small, kafka.ErrMisconfigured, "topic t"},
		{kerr.PolicyViolation, small, kafka.ErrMisconfigured, "policy"},
		{kerr.UnsupportedCompressionType, small, kafka.ErrMisconfigured, "--compression"},
		{kerr.UnknownServerError, small, kafka.ErrBusy, "topic t"},
		{kerr.KafkaStorageError, small, kafka.ErrBusy, "topic t"},
		{kerr.NotEnoughReplicas, small, kafka.ErrBusy, "topic t"},
		{kerr.NotLeaderForPartition, small, kafka.ErrBusy, "topic t"},
		{kerr.ThrottlingQuotaExceeded, small, kafka.ErrBusy, "topic t"},
	} {
		t.Run(tt.code.Message, func(t *testing.T) {
			simulate(t, func(b bubble) {
				t, cluster, p := b.t, b.cluster, b.p
				var code atomic.Int32
				answerProduce(cluster, &code)
				code.Store(int32(tt.code.Code))
				err := produce(p, "t", "k", strings.Repeat("x", tt.size))
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("produce: %v, want %v with %q", err, tt.want, tt.says)
				}
				for _, class := range []error{kafka.ErrBusy, kafka.ErrTooLarge, kafka.ErrMisconfigured} {
					if !errors.Is(tt.want, class) && errors.Is(err, class) {
						t.Errorf("produce: %v, which is %v too", err, class)
					}
				}
				code.Store(0)
				started := time.Now()
				for err != nil && time.Since(started) < 5*time.Second {
					err = produce(p, "t", "k", "v")
				}
				if err != nil {
					t.Errorf("produce after the cure: %v", err)
				}
			})
		})
	}
}

// Ensure that a transient answer is not told at all.
func TestTransientAnswers(t *testing.T) {
	simulate(t, func(b bubble) {
		t, cluster, p := b.t, b.cluster, b.p
		var code atomic.Int32
		answerProduce(cluster, &code)
		for _, answer := range []*kerr.Error{
			kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
			kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID,
		} {
			code.Store(int32(answer.Code))
			time.AfterFunc(time.Second, func() { code.Store(0) })
			if err := produce(p, "t", "k", "v"); err != nil {
				t.Errorf("%s for a second: %v", answer.Message, err)
			}
		}
	})
}

// Ensure that a missing topic is told at once, and that it is enough to make
// it.
func TestUnknownTopic(t *testing.T) {
	simulate(t, func(b bubble) {
		t, n, cluster, p := b.t, b.net, b.cluster, b.p
		for range 3 {
			started := time.Now()
			err := produce(p, "teams.chats", "k", "v")
			if !errors.Is(err, kafka.ErrMisconfigured) || !strings.Contains(err.Error(), "topic teams.chats does not exist: run `meetbridge topics apply`") {
				t.Errorf("produce: %v, want ErrMisconfigured with the topic and the command", err)
			}
			if took := time.Since(started); took > time.Second {
				t.Errorf("it took %v to tell, want less than a second", took)
			}
		}
		adm := admin(t, cluster, n)
		if _, err := adm.CreateTopic(context.Background(), 12, 1, nil, "teams.chats"); err != nil {
			t.Fatal(err)
		}
		if err := produce(p, "teams.chats", "k", "v"); err != nil {
			t.Errorf("produce to the topic made: %v", err)
		}
	})
}

// Ensure that a topic which is deleted and made anew works without a restart.
func TestTopicMadeAnew(t *testing.T) {
	simulate(t, func(b bubble) {
		t, n, cluster, p := b.t, b.net, b.cluster, b.p
		if err := produce(p, "t", "k", "v"); err != nil {
			t.Fatal(err)
		}
		adm := admin(t, cluster, n)
		if _, err := adm.DeleteTopic(context.Background(), "t"); err != nil {
			t.Fatal(err)
		}
		if err := produce(p, "t", "k", "v"); !errors.Is(err, kafka.ErrMisconfigured) {
			t.Errorf("produce to a deleted topic: %v, want ErrMisconfigured", err)
		}
		if _, err := adm.CreateTopic(context.Background(), 3, 1, nil, "t"); err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		err := errNoAnswer
		for err != nil && time.Since(started) < 2*time.Second {
			err = produce(p, "t", "k", "v")
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			t.Errorf("produce to the topic made anew: %v", err)
		}
	})
}

// Ensure that a producer whose user had no permission works as soon as it is
// granted, without a restart.
func TestProducerRefused(t *testing.T) {
	simulate(t, func(b bubble) {
		t, cluster, p := b.t, b.cluster, b.p
		var granted atomic.Bool
		cluster.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if granted.Load() {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
			resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return resp, nil, true
		})
		silent := 0
		for range 50 {
			err := produce(p, "t", "k", "v")
			if errors.Is(err, errNoAnswer) { // once in a while the client says nothing until it is given the next record
				silent++
			} else if !errors.Is(err, kafka.ErrMisconfigured) && !errors.Is(err, kafka.ErrBusy) {
				t.Errorf("produce without permission: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if silent > 5 {
			t.Errorf("no answer %d times", silent)
		}
		granted.Store(true)
		started := time.Now()
		err := errNoAnswer
		for err != nil && time.Since(started) < 3*time.Second {
			err = produce(p, "t", "k", "v")
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("produce with permission: %v", err)
		}
	})
}

// Ensure that a refused login is told as ours, with the flags to look at, and
// not with the password (I4).
func TestLoginRefused(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "password"), "hunter2")
	simulate(t, func(b bubble) {
		t, n, cluster := b.t, b.net, b.cluster
		cluster.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			return req.ResponseKind(), nil, true
		})
		cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return resp, nil, true
		})
		p, err := kafka.NewProducer(kafka.Config{
			Brokers: cluster.ListenAddrs(), Dialer: n.Dial, SASL: "plain", User: "bridge", PasswordFile: file,
		}, kafka.ProducerConfig{}, discard())
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(p)
		err = produce(p, "t", "k", "v")
		if !errors.Is(err, kafka.ErrMisconfigured) || !strings.Contains(err.Error(), "--kafka-password-file") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("produce: %v, want ErrMisconfigured with the flag", err)
		}
		if err := p.Ping(t.Context()); !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("Ping() = %v, want the brokers' answer", err)
		}
	})
}

// Ensure that beyond the bounds of the buffer records fail at once.
func TestBufferFull(t *testing.T) {
	for _, tt := range []struct {
		name      string
		size, fit int
	}{
		{"records", 10, 10},
		{"bytes", 1 << 20, 3}, // of 4 MiB, since keys count too
	} {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(b bubble) {
				t, n, p := b.t, b.net, b.p
				n.Cut(true)
				var failed, done atomic.Int32
				started := time.Now()
				for range 100 {
					p.Produce(&kgo.Record{Topic: "t", Key: []byte("k"), Value: make([]byte, tt.size)}, func(err error) {
						done.Add(1)
						if errors.Is(err, kafka.ErrBusy) && errors.Is(err, kgo.ErrMaxBuffered) {
							failed.Add(1)
						}
					})
				}
				synctest.Wait()
				if time.Since(started) > 0 {
					t.Errorf("Produce() blocked for %v", time.Since(started))
				}
				records, bytes := p.Buffered()
				if int(failed.Load()) != 100-tt.fit || int(records) != tt.fit || int(bytes) != tt.fit*(tt.size+1) {
					t.Errorf("%d failed, %d records of %d bytes are buffered, want %d and %d", failed.Load(), records, bytes, 100-tt.fit, tt.fit)
				}
				// None was ever sent, so none may stay.
				time.Sleep(15 * time.Second)
				if records, _ := p.Buffered(); records != 0 || done.Load() != 100 {
					t.Errorf("%d records are buffered, %d are done, want 0 and 100", records, done.Load())
				}
				n.Cut(false)
				if err := produce(p, "t", "k", "v"); err != nil {
					t.Errorf("produce afterwards: %v", err)
				}
			})
		})
	}
}

func admin(t *testing.T, cluster *kfake.Cluster, n *memNet) *kadm.Client {
	t.Helper()
	adm, err := kafka.NewAdmin(kafka.Config{Brokers: cluster.ListenAddrs(), Dialer: n.Dial}, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adm.Close)
	return adm
}
