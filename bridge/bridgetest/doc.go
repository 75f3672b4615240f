// Package bridgetest runs the whole system in one test: a simulated Graph, ingest
// processes (a Rig has one), renewers (a System has them, too), Kafka and the
// schema registry, over a network in memory and, inside a testing/synctest bubble,
// in virtual time, so that hours pass in seconds. A seed decides the world, its
// faults and the troubles; only the order in which goroutines take their turns,
// and what is random by design, as keys, it does not.
//
// It holds what such tests share; the tests themselves stand beside it. What it
// expects of the system it works out by itself, from what the simulated Graph
// saw answered and from the documentation, never by calling the code under test.
package bridgetest
