#!/bin/sh
# Makes all that is secret in the stack of docker-compose.yml, at its first start:
# keys, certificates and passwords, into the volume /secrets. What is there is
# kept. Each process runs as a user of its own and can read only what is its own.
set -eu
umask 077

kafka=1000 ingest=10001 renewer=10002 graphsim=10003 operator=10004 registry=10005

# Volumes that processes write to.
chown $graphsim:$graphsim /graph
chown $registry:$registry /registry
chmod 0755 /graph
if [ -e /secrets/complete ]; then
  echo "the secrets are there"
  exit
fi
rm -rf /secrets/* # of a first start that was cut short
cd /secrets
chmod 0755 .

secret() { openssl rand -hex 24; }

# certificate NAME HOST…: NAME.key and NAME.crt for the hosts, good for servers and
# clients, signed by ca.pem.
certificate() {
  name=$1; shift
  hosts=""
  for host in "$@"; do hosts="$hosts${hosts:+,}DNS:$host"; done
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" \
    -addext "subjectAltName=$hosts,IP:127.0.0.1" -addext "extendedKeyUsage=serverAuth,clientAuth" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ../ca.pem -CAkey ../ca/ca.key -days 3650 -copy_extensions copyall -out "$name.crt" 2>/dev/null
  rm "$name.csr"
}

mkdir ca kafka registry ingest renewer operator
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Meetbridge stack" -keyout ca/ca.key -out ca.pem \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null

cd kafka
for node in kafka kafka-1 kafka-2 kafka-3; do
  certificate $node $node kafka localhost
  cat $node.key $node.crt >$node.pem # as Kafka wants it
  rm $node.key $node.crt
done
for user in broker operator ingest renewer; do secret >$user.password; done
cd ../registry
certificate registry registry localhost
cd ..
for user in operator ingest renewer; do cp kafka/$user.password $user/kafka.password; done

meetbridge keys new ingest
mv ingest/certificates . # of no secret; what subscriptions carry
cp ingest/client-state.keys renewer/
secret | tr -d "\n" >/graph/client.secret # what the renewer signs in with

chown -R $kafka:$kafka kafka
chown -R $registry:$registry registry
chown -R $ingest:$ingest ingest
chown -R $renewer:$renewer renewer
chown -R $operator:$operator operator
chown $graphsim:$renewer /graph/client.secret
chmod 0440 /graph/client.secret
chmod 0444 ca.pem certificates/*
chmod 0755 certificates
touch complete
echo "the secrets are made"
