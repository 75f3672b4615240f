package kafka

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// What became of a record that is not in Kafka. Every error that Produce
// reports wraps exactly one of these.
var (
	// ErrBusy says that the record may well go through when it is produced
	// again: Kafka is away or slow, or too much is in flight.
	ErrBusy = errors.New("kafka: busy")
	// ErrTooLarge says that the record is larger than its topic takes. It will
	// never go through as it is.
	ErrTooLarge = errors.New("kafka: record too large")
	// ErrMisconfigured says that Kafka refuses for a reason which somebody has
	// to mend: a topic or a permission is missing, the login is wrong. The
	// record is good and goes through afterwards; no restart is needed.
	ErrMisconfigured = errors.New("kafka: misconfigured")
)

// classify turns an error of the client's into one of this package's, with the
// reason in words. size is what Produce was given, in bytes.
func classify(topic string, size int, err error) error {
	if err == nil {
		return nil
	}
	// The broker refuses a batch, and the client then fails every record that
	// waits for the same partition. Produce has measured each record before,
	// so the topic takes less than it was created for. Whoever is above what
	// Kafka takes by default is taken for the culprit; its neighbours go again.
	if errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) {
		if size > brokerDefaultBytes {
			return fmt.Errorf("%w: %d bytes are more than topic %s takes: raise its max.message.bytes by `meetbridge topics apply`, or say --kafka-max-message where the brokers take no more: %w", ErrTooLarge, size, topic, err)
		}
		return fmt.Errorf("%w: topic %s takes smaller batches than it was created for: run `meetbridge topics apply`: %w", ErrMisconfigured, topic, err)
	}
	if fix := refusal(topic, err); fix != "" {
		return fmt.Errorf("%w: %s: %w", ErrMisconfigured, fix, err)
	}
	// All the rest heals by itself or by trying again: the buffer is full
	// (kgo.ErrMaxBuffered), the time is over (context.Canceled), the
	// producer closes (kgo.ErrClientClosed), the network fails (net.Error,
	// io.EOF), leaders move and replicas lag (retriable kerr codes), or a
	// broker cannot say what ails it (UNKNOWN_SERVER_ERROR, storage errors).
	return fmt.Errorf("%w: produce to topic %s: %w", ErrBusy, topic, err)
}

// refusal returns what somebody has to mend when Kafka, or the client on its
// behalf, refuses with err; "" for an error that is no such refusal.
func refusal(topic string, err error) string {
	for _, r := range []struct {
		err error
		fix string // %s is the topic
	}{
		{kerr.UnknownTopicOrPartition, "topic %s does not exist: run `meetbridge topics apply`"},
		{kerr.UnknownTopicID, "topic %s was deleted: run `meetbridge topics apply`"},
		{kerr.InvalidTopicException, "topic name %s is not allowed: change --topic-prefix"},
		{kerr.TopicAuthorizationFailed, "our user may not write to topic %s: grant it Describe and Write there"},
		{kerr.ClusterAuthorizationFailed, "our user may not write at all (seen on topic %s): grant it Write on the topics, and IdempotentWrite on the cluster before Kafka 3.0"},
		{kerr.SaslAuthenticationFailed, "the brokers refuse our login (seen on topic %s): check --kafka-user and --kafka-password-file"},
		{kerr.UnsupportedSaslMechanism, "the brokers do not know our way to log in (seen on topic %s): check --kafka-sasl"},
		{kerr.IllegalSaslState, "the brokers want another login (seen on topic %s): check --kafka-sasl"},
		{kerr.SecurityDisabled, "the brokers have no login (seen on topic %s): leave --kafka-sasl out"},
		{kerr.InvalidTimestamp, "the record's time is too far from the broker's for topic %s: check the clocks, and message.timestamp.after.max.ms"},
		{kerr.InvalidRecord, "topic %s takes no such record: compare its settings by `meetbridge topics plan`"},
		{kerr.PolicyViolation, "a policy of the brokers refuses the record for topic %s"},
		{kerr.UnsupportedForMessageFormat, "the brokers are too old for topic %s: Kafka 2.1 or later is needed"},
		{kerr.UnsupportedVersion, "the brokers are too old for topic %s: Kafka 2.1 or later is needed"},
		{kerr.UnsupportedCompressionType, "topic %s does not take our compression: change --compression"},
	} {
		if errors.Is(err, r.err) {
			return fmt.Sprintf(r.fix, topic)
		}
	}
	return ""
}
