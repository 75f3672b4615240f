#!/bin/bash
# Runs deploy/kafka/acls.sh as the stack's operator.
set -euo pipefail
cat >/tmp/operator.properties <<PROPERTIES
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="operator" password="$(cat /secrets/kafka/operator.password)";
ssl.truststore.type=PEM
ssl.truststore.location=/secrets/ca.pem
PROPERTIES
# The tool's class, since a start script takes longer and the image may have none.
export KAFKA_ACLS="java -Xmx64m -XX:TieredStopAtLevel=1 -cp /opt/kafka/libs/* org.apache.kafka.tools.AclCommand"
exec bash /stack/kafka/acls.sh --bootstrap-server kafka:9092 --command-config /tmp/operator.properties
