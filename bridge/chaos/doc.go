// Package chaos runs the bridge as it is run in earnest, and breaks it: three
// Kafka nodes, a schema registry, two ingests, two renewers and a simulated
// Graph, each a process of its own, under load, while a driver kills, freezes
// and partitions them by a plan that a seed decides. In the end an oracle
// compares what Graph saw acknowledged with what a plain consumer finds in the
// topics.
//
// The package imports nothing else of the project. What it expects it works out
// from the simulated Graph's ledger, from what passed its own HTTP front, and
// from the records, read with a Kafka client and an Avro decoder and the schemas
// that the registry holds.
package chaos
