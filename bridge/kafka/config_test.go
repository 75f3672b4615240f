package kafka_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka"
)

func TestOptionsErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := writeFile(t, filepath.Join(dir, "password"), "hunter2\n")
	empty := writeFile(t, filepath.Join(dir, "empty"), "\n")
	garbage := writeFile(t, filepath.Join(dir, "garbage.pem"), "no PEM")
	absent := filepath.Join(dir, "absent")
	ca, cert, key := newAuthority(t, dir)
	brokers := []string{"127.0.0.1:9092"}
	for _, tt := range []struct {
		name   string
		config kafka.Config
		want   string // a part of the error; "" for none
	}{
		{"plain connection", kafka.Config{Brokers: brokers}, ""},
		{"no broker", kafka.Config{}, "--kafka-brokers is empty"},
		{"broker without port", kafka.Config{Brokers: []string{"kafka"}}, `--kafka-brokers: "kafka" is not host:port`},
		{"broker without host", kafka.Config{Brokers: []string{":9092"}}, `--kafka-brokers: ":9092" is not host:port`},
		{"broker with URL", kafka.Config{Brokers: []string{"https://kafka:9092"}}, "--kafka-brokers"},
		{"port zero", kafka.Config{Brokers: []string{"kafka:0"}}, "no port from 1 to 65535"},
		{"port by name", kafka.Config{Brokers: []string{"kafka:kafka"}}, "no port from 1 to 65535"},

		{"TLS", kafka.Config{Brokers: brokers, TLS: true}, ""},
		{"TLS with all files", kafka.Config{Brokers: brokers, TLS: true, CA: ca, Cert: cert, Key: key}, ""},
		{"CA without TLS", kafka.Config{Brokers: brokers, CA: ca}, "--kafka-ca is given without --kafka-tls"},
		{"certificate without TLS", kafka.Config{Brokers: brokers, Cert: cert, Key: key}, "--kafka-cert is given without --kafka-tls"},
		{"certificate without key", kafka.Config{Brokers: brokers, TLS: true, Cert: cert}, "without --kafka-key"},
		{"key without certificate", kafka.Config{Brokers: brokers, TLS: true, Key: key}, "without --kafka-cert"},
		{"absent CA", kafka.Config{Brokers: brokers, TLS: true, CA: absent}, "--kafka-ca: open "},
		{"CA without PEM", kafka.Config{Brokers: brokers, TLS: true, CA: garbage}, "holds no PEM certificate"},
		{"certificate without PEM", kafka.Config{Brokers: brokers, TLS: true, Cert: garbage, Key: key}, "--kafka-cert, --kafka-key: "},

		{"plain", kafka.Config{Brokers: brokers, SASL: "plain", User: "u", PasswordFile: secret}, ""},
		{"SCRAM 256", kafka.Config{Brokers: brokers, SASL: "scram-sha-256", User: "u", PasswordFile: secret}, ""},
		{"SCRAM 512", kafka.Config{Brokers: brokers, SASL: "scram-sha-512", User: "u", PasswordFile: secret}, ""},
		{"token", kafka.Config{Brokers: brokers, SASL: "oauthbearer", PasswordFile: secret}, ""},
		{"unknown mechanism", kafka.Config{Brokers: brokers, SASL: "gssapi", User: "u", PasswordFile: secret}, `--kafka-sasl: "gssapi" is none of`},
		{"user without mechanism", kafka.Config{Brokers: brokers, User: "u"}, "--kafka-user is given without --kafka-sasl"},
		{"password without mechanism", kafka.Config{Brokers: brokers, PasswordFile: secret}, "--kafka-password-file is given without --kafka-sasl"},
		{"no user", kafka.Config{Brokers: brokers, SASL: "plain", PasswordFile: secret}, "needs --kafka-user"},
		{"token with user", kafka.Config{Brokers: brokers, SASL: "oauthbearer", User: "u", PasswordFile: secret}, "has no user"},
		{"no password", kafka.Config{Brokers: brokers, SASL: "scram-sha-512", User: "u"}, "needs --kafka-password-file"},
		{"absent password", kafka.Config{Brokers: brokers, SASL: "plain", User: "u", PasswordFile: absent}, "--kafka-password-file: open "},
		{"empty password", kafka.Config{Brokers: brokers, SASL: "plain", User: "u", PasswordFile: empty}, "is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.config.Options(discard())
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Options() = %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Options() = %v, want an error with %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("Options() = %v, which tells the password (I4)", err)
			}
		})
	}
}

// Ensure that each way to log in works, and that a corrected password file is
// enough for a record that waits to go through.
func TestLogin(t *testing.T) {
	t.Parallel()
	for sasl, method := range map[string]string{"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"} {
		t.Run(sasl, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, kfake.EnableSASL(), kfake.Superuser(method, "bridge", "right"), kfake.SeedTopics(1, "t"))
			file := writeFile(t, filepath.Join(t.TempDir(), "password"), "wrong")
			p := newProducer(t, kafka.Config{Brokers: cluster.ListenAddrs(), SASL: sasl, User: "bridge", PasswordFile: file}, kafka.ProducerConfig{})
			done := make(chan error, 1)
			p.Produce(&kgo.Record{Topic: "t", Value: []byte("v")}, func(err error) { done <- err })
			select {
			case err := <-done:
				t.Fatalf("with a wrong password the record is done: %v", err)
			case <-time.After(500 * time.Millisecond):
			}
			writeFile(t, file, "right\r\n")
			select {
			case err := <-done:
				if err != nil {
					t.Fatalf("with the right password: %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the right password does not help")
			}
		})
	}
}

// Ensure that a refused login is told as ours, with the flags to look at.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
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
	file := writeFile(t, filepath.Join(t.TempDir(), "password"), "hunter2")
	p := newProducer(t, kafka.Config{Brokers: cluster.ListenAddrs(), SASL: "plain", User: "bridge", PasswordFile: file}, kafka.ProducerConfig{})
	started := time.Now()
	err := produce(p, "t", "k", "v")
	if !errors.Is(err, kafka.ErrMisconfigured) || !strings.Contains(err.Error(), "--kafka-password-file") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("produce: %v, want ErrMisconfigured with the flag", err)
	}
	t.Log(time.Since(started))
	t.Log(p.Ping(t.Context()))
}

// Ensure that the token is read from its file for each connection.
func TestLoginWithToken(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	var token, mechanism atomic.Value
	cluster.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		mechanism.Store(req.(*kmsg.SASLHandshakeRequest).Mechanism)
		return req.ResponseKind(), nil, true
	})
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		token.Store(string(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes))
		return req.ResponseKind(), nil, true
	})
	file := writeFile(t, filepath.Join(t.TempDir(), "token"), "")
	for _, want := range []string{"first-token", "second-token"} {
		writeFile(t, file, want+"\n")
		p := newProducer(t, kafka.Config{Brokers: cluster.ListenAddrs(), SASL: "oauthbearer", PasswordFile: file}, kafka.ProducerConfig{})
		if err := p.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := token.Load().(string); !strings.Contains(got, "auth=Bearer "+want+"\x01") || mechanism.Load() != "OAUTHBEARER" {
			t.Errorf("%v sent %q, want the token %q", mechanism.Load(), got, want)
		}
	}
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startCluster runs one broker until the test ends.
func startCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// newProducer returns a producer that is closed, unflushed, when the test ends.
func newProducer(t *testing.T, c kafka.Config, pc kafka.ProducerConfig) *kafka.Producer {
	t.Helper()
	p, err := kafka.NewProducer(c, pc, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(p) })
	return p
}

// produce produces one record and waits for what becomes of it.
func produce(p *kafka.Producer, topic, key, value string) error {
	done := make(chan error, 1)
	p.Produce(&kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		return errors.New("no answer in 30 s")
	}
}

// eventually waits until f returns nil.
func eventually(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
