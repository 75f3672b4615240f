package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/process"
	"meetbridge/bridge/sealed"
	"meetbridge/ingest/token"
)

// What /readyz says of what is missing.
var (
	errDraining     = errors.New("shutting down")
	errUnregistered = errors.New("schemas are not registered yet: is the registry at --registry-url?")
	errTopics       = errors.New("topics are not verified yet: is Kafka at --kafka-brokers?")
	errNoKey        = errors.New("no usable decryption key: put <encryptionCertificateId>.pem into --decryption-keys (meetbridge keys new makes one)")
)

// topicsSettle is how long topics may be other than they should: a broker hears of
// what was made or changed a little later than whoever did it.
const topicsSettle = 5 * time.Second

// prepareTopics makes (with --create-topics) and verifies the topics, trying
// until Kafka answers or ctx ends. An error is one that waiting does not cure:
// topics that are missing or of another size than the records need.
func (s *Server) prepareTopics(ctx context.Context, cfg Config, log *slog.Logger) error {
	adm, err := kafka.NewAdmin(cfg.Kafka, log)
	if err != nil {
		return err
	}
	defer adm.Close()
	want := cfg.Kafka.WantedTopics(cfg.TopicPrefix, cfg.TopicPartitions, cfg.TopicReplication)
	var wrong time.Time // since when the topics are not as they should be
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := cfg.Kafka.Explain(tryTopics(ctx, adm, want, cfg.CreateTopics))
		if wrong.IsZero() && errors.Is(err, kafka.ErrTopics) {
			wrong = time.Now()
		}
		switch {
		case err == nil:
			s.topicsOK.Store(true)
			s.log.InfoContext(ctx, "topics verified", "count", len(want))
			return nil
		case errors.Is(err, kafka.ErrTopics) && time.Since(wrong) >= topicsSettle:
			return err
		case ctx.Err() != nil:
			return nil // we are ending: that is why
		}
		s.log.WarnContext(ctx, "topics not verified yet", "error", err, "retry_in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func tryTopics(ctx context.Context, adm *kadm.Client, want []kafka.TopicWant, create bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if create {
		if _, err := kafka.ApplyTopics(ctx, adm, want); err != nil {
			return err
		}
	}
	return kafka.VerifyTopics(ctx, adm, want)
}

func (s *Server) checkKafka(p *kafka.Producer) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := p.Ping(ctx); err != nil {
			return "", err
		}
		if !s.topicsOK.Load() {
			return "", errTopics
		}
		return "", nil
	}
}

// checkRegistry asks for the ids only: once they are known the registry may go
// away, and records go on.
func (s *Server) checkRegistry(context.Context) (string, error) {
	if !s.outlet.registered() {
		return "", errUnregistered
	}
	return "", nil
}

func (s *Server) checkDrain(context.Context) (string, error) {
	if s.handler.draining.Load() {
		return "", errDraining
	}
	return "", nil
}

// checkStates is always well, since nothing empty is ever taken; it shows what
// is in use.
func checkStates(w *process.Watched[bridge.ClientStateKeys]) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		keys, literals := w.Get().Len()
		return count(keys, "key") + ", " + count(literals, "literal value"), nil
	}
}

func checkRing(ring func() *sealed.Ring) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		n := ring().Len()
		if n == 0 {
			return "", errNoKey
		}
		return fmt.Sprintf("%s: %s", count(n, "key"), strings.Join(ring().IDs(), ", ")), nil
	}
}

// gauges registers what is read when it is scraped.
func (s *Server) gauges(reg *prometheus.Registry, ring func() *sealed.Ring, verifier *token.Verifier) {
	a, o := s.handler.admission, s.outlet
	gauge(reg, "in_flight_requests", "POSTs under way, those whose records Kafka has not acknowledged yet among them.",
		func() float64 { return float64(a.requests.Load()) })
	gauge(reg, "in_flight_bytes", "Bytes of the bodies of the POSTs under way.",
		func() float64 { return float64(a.bytes.Load()) })
	gauge(reg, "opening_wait_seconds", "How long a sealed item that came now would wait to be opened, in seconds; beyond 0.4 POSTs with sealed items get 503.",
		func() float64 { return s.handler.pipeline.opener.wait().Seconds() })
	gauge(reg, "recent_ids", "Event ids that are remembered to recognise redeliveries.",
		func() float64 { return float64(o.recent.size()) })
	gauge(reg, "recent_ids_lag_seconds", "How old the announcement of event ids that was read last was when it was read, in seconds: the time in which a redelivery to another replica is not recognised yet.",
		func() float64 { return time.Duration(s.gossip.lag.Load()).Seconds() })
	gauge(reg, "recent_ids_hearing", "1 while announcements of event ids can be read, else 0: redeliveries of what other replicas took are produced again then.",
		func() float64 { return truth(s.gossip.hearing.Load()) })
	gauge(reg, "key_set_ready", "1 when a published key set is known, so that validation tokens can be checked, else 0.",
		func() float64 { return truth(verifier.Ready() == nil) })
	gauge(reg, "key_set_age_seconds", "Time since the key set that was fetched longest ago was fetched, in seconds; 0 before the first fetch. The keys stay good for a day.",
		func() float64 { return keySetAge(verifier.KeySets(), time.Now()).Seconds() })
	gauge(reg, "decryption_keys", "Usable decryption keys.",
		func() float64 { return float64(ring().Len()) })
	gauge(reg, "kafka_away", "1 while Kafka acknowledges nothing and POSTs are sent away at once, else 0.",
		func() float64 { return truth(o.kafka.away()) })
	gauge(reg, "registry_ready", "1 when the schemas have their ids, else 0.",
		func() float64 { return truth(o.registered()) })
	gauge(reg, "topics_ready", "1 when the topics were verified, else 0.",
		func() float64 { return truth(s.topicsOK.Load()) })
	gauge(reg, "draining", "1 while the process shuts down, else 0.",
		func() float64 { return truth(s.handler.draining.Load()) })
}

// count returns "1 key" or "2 keys".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func keySetAge(sets []token.KeySetState, now time.Time) (oldest time.Duration) {
	for _, set := range sets {
		if !set.Fetched.IsZero() {
			oldest = max(oldest, now.Sub(set.Fetched))
		}
	}
	return oldest
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
