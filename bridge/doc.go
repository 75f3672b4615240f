// Package bridge is the pure middle of Meetbridge: what a Microsoft Graph
// change notification means, which record it becomes, under which key, in
// which topic, and why one is set aside.
//
// It owns the rules. It refuses to own I/O, goroutines, clocks, randomness and
// logging: every function takes values (the time of receipt among them) and
// returns values, so that each rule can be tested in a table and the whole
// system can be run in virtual time.
package bridge
