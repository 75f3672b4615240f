#!/bin/sh
# Runs a simulated Microsoft Graph with a world that is new at each start: in one
# that repeats itself everything would be a redelivery of what is in Kafka already.
set -eu
rm -f /graph/subscriptions.yaml # of the last world
exec meetbridge graphsim --seed "$(date +%s)" "$@"
