// Package renewer keeps subscriptions alive: what is desired (a YAML file)
// against what is (teams.subscriptions, by which the process remembers), planned
// by pure functions and carried out against Microsoft Graph by one elected
// leader for each shard. Where a subscription was dead, teams.gaps says so (I9).
//
// Its files, in the order of the path: desired and resources read the wish;
// plan and planner say what is due, gaps what was lost (all pure); election and
// lease say who leads; store, reader and notices are Kafka; term leads a shard,
// from its epoch to its end, in shard, lanes, heed and apply; limits and pass
// keep calls within Graph's limits and within the lease. renewer wires them;
// ready and metrics answer the operator.
//
// It refuses to know how Graph is spoken to (bridge/graph) and how Kafka is
// (bridge/kafka), and never calls ingest: lifecycle notices and the keys that
// ingest has come by Kafka.
package renewer
