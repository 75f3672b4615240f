package renewer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

// View is what all shards know and who leads them, as it was when it was read.
type View struct {
	// States holds the last word on each subscription. What this version cannot
	// read has the status Aside.
	States map[Key]State
	// Unreadable is the number of records that this version cannot read; the logger
	// is told of each.
	Unreadable int
	Shards     int
	// Renewers are the processes that lead or stand by, by their ids.
	Renewers []Member
	// Electing says that the members are just joining: who leads is not known yet.
	Electing bool
	// Ingest are the ingest processes that run; none while they are just joining.
	Ingest []IngestProcess
}

// Member is one renewer process, as the group's coordinator knows it.
type Member struct {
	ID     string  // of the member, which changes when it joins anew
	Client string  // what the process calls itself
	Host   string  // where it connected from, as the broker saw it
	Shards []int32 // that it leads, sorted; none if it stands by
}

// Leading returns how many shards somebody leads.
func (v View) Leading() (n int) {
	for _, m := range v.Renewers {
		n += len(m.Shards)
	}
	return n
}

// Opens reports whether every ingest process has announced that it opens what is
// sealed for the certificate: until then no subscription gets it (FACTS §2.4).
func (v View) Opens(c Certificate) bool {
	return len(v.Ingest) > 0 && !slices.ContainsFunc(v.Ingest, func(p IngestProcess) bool { return !bridge.Opens(p.Keys, c.ID, c.Thumbprint) })
}

// ReadStates returns what the renewers that write with the topic prefix know.
// It only reads: it neither joins the election nor disturbs whoever leads. An
// error says which topic is missing, or wraps kafka.ErrRegistryAway.
func ReadStates(ctx context.Context, k kafka.Config, rc kafka.RegistryConfig, topicPrefix string, log *slog.Logger) (View, error) {
	registry, err := kafka.NewRegistry(rc, log)
	if err != nil {
		return View{}, err
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return View{}, err
	}
	j := &journal{kafka: k, prefix: topicPrefix, codec: codec, log: log}
	var v View
	if v.Shards, err = j.partitions(ctx); err != nil {
		return View{}, err
	}
	own, err := ownSchema(ctx, registry, topicPrefix)
	if err != nil {
		return View{}, err
	}
	j.reader = newReader(codec, own, registry)
	read, unreadable, err := j.states(ctx, nil, v.Shards)
	if err != nil {
		return View{}, fmt.Errorf("read the states of the subscriptions: %w", err)
	}
	v.States, v.Unreadable = read.byKey(), unreadable
	adm, err := kafka.NewAdmin(k, log)
	if err != nil {
		return View{}, err
	}
	defer adm.Close()
	if v.Ingest, err = ReadIngest(ctx, adm, topicPrefix); err != nil && !errors.Is(err, kafka.ErrRosterMoves) {
		return View{}, err
	}
	return v, v.readElection(ctx, adm, electionGroup(topicPrefix), j.topic(bridge.SubscriptionState))
}

// ownSchema returns the registry's id of today's schema of states, none if it is
// not registered: then a schema that fits is asked for with each that occurs.
func ownSchema(ctx context.Context, registry *kafka.Registry, prefix string) (map[string]uint32, error) {
	own := map[string]uint32{}
	for _, s := range schemas.All() {
		if s.Topic != bridge.SubscriptionState.Topic() {
			continue
		}
		state, err := registry.Check(ctx, kafka.Subject(prefix+s.Topic), s.Text)
		if err != nil {
			return nil, err
		}
		if state.Registered {
			own[s.Topic] = uint32(state.ID)
		}
	}
	return own, nil
}

// readElection asks the group's coordinator who leads.
func (v *View) readElection(ctx context.Context, adm *kadm.Client, name, topic string) error {
	g, err := kafka.DescribeGroup(ctx, adm, name)
	if err != nil {
		return err
	}
	v.Electing = !slices.Contains([]string{"Stable", "Empty", "Dead"}, g.State)
	for _, m := range g.Members {
		v.Renewers = append(v.Renewers, Member{ID: m.MemberID, Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Shards: held(m, topic)})
	}
	slices.SortFunc(v.Renewers, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// held returns the partitions of the topic that the member was given.
func held(m kadm.DescribedGroupMember, topic string) []int32 {
	assigned, ok := m.Assigned.AsConsumer()
	if !ok {
		return nil
	}
	var shards []int32
	for _, t := range assigned.Topics {
		if t.Topic == topic {
			shards = append(shards, t.Partitions...)
		}
	}
	slices.Sort(shards)
	return shards
}

// electionGroup is the consumer group whose members lead the shards.
func electionGroup(prefix string) string { return prefix + "renewer" }
