// Command meetbridge carries what happens in Microsoft Teams meetings and
// webinars into Apache Kafka: one binary, a subcommand per process and per
// operator's task. Run it without arguments for the list.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(untilSignal(context.Background(), os.Stderr), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
