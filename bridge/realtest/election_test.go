//go:build real

package realtest_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
)

// session is the renewers' here. It is longer than the second that the brokers of
// these tests allow, since the machine is busy.
const session = 6 * time.Second

// Two renewers elect one: it hands over when it is stopped, is replaced when it
// is killed, and when it was only frozen, learns that it leads no longer before it
// does anything. No record of one leader stands behind one of its successor's
// (I9, I10).
func (l *lab) election(t *testing.T) {
	t.Parallel()
	s := l.newSite(t, "elect.", l.guarded, l.durable.url())
	s.do("keys", "new", "keys", "--id", "main")
	s.do(s.with("topics", "apply", "--topic-partitions", "3")...)
	g := s.simulatedGraph("5", "1m")
	s.ingest("ingest", nil, g...).ready()

	first := s.renewer("first")
	await(t, time.Minute, "the first one leads", first.leads)
	second := s.renewer("second")
	await(t, time.Minute, "the second one stands by", second.standsBy)
	epoch := first.epoch()
	await(t, time.Minute, "subscriptions live", func() bool { return first.active() > 0 })
	classic(t, l, s.prefix+"renewer")

	first.end(syscall.SIGTERM)
	t.Logf("handed over %s after the end of the leader", await(t, 10*time.Second, "the second one leads", second.leads))
	epoch = rises(t, epoch, second.epoch())

	third := s.renewer("third")
	await(t, time.Minute, "the third one stands by", third.standsBy)
	second.end(syscall.SIGKILL)
	t.Logf("a killed leader was replaced after %s (session %s)", await(t, 3*session, "the third one leads", third.leads), session)
	epoch = rises(t, epoch, third.epoch())

	fourth := s.renewer("fourth")
	await(t, time.Minute, "the fourth one stands by", fourth.standsBy)
	if err := third.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Logf("a frozen leader was replaced after %s", await(t, 3*session, "the fourth one leads", fourth.leads))
	rises(t, epoch, fourth.epoch())
	if err := third.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	t.Logf("woken, it knew that it leads no longer after %s", await(t, time.Minute, "the third one stands by", third.standsBy))
	if !fourth.leads() {
		_, body := fourth.get("/readyz")
		t.Errorf("the fourth one lost the lead to one that was woken: %s", body)
	}
	one(t, s, l)
}

// renewer starts one.
func (s *site) renewer(name string, more ...string) *process {
	s.t.Helper()
	return s.runAdmin(name, append(s.with("renewer", "--subscriptions", "sim/subscriptions.yaml", "--graph-ca", "sim/ca.pem",
		"--client-state-keys", "keys/client-state.keys", "--session-timeout", session.String()), more...)...)
}

func (p *process) leads() bool {
	code, body := p.get("/readyz")
	return code == 200 && strings.Contains(body, "leads shard 0")
}

func (p *process) standsBy() bool {
	code, body := p.get("/readyz")
	return code == 200 && strings.Contains(body, "stands by")
}

// epoch is that of the leader's states.
func (p *process) epoch() int {
	p.t.Helper()
	_, body := p.get("/readyz")
	m := regexp.MustCompile(`in epoch (\d+)`).FindStringSubmatch(body)
	if m == nil {
		p.t.Fatalf("%s does not lead: %s", p.name, body)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func rises(t *testing.T, before, now int) int {
	t.Helper()
	if now <= before {
		t.Errorf("the epoch went from %d to %d with a new leader", before, now)
	}
	return now
}

// active returns how many subscriptions the leader keeps alive.
func (p *process) active() int {
	return int(p.metric("meetbridge_renewer_subscriptions{", `status="active"`))
}

// classic looks that the group is of the protocol whose session timeout is the
// member's to say.
func classic(t *testing.T, l *lab, group string) {
	t.Helper()
	resp, err := l.guarded.client(t).Request(t.Context(), kmsg.NewPtrListGroupsRequest())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range resp.(*kmsg.ListGroupsResponse).Groups {
		if g.Group == group {
			if g.GroupType != "classic" || g.ProtocolType != "consumer" {
				t.Errorf("group %s is of type %q, protocol %q", group, g.GroupType, g.ProtocolType)
			}
			return
		}
	}
	t.Errorf("no group %s", group)
}

// one looks that the states and gaps were written by one leader after the other.
func one(t *testing.T, s *site, l *lab) {
	t.Helper()
	last, seen := map[string]int16{}, 0
	for _, r := range bridgetest.Consume(t, l.guarded.open(), kafka.RegistryConfig{URL: l.durable.url()}, s.prefix, quiet()) {
		if r.Topic != "subscriptions" && r.Topic != "gaps" {
			continue
		}
		seen++
		line := fmt.Sprintf("%s/%d of producer %d", r.Topic, r.Partition, r.Producer)
		if r.Producer < 0 || r.Epoch < last[line] {
			t.Errorf("%s@%d: epoch %d after %d", line, r.Offset, r.Epoch, last[line])
		}
		last[line] = r.Epoch
	}
	if seen == 0 {
		t.Error("no state was written")
	}
	t.Logf("%d states and gaps", seen)
}

// within returns a context for a call or two.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
