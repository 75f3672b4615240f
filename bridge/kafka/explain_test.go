package kafka_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

// Ensure that an error names the setting to look at, once, and stays what it was.
func TestExplain(t *testing.T) {
	t.Parallel()
	ours := errors.New("something else")
	for _, tt := range []struct {
		name   string
		config kafka.Config
		err    error
		want   string // "": the error itself
	}{
		{"nothing to say", kafka.Config{}, ours, ""},
		{"login", kafka.Config{SASL: "plain"}, kerr.SaslAuthenticationFailed, "check --kafka-user and --kafka-password-file ("},
		{"mechanism", kafka.Config{SASL: "scram-sha-256"}, kerr.UnsupportedSaslMechanism, "do not take --kafka-sasl scram-sha-256: "},
		{"no login wanted", kafka.Config{SASL: "plain"}, kerr.IllegalSaslState, "leave --kafka-sasl out"},
		{"group", kafka.Config{}, kerr.GroupAuthorizationFailed, "lacks Read on a consumer group"},
		{"transactional id", kafka.Config{}, kerr.TransactionalIDAuthorizationFailed, "lacks Write on a transactional id"},
		{"said already", kafka.Config{}, fmt.Errorf("read topic t: %w", kafka.Config{}.Explain(kerr.TopicAuthorizationFailed)), ""},
		{"alert, no certificate", kafka.Config{TLS: true}, errors.New("remote error: tls: certificate required"), "give --kafka-cert and --kafka-key ("},
		{"alert, a wrong one", kafka.Config{TLS: true, Cert: "c"}, errors.New("remote error: tls: bad certificate"), "check --kafka-cert and --kafka-key ("},
		{"alert of another kind", kafka.Config{TLS: true}, errors.New("remote error: tls: internal error"), ""},
		{"silence", kafka.Config{}, &kgo.ErrFirstReadEOF{}, "give --kafka-tls; if it wants a login, --kafka-sasl ("},
		{"silence after a login", kafka.Config{SASL: "plain"}, &kgo.ErrFirstReadEOF{}, "give --kafka-tls ("},
		{"silence after TLS", kafka.Config{TLS: true}, &kgo.ErrFirstReadEOF{}, "if that port wants a login, give --kafka-sasl ("},
		{"silence after both", kafka.Config{TLS: true, SASL: "plain"}, &kgo.ErrFirstReadEOF{}, ""},
		{"a connection that ends", kafka.Config{}, io.EOF, ""},
	} {
		got := tt.config.Explain(tt.err)
		switch {
		case !errors.Is(got, tt.err):
			t.Errorf("%s: %v is not the error that it was", tt.name, got)
		case tt.want == "" && got.Error() != tt.err.Error():
			t.Errorf("%s: %v", tt.name, got)
		case !strings.Contains(got.Error(), tt.want):
			t.Errorf("%s: %v, want %q", tt.name, got, tt.want)
		case tt.config.Explain(got).Error() != got.Error():
			t.Errorf("%s: explained twice: %v", tt.name, tt.config.Explain(got))
		}
	}
	if (kafka.Config{}).Explain(nil) != nil {
		t.Error("no error is explained")
	}
}
