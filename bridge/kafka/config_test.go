package kafka_test

import (
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
