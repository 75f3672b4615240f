package ingest

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/process"
	"meetbridge/bridge/sealed"
)

const (
	// announceEvery is how often it is looked whether the keys have changed.
	announceEvery = time.Second
	// leaveWithin bounds the leave-taking of a process that stops. One that Kafka
	// does not hear is forgotten when its session ends.
	leaveWithin = time.Second
)

// announce tells, from when the topics are there until ctx ends, which keys this
// process opens content with: no subscription gets a certificate before every
// process has its key (FACTS §2.4). It tells too which keys it proves
// clientStates with, so that whoever rotates them knows when one may make them.
// Whoever reads it asks Kafka, so that nobody has to reach this process.
func (s *Server) announce(ctx context.Context, cfg Config, ring func() *sealed.Ring, states *process.Watched[bridge.ClientStateKeys], log *slog.Logger) error {
	var (
		roster *kafka.Roster
		said   []byte
	)
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		keys := announced(ring(), states.Get())
		switch {
		case !s.topicsOK.Load():
		case roster == nil:
			var err error
			if roster, err = kafka.JoinRoster(cfg.Kafka, bridge.KeyRoster(cfg.TopicPrefix), cfg.TopicPrefix+bridge.Lifecycle.Topic(), keys, log); err != nil {
				return err
			}
			said = keys
		case !bytes.Equal(keys, said):
			roster.Say(keys)
			said = keys
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		if roster != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
			defer cancel()
			if err := roster.Leave(ctx); err != nil {
				s.log.WarnContext(ctx, "announced keys are not taken back, they are forgotten within a minute", "error", err)
			}
		}
		return nil
	}
}

func announced(ring *sealed.Ring, states bridge.ClientStateKeys) []byte {
	infos := ring.Keys()
	keys := make([]bridge.DecryptionKey, len(infos))
	for i, k := range infos {
		keys[i] = bridge.DecryptionKey{ID: k.ID, Thumbprint: k.Thumbprint}
	}
	return bridge.AnnounceKeys(keys, states.IDs()...)
}
