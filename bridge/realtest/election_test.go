//go:build real

package realtest_test

import (
	"context"
	"fmt"
	"path/filepath"
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
func election(t *testing.T, l *lab) {
	s := l.newSite(t, "elect.", l.guarded, l.durable.url())
	s.do("keys", "new", "keys", "--id", "main")
	s.do(s.with("topics", "apply", "--topic-partitions", "3")...)
	s.public = freeAddress(t)
	authority, api := freeAddress(t), freeAddress(t)
	s.run("graphsim", "graphsim", "--listen", authority, "--api-listen", api, "--api-dir", "sim", "--api-min-lifetime", "1m", "--api-lifetime", "1m",
		"--notification-url", "http://"+s.public+"/graph/notifications", "--lifecycle-url", "http://"+s.public+"/graph/lifecycle",
		"--certificates", "keys/certificates", "--app-ids", appID, "--rate", "5", "--faults", quietGraph)
	await(t, 20*time.Second, "the simulated Graph says what is desired", func() bool {
		return exists(filepath.Join(s.dir, "sim/subscriptions.yaml"))
	})
	s.ingest("ingest", nil, "--entra-authority", "http://"+authority, "--entra-sts", "http://"+authority+"/sts", "--app-ids", appID).ready()

	first := s.renewer("first")
	await(t, 30*time.Second, "the first one leads", first.leads)
	second := s.renewer("second")
	await(t, 30*time.Second, "the second one stands by", second.standsBy)
	epoch := first.epoch()
	await(t, 30*time.Second, "subscriptions live", func() bool { return first.active() > 0 })
	classic(t, l, s.prefix+"renewer")

	first.end(syscall.SIGTERM)
	t.Logf("handed over %s after the end of the leader", await(t, 10*time.Second, "the second one leads", second.leads))
	epoch = rises(t, epoch, second.epoch())

	third := s.renewer("third")
	await(t, 30*time.Second, "the third one stands by", third.standsBy)
	second.end(syscall.SIGKILL)
	t.Logf("a killed leader was replaced after %s (session %s)", await(t, 3*session, "the third one leads", third.leads), session)
	epoch = rises(t, epoch, third.epoch())

	fourth := s.renewer("fourth")
	await(t, 30*time.Second, "the fourth one stands by", fourth.standsBy)
	if err := third.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Logf("a frozen leader was replaced after %s", await(t, 3*session, "the fourth one leads", fourth.leads))
	rises(t, epoch, fourth.epoch())
	if err := third.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	t.Logf("woken, it knew that it leads no longer after %s", await(t, 20*time.Second, "the third one stands by", third.standsBy))
	if !fourth.leads() {
		_, body := fourth.get("/readyz")
		t.Errorf("the fourth one lost the lead to one that was woken: %s", body)
	}
	one(t, s, l)
}

// quietGraph leaves out what makes a renewer wait for Graph.
const quietGraph = "api_throttled=off,api_500=off,api_503=off,api_504=off,api_cut_before=off,api_cut_after=off,api_slow=off,api_unauthorized=off," +
	"api_garbage=off,quota_hit=off,renewed_short=off,handshake_lost=off,list_expired=off,list_hidden=off,list_page_lost=off,silent_removal=off,subscription_removed=off"

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
func (p *process) active() (n int) {
	_, body := p.get("/metrics")
	for _, m := range regexp.MustCompile(`(?m)^meetbridge_renewer_subscriptions\{.*status="active".*\} (\d+)`).FindAllStringSubmatch(body, -1) {
		k, err := strconv.Atoi(m[1])
		if err != nil {
			p.t.Fatal(err)
		}
		n += k
	}
	return n
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
