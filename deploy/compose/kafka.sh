#!/bin/bash
# Starts one node of the stack's Kafka: broker and controller in one process
# (KRaft), from NODE, NAME, VOTERS, REPLICAS, MIN_ISR, HOST_PORT, HOST_PROTOCOL and
# AUTHORIZER (empty: whoever gets in may do everything).
# Brokers and clients log in by SCRAM over TLS. Controllers prove themselves to each
# other by certificates, since what SCRAM needs is in the very log that they keep.
set -euo pipefail
umask 077
data=/var/lib/kafka/data
password() { cat "/secrets/kafka/$1.password"; }
login="org.apache.kafka.common.security.scram.ScramLoginModule required username=\"broker\" password=\"$(password broker)\";"

cat >/tmp/server.properties <<PROPERTIES
process.roles=broker,controller
node.id=$NODE
controller.quorum.voters=$VOTERS
log.dirs=$data

listeners=CLIENTS://:9092,CONTROLLER://:9093,HOST://:9094
advertised.listeners=CLIENTS://$NAME:9092,HOST://localhost:$HOST_PORT
listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:SSL,HOST:$HOST_PROTOCOL
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENTS
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=$login
listener.name.host.scram-sha-512.sasl.jaas.config=$login
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location=/secrets/kafka/$NAME.pem
ssl.truststore.type=PEM
ssl.truststore.location=/secrets/ca.pem

authorizer.class.name=$AUTHORIZER
super.users=User:broker;User:operator;User:CN=kafka-1;User:CN=kafka-2;User:CN=kafka-3

default.replication.factor=$REPLICAS
min.insync.replicas=$MIN_ISR
offsets.topic.replication.factor=$REPLICAS
offsets.topic.num.partitions=6
transaction.state.log.replication.factor=$REPLICAS
transaction.state.log.min.isr=$MIN_ISR
transaction.state.log.num.partitions=6
share.coordinator.state.topic.replication.factor=$REPLICAS
share.coordinator.state.topic.min.isr=$MIN_ISR
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
PROPERTIES

java() { command java -cp '/opt/kafka/libs/*' "$@"; }
if [ ! -e $data/meta.properties ]; then
  users=()
  for user in broker operator ingest renewer; do users+=(--add-scram "SCRAM-SHA-512=[name=$user,password=$(password $user)]"); done
  java kafka.tools.StorageTool format --cluster-id bWVldGJyaWRnZS1zdGFjaw --config /tmp/server.properties "${users[@]}" >/dev/null # it would print what proves the passwords
fi
exec java -Xms256m -Xmx384m -XX:+ExitOnOutOfMemoryError -Dkafka.logs.dir=/tmp -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.yaml \
  -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
