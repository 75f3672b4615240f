package main

import (
	"context"
	"errors"
	"net"
	"strings"

	"meetbridge/bridge/kafka/embedded"
)

type brokerCmd struct {
	KafkaListen    string `default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Address of the broker; port 0 takes a free one."`
	KafkaAdvertise string `placeholder:"HOST" help:"Host that clients are told to connect to, where they reach the broker by another name than it listens on."`
	RegistryListen string `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address of the schema registry; port 0 takes a free one."`
	DataDir        string `placeholder:"DIR" help:"Directory that keeps topics, records and schemas over restarts. Unset: memory only."`
	JSON           bool   `name:"json" help:"Print the addresses as a JSON object."`
}

// Help is printed below what the command is for.
func (brokerCmd) Help() string {
	return `
For development on one machine: it has no replicas, no logins and no TLS. Any Kafka client
can use it, kcat for one.

Examples:
  meetbridge broker                      on the ports that every command uses by default
  meetbridge broker --data-dir ./data    the same, and records outlive a restart
  meetbridge topics apply                then, elsewhere: make the topics
  kcat -b 127.0.0.1:9092 -L              what there is`
}

// explain adds to err which flag to change.
func (c brokerCmd) explain(err error) error {
	flag := "--kafka-listen"
	var at *net.OpError
	if errors.As(err, &at) && at.Addr != nil && at.Addr.String() == c.RegistryListen {
		flag = "--registry-listen"
	}
	if strings.HasPrefix(err.Error(), "--") { // the flag itself is wrong
		return usageError{err}
	}
	return listenHint(err, flag)
}

// Run serves until ctx ends.
func (c brokerCmd) Run(ctx context.Context, t *terminal) error {
	b, err := embedded.Start(embedded.Config{
		KafkaListen: c.KafkaListen, KafkaAdvertise: c.KafkaAdvertise, RegistryListen: c.RegistryListen, DataDir: c.DataDir,
	}, t.log)
	if err != nil {
		return c.explain(err)
	}
	brokers := strings.Join(b.KafkaAddrs(), ",")
	if c.JSON {
		err = t.printJSON(map[string]string{"kafka_brokers": brokers, "registry_url": b.RegistryURL()})
	} else {
		err = t.printf("Kafka            %s\nSchema registry  %s\nStop with Ctrl-C.\n", brokers, b.RegistryURL())
	}
	if err == nil {
		<-ctx.Done()
	}
	if closeErr := b.Close(); err == nil {
		err = closeErr
	}
	return err
}
