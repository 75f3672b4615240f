#!/bin/bash
# Gives the Kafka users of Meetbridge what each needs, and no more. It adds and never
# removes, so run it as often as you like, for each new version too.
#
#   deploy/kafka/acls.sh --bootstrap-server HOST:PORT --command-config admin.properties
#
# INGEST and RENEWER name the users (default ingest, renewer), OPERATOR the one of
# meetbridge topics apply, quarantine and subscriptions (default: none, as an
# administrator needs no ACLs), CONSUMER one who reads all records, such as that of
# meetbridge tail (default: none). PREFIX is --topic-prefix. KAFKA_ACLS is the tool.
set -euo pipefail
ingest=${INGEST:-ingest} renewer=${RENEWER:-renewer} operator=${OPERATOR:-} consumer=${CONSUMER:-}
prefix=${PREFIX:-teams.}
read -ra tool <<<"${KAFKA_ACLS:-kafka-acls.sh}"
server=("$@")

# What ingest makes of notifications, quarantine and lifecycle notices among it.
written="meeting-call-events call-recordings call-transcripts chat-messages chats channels teams conversation-members app-installations
  webinars webinar-sessions webinar-registrations webinar-attendance-reports lifecycle quarantine other"
# What the renewer keeps.
kept="gaps subscriptions"
# What ingest processes tell each other.
told="recent-ids"

# may USER "OPERATION…" KIND NAME…: KIND is topic, group, or transactional-id;
# NAME* stands for every name that begins so.
jobs=()
may() {
  local user=$1 op name; local operations=() literal=() prefixed=()
  for op in $2; do operations+=(--operation "$op"); done
  local kind=$3; shift 3
  for name in "$@"; do
    if [[ $name == *\* ]]; then prefixed+=("--$kind" "$prefix${name%\*}"); else literal+=("--$kind" "$prefix$name"); fi
  done
  add() { "${tool[@]}" "${server[@]}" --add --allow-principal "User:$user" "${operations[@]}" "$@" >/dev/null & jobs+=($!); }
  if [ ${#literal[@]} -gt 0 ]; then add "${literal[@]}"; fi
  if [ ${#prefixed[@]} -gt 0 ]; then add --resource-pattern-type prefixed "${prefixed[@]}"; fi
}

# Ingest looks at every topic before it begins, and writes to its own.
may "$ingest" "Describe DescribeConfigs" topic $written $kept $told
may "$ingest" "Write" topic $written $told
may "$ingest" "Read" topic $told
may "$ingest" "Read" group ingest # where it announces its keys
# The renewer: its memory, what was lost, what Graph said, the election, its place
# in the notices, and who has which keys.
may "$renewer" "Describe DescribeConfigs" topic $kept lifecycle
may "$renewer" "Read" topic subscriptions lifecycle
may "$renewer" "Write" topic subscriptions gaps
may "$renewer" "Read" group renewer 'renewer-notices-*'
may "$renewer" "Describe" group ingest
may "$renewer" "Write" transactional-id 'renewer-*'
if [ -n "$operator" ]; then
  may "$operator" "Create Describe DescribeConfigs AlterConfigs Read" topic $written $kept $told
  may "$operator" "Write" topic $written # quarantine replay
  may "$operator" "Write" transactional-id quarantine-replay
  may "$operator" "Describe" group ingest renewer
fi
if [ -n "$consumer" ]; then
  may "$consumer" "Read" topic $written $kept
fi
failed=0
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit $failed
