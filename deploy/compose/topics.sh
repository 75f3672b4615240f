#!/bin/sh
# Makes the topics as soon as Kafka lets it: with several nodes some time passes
# between the first that listens and the last that can hold a replica.
set -eu
for try in $(seq 30); do
  if meetbridge topics apply; then exit 0; fi
  sleep 1
done
exit 1
