package renewer

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// Store is a shard's memory for tests in another package.
type Store struct{ *store }

// OpenStore registers the schemas and takes the shard's memory over.
func OpenStore(ctx context.Context, k kafka.Config, rc kafka.RegistryConfig, shard int32, log *slog.Logger) (*Store, error) {
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, err
	}
	registry, err := kafka.NewRegistry(rc, log)
	if err != nil {
		return nil, err
	}
	own := map[string]uint32{}
	for _, s := range schemas.All() {
		if s.Topic == bridge.SubscriptionState.Topic() || s.Topic == bridge.Gap.Topic() {
			id, err := registry.Register(ctx, kafka.Subject("teams."+s.Topic), s.Text)
			if err != nil {
				return nil, err
			}
			own[s.Topic] = uint32(id)
		}
	}
	j := &journal{kafka: k, prefix: "teams.", codec: codec, reader: newReader(codec, own, registry), log: log, counted: newMetrics(prometheus.NewRegistry())}
	s, err := openStore(ctx, j, shard)
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

// Load is load.
func (s *Store) Load(ctx context.Context) (map[Key]State, error) {
	shards, err := s.partitions(ctx)
	if err != nil {
		return nil, err
	}
	read, err := s.load(ctx, shards)
	if err != nil {
		return nil, err
	}
	return read.byKey(), nil
}

// Write is write.
func (s *Store) Write(ctx context.Context, states []State, gaps []Gap) error {
	return s.write(ctx, states, gaps)
}

// Close is close.
func (s *Store) Close() { s.close() }

// Record returns what would be written for the state.
func (s *Store) Record(state State) ([]byte, error) {
	r, err := s.stateRecord(state)
	if err != nil {
		return nil, err
	}
	return r.Value, nil
}
