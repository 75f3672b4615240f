package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"meetbridge/ingest"
)

type ingestCmd struct {
	ingest.Config
}

// Help is printed below what the command is for.
func (ingestCmd) Help() string {
	return `
Microsoft Graph posts to /graph/notifications and /graph/lifecycle (either path takes
both) and gets 202 once Kafka holds every item. /readyz on the admin port says what is
missing. Run as many side by side as you like. SIGTERM lets requests under way finish.

Examples:
  meetbridge ingest --app-ids 6f2c… --decryption-keys keys/decryption \
      --client-state-keys keys/client-state.keys
  meetbridge ingest --create-topics --app-ids 11111111-1111-4111-8111-111111111111 \
      --entra-authority http://127.0.0.1:8090 --entra-sts http://127.0.0.1:8090/sts \
      --decryption-keys keys/decryption --client-state-keys keys/client-state.keys
                   (takes what meetbridge graphsim sends with the same --app-ids)`
}

// collectAt is by how many percent the heap grows before it is collected: a
// quarter of Go's default, which keeps a process under full load within 64 MB.
const collectAt = 25

// drainWithin bounds how long a process takes to end in good order.
const drainWithin = 5 * time.Second

// Run serves until ctx ends.
func (c ingestCmd) Run(ctx context.Context, t *terminal) error {
	if c.DecryptionKeys != "" {
		// One thread more than there are processors: with all of them decrypting, the
		// network still gets its turn from the kernel, in microseconds, instead of from
		// Go's scheduler, after whole private-key operations at each step of a POST.
		c.OpenAtOnce = runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(c.OpenAtOnce + 1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt) // most of what lives is ids, which cost nothing to look at
	}
	server, err := ingest.New(ctx, c.Config, t.log)
	if err != nil {
		return mistyped(err)
	}
	server.Start()
	return serve(ctx, server)
}
