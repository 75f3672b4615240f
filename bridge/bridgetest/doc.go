// Package bridgetest runs the whole system in one test: a simulated Graph, an
// ingest process, Kafka and the schema registry, over a network in memory and,
// inside a testing/synctest bubble, in virtual time, so that hours pass in
// seconds and every run of a seed is the same.
//
// It holds what such tests share; the tests themselves stand beside it. What it
// expects of the system it works out by itself, from what the simulated Graph
// saw answered and from the documentation, never by calling the code under test.
package bridgetest
