package renewer

import (
	"context"
	"log/slog"
	"time"

	"meetbridge/bridge/kafka"
)

// Elect is elect for tests in another package.
func Elect(k kafka.Config, group, topic string, session, heartbeat time.Duration, log *slog.Logger, lead func(context.Context, *Lease)) (*Election, error) {
	return elect(electorate{kafka: k, group: group, topic: topic, session: session, heartbeat: heartbeat}, log, lead)
}

// Stop is stop.
func (e *election) Stop(ctx context.Context) error { return e.stop(ctx) }
