package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// rosterSession is how long a member that died stays on the list.
	rosterSession   = 30 * time.Second
	rosterHeartbeat = 3 * time.Second
)

// Roster is the list of the processes of one kind that run, on which each says
// something about itself for others to read. It is a consumer group that
// consumes nothing: Kafka keeps what each member said when it joined for as
// long as the member lives, so nothing has to be cleaned up, and nothing is
// believed of the dead.
type Roster struct {
	client *kgo.Client
	cancel context.CancelFunc // of the client

	mu   sync.Mutex // guards said
	said []byte
}

// JoinRoster puts this process on the list of the group, saying something of at
// most a few KiB. The topic has to exist, nothing is read of it. The caller
// leaves.
func JoinRoster(c Config, group, topic string, says []byte, log *slog.Logger) (*Roster, error) {
	opts, err := c.Options(log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Roster{said: says, cancel: cancel}
	r.client, err = kgo.NewClient(append(opts,
		kgo.WithContext(ctx),
		kgo.ConsumerGroup(group),
		kgo.Balancers(rosterBalancer{kgo.RoundRobinBalancer(), r}),
		kgo.SessionTimeout(rosterSession),
		kgo.RebalanceTimeout(rosterSession),
		kgo.HeartbeatInterval(rosterHeartbeat),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
	)...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("set up kafka client: %w", err)
	}
	r.client.PauseFetchTopics(topic)
	r.client.AddConsumeTopics(topic)
	return r, nil
}

// Say replaces what this process says. Others read it some seconds later.
func (r *Roster) Say(something []byte) {
	r.mu.Lock()
	r.said = something
	r.mu.Unlock()
	r.client.ForceRebalance()
}

// Leave takes this process off the list, within ctx: Kafka forgets those that it
// does not hear of.
func (r *Roster) Leave(ctx context.Context) error {
	err := r.client.LeaveGroupContext(ctx)
	r.cancel() // or closing would wait for the group once more
	r.client.Close()
	if errors.Is(err, kgo.ErrClientClosed) {
		return nil
	}
	return err
}

// rosterBalancer adds what the process says to what it joins with.
type rosterBalancer struct {
	kgo.GroupBalancer
	roster *Roster
}

// JoinGroupMetadata is called at each joining. Kafka asks the others to join
// again when it differs from last time's.
func (b rosterBalancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(b.GroupBalancer.JoinGroupMetadata(topics, current, generation)); err != nil {
		meta = kmsg.ConsumerMemberMetadata{Topics: topics} // of the oldest version
	}
	b.roster.mu.Lock()
	meta.UserData = b.roster.said
	b.roster.mu.Unlock()
	return meta.AppendTo(nil)
}

// ErrRosterMoves says that the members of a roster are just joining, and what
// they say is not known before they have.
var ErrRosterMoves = errors.New("kafka: roster is changing")

// RosterMember is a process on the list.
type RosterMember struct {
	ID   string // of the member, which changes when it joins anew
	Host string // where it connected from, as the broker saw it
	Says []byte
}

// ReadRoster returns the members on the list of the group; nothing if there is
// none.
func ReadRoster(ctx context.Context, adm *kadm.Client, group string) ([]RosterMember, error) {
	g, err := DescribeGroup(ctx, adm, group)
	switch {
	case err != nil:
		return nil, err
	case g.State == "Dead", g.State == "Empty":
		return nil, nil
	case g.State != "Stable":
		return nil, ErrRosterMoves
	}
	var members []RosterMember
	for _, m := range g.Members {
		meta, ok := m.Join.AsConsumer()
		if !ok {
			return nil, fmt.Errorf("group %s has a member of another kind: %s at %s", group, m.ClientID, m.ClientHost)
		}
		members = append(members, RosterMember{ID: m.MemberID, Host: strings.TrimPrefix(m.ClientHost, "/"), Says: meta.UserData})
	}
	return members, nil
}

// coordinatorWithin bounds how long a group's coordinator is waited for: a fresh
// cluster makes the topic of all groups when it is first asked for one.
const coordinatorWithin = 10 * time.Second

// DescribeGroup returns what the coordinator says of a group; its state is Dead
// if there is no such group.
func DescribeGroup(ctx context.Context, adm *kadm.Client, group string) (kadm.DescribedGroup, error) {
	for began := time.Now(); ; {
		groups, err := adm.DescribeGroups(ctx, group)
		if err == nil {
			return describedGroup(groups, group)
		}
		absent := errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress)
		if !absent || time.Since(began) > coordinatorWithin {
			return kadm.DescribedGroup{}, fmt.Errorf("describe group %s: %w", group, err)
		}
		select {
		case <-ctx.Done():
			return kadm.DescribedGroup{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func describedGroup(groups kadm.DescribedGroups, group string) (kadm.DescribedGroup, error) {
	g, err := groups.On(group, nil)
	err = errors.Join(err, g.Err)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound): // what Kafka 4 says; before, it was a group that is dead
		return kadm.DescribedGroup{Group: group, State: "Dead"}, nil
	case err != nil:
		return kadm.DescribedGroup{}, fmt.Errorf("describe group %s: %w", group, needs(err, "Describe"))
	}
	return g, nil
}
