package ingest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/kafka"
)

// Config holds everything an ingest process can be told. Its tags are the
// table of flags, environment variables and YAML keys (DESIGN §7).
type Config struct {
	Listen      string `default:":8080" help:"Address of the public port, where Graph posts." placeholder:"HOST:PORT" group:"HTTP"`
	TLSCert     string `name:"tls-cert" help:"Certificate chain (PEM) of the public port; reread when it changes. Empty: plain HTTP, for use behind a proxy that ends TLS." placeholder:"FILE" group:"HTTP"`
	TLSKey      string `name:"tls-key" help:"Private key (PEM) of --tls-cert; reread when it changes." placeholder:"FILE" group:"HTTP"`
	AdminListen string `default:"127.0.0.1:9090" help:"Address of the admin port: /livez, /readyz, /metrics, /debug/pprof. Never make it public." placeholder:"HOST:PORT" group:"HTTP"`

	AnswerWithin     time.Duration    `default:"2.5s" help:"Budget of one POST from its arrival to its answer; beyond it the answer is 503 and Graph sends again. Between 100ms and 2.8s: Graph counts answers over 2.9 s as slow." group:"HTTP"`
	MaxBody          units.Base2Bytes `default:"16MiB" help:"Largest body of a POST; a larger one is answered with 413." group:"HTTP"`
	MaxInFlight      int              `default:"4096" help:"POSTs that may be under way at once; one more is answered with 503 at once." group:"HTTP"`
	MaxInFlightBytes units.Base2Bytes `default:"64MiB" help:"Bytes of bodies that may be under way at once, those that Kafka has not acknowledged yet among them; beyond it the answer is 503 at once." group:"HTTP"`

	Kafka            kafka.Config         `embed:"" group:"Kafka"`
	Producer         kafka.ProducerConfig `embed:"" group:"Kafka"`
	Registry         kafka.RegistryConfig `embed:"" group:"Schema registry"`
	TopicPrefix      string               `default:"teams." help:"What every topic's name begins with." group:"Kafka"`
	CreateTopics     bool                 `help:"Make the topics that are missing at start (see: meetbridge topics plan)." group:"Kafka"`
	TopicPartitions  int32                `default:"12" help:"Partitions of every record topic: the same for all, so that equal keys meet in equal partitions." group:"Kafka"`
	TopicReplication int16                `default:"-1" help:"Replicas of each topic made by --create-topics; -1 takes the broker's default." group:"Kafka"`

	Trust

	Content
	RecentIDs int `name:"recent-ids" default:"500000" help:"How many event ids of the last 4 h are remembered to recognise redeliveries; about 40 bytes each. Beyond it the oldest are forgotten, and their redeliveries are produced again." group:"Records"`

	QuarantineRate units.Base2Bytes `default:"1MiB" help:"Bytes a second of items without a good clientState that are kept in quarantine; those beyond are counted only. A burst of 64 times as much is allowed." group:"Records"`

	OTLPEndpoint string `name:"otlp-endpoint" help:"URL of an OpenTelemetry collector (OTLP over HTTP) that gets a span per POST. Empty: no tracing." placeholder:"URL" group:"Observing"`

	// Wiring that has no flag: whoever embeds the server sets it; zero is right
	// otherwise.
	Listener      net.Listener         `kong:"-"` // instead of Listen
	AdminListener net.Listener         `kong:"-"` // instead of AdminListen
	AuthorityHTTP *http.Client         `kong:"-"` // fetches the key sets
	Metrics       *prometheus.Registry `kong:"-"` // nil: a fresh one
	// OpenAtOnce is how many sealed items are decrypted at once; zero: as many as
	// goroutines run at once (GOMAXPROCS). With fewer, the rest of the work never
	// waits for a whole private-key operation.
	OpenAtOnce int `kong:"-"`
}

// Trust holds what decides whether an item is genuine, and opens it; a replay
// of the quarantine goes by it too.
type Trust struct {
	DecryptionKeys  string   `help:"Directory of <encryptionCertificateId>.pem files, each with a private key and, if there, its certificate; watched. Empty: sealed notifications go to quarantine." placeholder:"DIR" group:"Trust"`
	AppIDs          []string `name:"app-ids" help:"Application ids that validation tokens may be made for, separated by commas. Empty: sealed notifications go to quarantine." placeholder:"ID" group:"Trust"`
	EntraAuthority  string   `default:"https://login.microsoftonline.com" help:"Base URL of the authority whose key sets sign validation tokens; another one for national clouds. Plain http on loopback only." placeholder:"URL" group:"Trust"`
	EntraSTS        string   `name:"entra-sts" default:"https://sts.windows.net" help:"Base URL of the issuer in version 1.0 tokens. Plain http on loopback only." placeholder:"URL" group:"Trust"`
	EntraCA         string   `name:"entra-ca" help:"PEM file with certificates that may sign the authority's, beside the system's." placeholder:"FILE" group:"Trust"`
	ClientStateKeys string   `help:"File of the keys that our clientState MACs are made with, one \"<key id> <base64>\" a line; reread when it changes." placeholder:"FILE" group:"Trust"`
	ClientStates    string   `help:"File of literal clientState values of subscriptions made elsewhere, one a line; reread when it changes." placeholder:"FILE" group:"Trust"`
}

// Content is the choice of what records hold.
type Content struct {
	Payload string `enum:"keep,drop" default:"keep" help:"Whether records carry the opened resource's JSON text (keep) or only the typed fields (drop)." group:"Records"`
}

// Check returns one error per wrong setting, each naming its flag. It reads
// the files that are named, and asks nothing of anybody.
func (c Config) Check() error {
	errs := c.checkParts()
	check := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check((c.TLSCert == "") != (c.TLSKey == ""), "--tls-cert and --tls-key go together: set both or neither")
	check(c.AnswerWithin < 100*time.Millisecond || c.AnswerWithin > 2800*time.Millisecond, "--answer-within is %s: must be between 100ms and 2.8s", c.AnswerWithin)
	check(c.Payload != "keep" && c.Payload != "drop", "--payload is %q: must be keep or drop", c.Payload)
	for _, n := range []struct {
		flag   string
		value  int64
		suchAs string
	}{
		{"--max-body", int64(c.MaxBody), "16MiB"},
		{"--max-in-flight", int64(c.MaxInFlight), "4096"},
		{"--max-in-flight-bytes", int64(c.MaxInFlightBytes), "64MiB"},
		{"--recent-ids", int64(c.RecentIDs), "500000"},
		{"--topic-partitions", int64(c.TopicPartitions), "12"},
		{"--quarantine-rate", int64(c.QuarantineRate), "1MiB"},
	} {
		check(n.value <= 0, "%s is %d: must be above zero, such as %s", n.flag, n.value, n.suchAs)
	}
	check(c.MaxInFlightBytes < c.MaxBody, "--max-in-flight-bytes (%s) is below --max-body (%s): the largest body could never be taken", c.MaxInFlightBytes, c.MaxBody)
	check(c.MaxBody > 24*units.MiB, "--max-body is %s: must be at most 24MiB, which is what one Kafka record can carry with its framing", c.MaxBody)
	check(c.ClientStateKeys == "" && c.ClientStates == "", "--client-state-keys or --client-states is needed: without either nothing could be proven genuine (make one with: meetbridge keys new)")
	check((c.DecryptionKeys == "") != (len(c.AppIDs) == 0), "--decryption-keys and --app-ids go together: sealed notifications need both")
	return errors.Join(errs...)
}
