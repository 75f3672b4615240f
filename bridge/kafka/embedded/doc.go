// Package embedded runs a Kafka broker and a schema registry inside the
// process, for development, the demo and tests: any client can use them, and
// they keep what they hold in a directory if they are given one.
//
// It owns their listeners, their lifecycle and their files. It refuses to be
// production: there is one copy of everything, nobody logs in, and what was
// acknowledged outlives the end of the process but not that of the machine.
//
// What the broker does not do, beyond that: it takes no timestamp for wrong
// (real brokers refuse one more than an hour ahead), it has no quotas, and it
// believes the length that a client announces, so it is for loopback. What the
// registry does not do: it checks Avro schemas only, and those only for FULL
// and FULL_TRANSITIVE subjects, taking BACKWARD and FORWARD for NONE; deleted
// subjects and versions are forgotten by a restart.
package embedded
