// Package realtest runs the bridge's own program against Apache Kafka and a
// schema registry that others wrote, in containers: the whole path, the election,
// TLS, logins and ACLs, and a registry that fails.
//
// Its tests have the build tag real, need Docker, and are run by make test-real.
package realtest
