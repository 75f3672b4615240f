package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/alecthomas/units"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// How long one step with Kafka may take. Together they let a producer flow
// again within about a second of Kafka's return: a dial that hangs is given up
// and tried anew before a TCP stack would send its third SYN, and no pause
// between two tries is longer than maxBackoff.
const (
	dialTimeout     = 2 * time.Second
	requestOverhead = 4 * time.Second // for writing a request, and for its answer beyond its own time limit; then the connection is cut
	minBackoff      = 50 * time.Millisecond
	maxBackoff      = time.Second
	metadataMinAge  = 250 * time.Millisecond
	metadataMaxAge  = time.Minute
	idleTimeout     = time.Minute // less than brokers (10 min) and load balancers (from 4 min) take to hang up silently
)

// DialFunc opens a connection; net.Dialer.DialContext is one.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Config is how to reach Kafka: the --kafka-* flags of every command that
// does. Its struct tags are the command line's table. The zero value means
// nothing; Brokers must be set.
type Config struct {
	Brokers      []string `name:"kafka-brokers" default:"127.0.0.1:9092" placeholder:"HOST:PORT,..." help:"Kafka brokers to start from; the others are learned from them."`
	TLS          bool     `name:"kafka-tls" help:"Speak TLS to Kafka."`
	CA           string   `name:"kafka-ca" placeholder:"FILE" help:"PEM file with the certificates that may sign the brokers' ones, instead of the system's. Needs --kafka-tls."`
	Cert         string   `name:"kafka-cert" placeholder:"FILE" help:"PEM file with our client certificate, read at each new connection. Needs --kafka-tls and --kafka-key."`
	Key          string   `name:"kafka-key" placeholder:"FILE" help:"PEM file with the private key of --kafka-cert, read at each new connection."`
	SASL         string   `name:"kafka-sasl" placeholder:"MECHANISM" help:"How to log in to Kafka: plain, scram-sha-256, scram-sha-512 or oauthbearer. Empty: no login."`
	User         string   `name:"kafka-user" placeholder:"NAME" help:"User for plain and scram."`
	PasswordFile string   `name:"kafka-password-file" placeholder:"FILE" help:"File with the password, or for oauthbearer with the token; read at each new connection, so it may be replaced at any time."`

	MaxMessage units.Base2Bytes `name:"kafka-max-message" default:"32832KiB" placeholder:"SIZE" help:"Largest message that the topics take: topics apply sets their max.message.bytes to it, and ingest wants at least that. Make it smaller where the brokers take no more, as 1000KiB on Event Hubs: what is larger is set aside, and where it is larger even so, only a description of it."`

	ClientID string     `kong:"-"` // shown in the brokers' logs and quotas; "" means meetbridge
	Dialer   DialFunc   `kong:"-"` // opens the connections, below TLS; nil: a net.Dialer
	Hooks    []kgo.Hook `kong:"-"` // further hooks, such as tracing
}

// Options returns the kgo options that c stands for. They suit producers,
// consumers and admin clients alike. An error names the flag that is wrong and
// what would be right. Files are read once here, so that a wrong one is known
// at start, and again at each connection.
func (c Config) Options(log *slog.Logger) ([]kgo.Opt, error) {
	if err := c.checkBrokers(); err != nil {
		return nil, err
	}
	if n := c.maxMessage(); n < leastMessageBytes || n > MaxMessageBytes {
		return nil, fmt.Errorf("--kafka-max-message is %s: must be between %s and %s", units.Base2Bytes(n), units.Base2Bytes(leastMessageBytes), units.Base2Bytes(MaxMessageBytes))
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	id := c.ClientID
	if id == "" {
		id = "meetbridge"
	}
	opts := []kgo.Opt{
		kgo.ClientID(id),
		kgo.SeedBrokers(c.Brokers...),
		kgo.Dialer(c.dialer(tlsConfig)),
		kgo.RequestTimeoutOverhead(requestOverhead),
		kgo.ConnIdleTimeout(idleTimeout),
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.MetadataMaxAge(metadataMaxAge),
		kgo.WithLogger(newClientLog(log, c.suspect)),
		// Meetbridge has its own metrics; nothing is to be pushed to brokers.
		kgo.DisableClientMetrics(),
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
		if tlsConfig == nil && c.SASL != saslScram256 && c.SASL != saslScram512 {
			log.Warn("kafka password or token goes over the network unencrypted", "kafka_sasl", c.SASL, "fix", "--kafka-tls")
		}
	}
	if len(c.Hooks) > 0 {
		opts = append(opts, kgo.WithHooks(c.Hooks...))
	}
	return opts, nil
}

// NewAdmin returns an admin client for the topics functions of this package.
// The caller closes it. No connection is made yet.
func NewAdmin(c Config, log *slog.Logger) (*kadm.Client, error) {
	opts, err := c.Options(log)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("set up kafka admin client: %w", err)
	}
	return kadm.NewClient(client), nil
}

func (c Config) checkBrokers() error {
	if len(c.Brokers) == 0 {
		return errors.New("--kafka-brokers is empty: give at least one host:port")
	}
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		if err != nil || host == "" {
			return fmt.Errorf("--kafka-brokers: %q is not host:port", b)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("--kafka-brokers: %q has no port from 1 to 65535", b)
		}
	}
	return nil
}

// dialer returns what opens one connection, TLS handshake included, within
// dialTimeout.
func (c Config) dialer(tlsConfig *tls.Config) DialFunc {
	dial := c.Dialer
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil || tlsConfig == nil {
			return conn, err
		}
		named := tlsConfig.Clone()
		named.ServerName, _, err = net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("dial kafka broker: %w", err), conn.Close())
		}
		secured := tls.Client(conn, named)
		if err := secured.HandshakeContext(ctx); err != nil {
			// A *net.OpError with Op dial is what kgo takes for "try another broker".
			return nil, errors.Join(&net.OpError{Op: "dial", Net: network, Addr: conn.RemoteAddr(), Err: err}, conn.Close())
		}
		return secured, nil
	}
}

// backoff returns the pause after the given number of failures in a row:
// doubling from minBackoff up to maxBackoff, with a fifth of jitter so that
// replicas do not return in step.
func backoff(fails int) time.Duration {
	d := maxBackoff
	if fails < 6 {
		d = min(maxBackoff, minBackoff<<max(0, fails-1))
	}
	return time.Duration((0.8 + 0.2*rand.Float64()) * float64(d))
}
