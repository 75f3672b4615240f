package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
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
	r := &Roster{said: says}
	r.client, err = kgo.NewClient(append(opts,
		kgo.ConsumerGroup(group),
		kgo.Balancers(rosterBalancer{kgo.RoundRobinBalancer(), r}),
		kgo.SessionTimeout(rosterSession),
		kgo.RebalanceTimeout(rosterSession),
		kgo.HeartbeatInterval(rosterHeartbeat),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
	)...)
	if err != nil {
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

// Leave takes this process off the list.
func (r *Roster) Leave(ctx context.Context) error {
	err := r.client.LeaveGroupContext(ctx)
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

// ReadRoster returns what each member on the list of the group says; nothing if
// there is none.
func ReadRoster(ctx context.Context, adm *kadm.Client, group string) ([][]byte, error) {
	groups, err := adm.DescribeGroups(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", group, err)
	}
	g, err := groups.On(group, nil)
	switch {
	case err != nil:
		return nil, fmt.Errorf("describe group %s (our user needs Describe on it): %w", group, err)
	case g.State == "Dead", g.State == "Empty":
		return nil, nil
	case g.State != "Stable":
		return nil, ErrRosterMoves
	}
	var said [][]byte
	for _, m := range g.Members {
		meta, ok := m.Join.AsConsumer()
		if !ok {
			return nil, fmt.Errorf("group %s has a member of another kind: %s at %s", group, m.ClientID, m.ClientHost)
		}
		said = append(said, meta.UserData)
	}
	return said, nil
}
