//go:build real

package realtest_test

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
)

const (
	kafkaImage    = "apache/kafka:4.3.0"
	registryImage = "apicurio/apicurio-registry:3.3.3"
)

// startWithin is how long all containers together may take: on two processors that
// are busy with other things the registry alone takes a minute.
const startWithin = 3 * time.Minute

// published binds ports of a container to the same ones of loopback.
func published(ports ...int) testcontainers.CustomizeRequestOption {
	return func(req *testcontainers.GenericContainerRequest) error {
		bindings := network.PortMap{}
		for _, n := range ports {
			port, err := network.ParsePort(fmt.Sprintf("%d/tcp", n))
			if err != nil {
				return err
			}
			bindings[port] = []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(n)}}
			req.ExposedPorts = append(req.ExposedPorts, port.String())
		}
		return testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
			c.PortBindings = bindings
			c.Memory = 768 << 20
		})(req)
	}
}

// startContainer starts one that ends with the test.
func startContainer(ctx context.Context, t *testing.T, image string, opts ...testcontainers.ContainerCustomizer) (*testcontainers.DockerContainer, error) {
	t.Helper()
	c, err := testcontainers.Run(ctx, image, opts...)
	t.Cleanup(func() {
		if c == nil {
			return
		}
		if t.Failed() {
			logTail(t, image, c)
		}
		if err := c.Terminate(context.Background(), testcontainers.StopTimeout(time.Millisecond)); err != nil {
			t.Errorf("remove a container of %s: %v", image, err)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", image, err)
	}
	return c, nil
}

// restart ends what runs in a container and starts it on what it has stored.
func restart(t *testing.T, c *testcontainers.DockerContainer, during func()) {
	t.Helper()
	within := 10 * time.Second
	if err := c.Stop(t.Context(), &within); err != nil {
		t.Fatal(err)
	}
	if during != nil {
		during()
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// broker is Apache Kafka, one node.
type broker struct {
	lab       *lab
	name      string
	ports     map[string]int // by listener
	container *testcontainers.DockerContainer
}

// addr returns where the listener is reached.
func (b *broker) addr(listener string) string { return fmt.Sprintf("127.0.0.1:%d", b.ports[listener]) }

// open returns the settings that whoever needs no permission reaches it with.
func (b *broker) open() kafka.Config { return kafka.Config{Brokers: []string{b.addr("OPEN")}} }

func (b *broker) start(ctx context.Context, t *testing.T) (err error) {
	t.Helper()
	var listeners, advertised []string
	var all []int
	for name, port := range b.ports {
		listeners = append(listeners, fmt.Sprintf("%s://:%d", name, port))
		advertised = append(advertised, fmt.Sprintf("%s://127.0.0.1:%d", name, port))
		all = append(all, port)
	}
	properties := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
log.dirs=/var/lib/kafka/data/logs
listeners=CONTROLLER://127.0.0.1:9093,%s
advertised.listeners=%s
listener.security.protocol.map=CONTROLLER:PLAINTEXT,OPEN:PLAINTEXT,MUTUAL:SSL,PASSWORD:SASL_SSL,CLEAR:SASL_PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
`, strings.Join(listeners, ","), strings.Join(advertised, ","))
	if b.ports["MUTUAL"] != 0 {
		properties += guardedProperties
	}
	const home = "/tmp/meetbridge/"
	files := []testcontainers.ContainerFile{{Reader: strings.NewReader(properties), ContainerFilePath: home + "server.properties", FileMode: 0o644}}
	if b.ports["MUTUAL"] != 0 {
		files = append(files,
			testcontainers.ContainerFile{Reader: strings.NewReader(b.lab.ca.pem), ContainerFilePath: home + "ca.pem", FileMode: 0o644},
			testcontainers.ContainerFile{Reader: strings.NewReader(b.lab.ca.broker(t)), ContainerFilePath: home + "broker.pem", FileMode: 0o644})
	}
	// By the image's jars and not by its start script, which takes a file of
	// settings in one form or another from version to version.
	script := `java -Xmx128m -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted --cluster-id bWVldGJyaWRnZS1yZWFsaQ --config ` + home + `server.properties &&
exec java -Xms128m -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dkafka.logs.dir=/tmp -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.yaml -cp '/opt/kafka/libs/*' kafka.Kafka ` + home + `server.properties`
	b.container, err = startContainer(ctx, t, kafkaImage,
		published(all...), testcontainers.WithFiles(files...),
		testcontainers.WithEntrypoint("bash", "-c"), testcontainers.WithCmd(script))
	if err != nil {
		return err
	}
	return b.answers(ctx)
}

// client returns one that may do everything.
func (b *broker) client(t *testing.T) *kgo.Client {
	t.Helper()
	opts, err := b.open().Options(quiet())
	if err != nil {
		t.Fatal(err)
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answers waits until the broker does: the port is open before.
func (b *broker) answers(ctx context.Context) error {
	adm, err := kafka.NewAdmin(b.open(), quiet())
	if err != nil {
		return err
	}
	defer adm.Close()
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err = adm.ListBrokers(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the broker %s: %w", b.name, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// restart returns when the broker takes connections again.
func (b *broker) restart(t *testing.T, during func()) {
	t.Helper()
	restart(t, b.container, during)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.answers(ctx); err != nil {
		t.Fatal(err)
	}
}

// registry is Apicurio's.
type registry struct {
	port      int
	durable   bool
	container *testcontainers.DockerContainer
}

// url is that of the API that is like Confluent's.
func (r *registry) url() string { return fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", r.port) }

func (r *registry) start(ctx context.Context, t *testing.T) (err error) {
	t.Helper()
	env := map[string]string{
		"JAVA_TOOL_OPTIONS":  "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC", // it starts in half the time
		"QUARKUS_HTTP_PORT":  strconv.Itoa(r.port),
		"QUARKUS_HTTP_HTTP2": "false", // over which 3.3.3 packs the texts of errors twice
	}
	if r.durable {
		env["APICURIO_DATASOURCE_URL"] = "jdbc:h2:file:/tmp/registry"
	}
	r.container, err = startContainer(ctx, t, registryImage, published(r.port), testcontainers.WithEnv(env),
		testcontainers.WithWaitStrategyAndDeadline(startWithin,
			wait.ForHTTP("/apis/ccompat/v7/config").WithPort(fmt.Sprintf("%d/tcp", r.port)).WithStartupTimeout(startWithin).WithPollInterval(200*time.Millisecond)))
	return err
}
