package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Explain returns err, an error of a client made of c, with the setting to look
// at in front, where err tells which one that is.
func (c Config) Explain(err error) error {
	if _, done := errors.AsType[*explained](err); done || err == nil {
		return err
	}
	if word := c.suspect(err); word != "" {
		return &explained{word, err}
	}
	return err
}

// explained is an error that names the setting to look at.
type explained struct {
	word string
	err  error
}

// Error returns both.
func (e *explained) Error() string { return e.word + " (" + e.err.Error() + ")" }

// Unwrap returns what was explained.
func (e *explained) Unwrap() error { return e.err }

// suspect returns which setting of c is to be looked at for err, and why; "" if
// err does not tell.
func (c Config) suspect(err error) string {
	if word := c.suspectTLS(err); word != "" {
		return word
	}
	for _, s := range []struct {
		err  error
		word string
	}{
		{kerr.SaslAuthenticationFailed, "the brokers refuse our login: check --kafka-user and --kafka-password-file"},
		{kerr.UnsupportedSaslMechanism, fmt.Sprintf("the brokers do not take --kafka-sasl %s: choose one that they have switched on", c.SASL)},
		{kerr.IllegalSaslState, "the brokers want no login on that port: leave --kafka-sasl out, or give another port in --kafka-brokers"},
		{kerr.TopicAuthorizationFailed, "our user lacks a permission on a topic: see ACLs in docs/deploy.md"},
		{kerr.GroupAuthorizationFailed, "our user lacks Read on a consumer group: see ACLs in docs/deploy.md"},
		{kerr.TransactionalIDAuthorizationFailed, "our user lacks Write on a transactional id: see ACLs in docs/deploy.md"},
		{kerr.ClusterAuthorizationFailed, "our user lacks a permission on the cluster: see ACLs in docs/deploy.md"},
	} {
		if errors.Is(err, s.err) {
			return s.word
		}
	}
	return c.suspectSilence(err)
}

// needs returns err explained: that our user needs the permission there, if it says
// that it lacks one.
func needs(err error, permission string) error {
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) {
		return &explained{"our user needs " + permission + " there", err}
	}
	return err
}

// certificateAlerts are the words of crypto/tls for what a broker says of the
// certificate that it wants from us. They come after the handshake, with the first
// answer.
func certificateAlerts() []string {
	return []string{
		"certificate required", "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate",
		"unknown certificate", "unknown certificate authority",
	}
}

// suspectTLS is suspect for what either side says of TLS.
func (c Config) suspectTLS(err error) string {
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		if c.CA == "" {
			return "the brokers' certificate is of no authority that this system knows: name theirs by --kafka-ca"
		}
		return "the brokers' certificate is of no authority in --kafka-ca"
	}
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return "the brokers' certificate is for other names: write one of them in --kafka-brokers, and have the brokers advertise it"
	}
	if _, is := errors.AsType[x509.CertificateInvalidError](err); is {
		return "the brokers' certificate is not valid: renew it, or check this machine's clock"
	}
	const noTLS = "no TLS is spoken there: leave --kafka-tls out, or give a port with TLS in --kafka-brokers"
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return noTLS
	}
	if dial, is := errors.AsType[*net.OpError](err); is && c.TLS && dial.Op == "dial" && hungUp(dial.Err) {
		return "if no TLS is spoken there, leave --kafka-tls out, or give a port with TLS in --kafka-brokers; a broker that is starting or stopping hangs up, too"
	}
	if _, alert, is := strings.Cut(err.Error(), "remote error: tls: "); is {
		for _, a := range certificateAlerts() {
			switch {
			case !strings.HasPrefix(alert, a):
			case c.Cert == "":
				return "the brokers want to see a certificate: give --kafka-cert and --kafka-key"
			default:
				return "the brokers do not take our certificate: check --kafka-cert and --kafka-key"
			}
		}
	}
	return ""
}

// suspectSilence is suspect for a broker that ends a connection instead of saying
// what is wrong with it. One that is starting or stopping does so too.
func (c Config) suspectSilence(err error) string {
	_, first := errors.AsType[*kgo.ErrFirstReadEOF](err)
	// What a broker with TLS answers to a request without is, as an answer, one of
	// 352 MB: the client has no other word for it than a text.
	alert := !c.TLS && strings.Contains(err.Error(), "tls alert record")
	if !first && !alert {
		return ""
	}
	switch {
	case alert, !c.TLS && c.SASL != "":
		return "if that port is one with TLS, give --kafka-tls"
	case !c.TLS:
		return "if that port is one with TLS, give --kafka-tls; if it wants a login, --kafka-sasl"
	case c.SASL == "":
		return "if that port wants a login, give --kafka-sasl"
	}
	return ""
}

// hungUp reports whether the other side ended the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
