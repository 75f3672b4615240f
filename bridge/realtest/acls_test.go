//go:build real

package realtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// permission is one ACL, as deploy/kafka/acls.sh asks for it.
type permission struct {
	operation, kind, name string
	prefixed              bool
}

// deployed returns what deploy/kafka/acls.sh gives to a user, by running it with a
// tool that only writes down what it is asked for.
func deployed(t *testing.T, prefix, user string) []permission {
	t.Helper()
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	tool := write(t, filepath.Join(dir, "tool"), "#!/bin/sh\necho \"$@\" >>"+asked+"\n")
	if err := os.Chmod(tool, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "../../deploy/kafka/acls.sh", "--bootstrap-server", "unused:1")
	cmd.Env = append(os.Environ(), "KAFKA_ACLS="+tool, "PREFIX="+prefix)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(asked)
	if err != nil {
		t.Fatal(err)
	}
	var all []permission
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if !slices.Contains(words, "User:"+user) {
			continue
		}
		var operations []string
		prefixed := slices.Contains(words, "prefixed")
		for i := 0; i+1 < len(words); i++ {
			switch kind := strings.TrimPrefix(words[i], "--"); kind {
			case "operation":
				operations = append(operations, words[i+1])
			case "topic", "group", "transactional-id":
				for _, op := range operations {
					all = append(all, permission{op, kind, words[i+1], prefixed})
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s gives %s nothing: %s", cmd, user, text)
	}
	return all
}

// grant gives a user the permissions, but for those that are left out.
func (b *broker) grant(t *testing.T, user string, all []permission, without func(permission) bool) {
	t.Helper()
	left := 0
	for _, op := range []struct {
		name string
		op   kadm.ACLOperation
	}{{"Read", kadm.OpRead}, {"Write", kadm.OpWrite}, {"Describe", kadm.OpDescribe}, {"DescribeConfigs", kadm.OpDescribeConfigs}} {
		for _, prefixed := range []bool{false, true} {
			acls := kadm.NewACLs().Allow("User:" + user).AllowHosts("*").Operations(op.op).ResourcePatternType(kadm.ACLPatternLiteral)
			if prefixed {
				acls = acls.ResourcePatternType(kadm.ACLPatternPrefixed)
			}
			of := map[string][]string{}
			for _, p := range all {
				switch {
				case p.operation != op.name || p.prefixed != prefixed:
				case without != nil && without(p):
					left++
				default:
					of[p.kind] = append(of[p.kind], p.name)
				}
			}
			if len(of) > 0 {
				b.createACLs(t, acls.MaybeTopics(of["topic"]...).MaybeGroups(of["group"]...).MaybeTransactionalIDs(of["transactional-id"]...))
			}
		}
	}
	if without != nil && left == 0 {
		t.Fatalf("%s has nothing to do without", user)
	}
}

// as returns s for a user of its own, which has the permissions but for some.
func (s *site) as(t *testing.T, user string, all []permission, without func(permission) bool) *site {
	t.Helper()
	b := s.lab.guarded
	b.users(t, user)
	b.grant(t, user, all, without)
	f := s.lab.files(t, user)
	other := *s
	other.t = t
	other.settings = []string{
		"--kafka-brokers", b.addr("PASSWORD"), "--registry-url", s.lab.durable.url(), "--topic-prefix", s.prefix,
		"--kafka-tls", "--kafka-ca", f.ca, "--kafka-sasl", "scram-sha-512", "--kafka-user", user, "--kafka-password-file", f.password,
	}
	return &other
}

// With what deploy/kafka/acls.sh gives and no more, ingest and renewer work; and
// without one of their permissions, what they say names what is missing.
func (l *lab) acls(t *testing.T) {
	t.Parallel()
	open := l.newSite(t, "acl.", l.guarded, l.durable.url())
	open.do("keys", "new", "keys", "--id", "main")
	open.do(open.with("topics", "apply", "--topic-partitions", "3")...)
	permissions := map[string][]permission{"ingest": deployed(t, open.prefix, "ingest"), "renewer": deployed(t, open.prefix, "renewer")}

	g := open.simulatedGraph("20", "20s")
	in := open.as(t, "all-of-ingest", permissions["ingest"], nil).ingest("ingest", nil, g...)
	in.ready()
	first := open.as(t, "all-of-renewer", permissions["renewer"], nil).renewer("renewer")
	await(t, time.Minute, "the renewer leads", first.leads)
	await(t, time.Minute, "its subscriptions live", func() bool { return first.active() > 0 })
	await(t, time.Minute, "records land", func() bool { return in.metric("meetbridge_ingest_items_total", `outcome="produced"`) > 20 })
	await(t, time.Minute, "the renewer knows ingest's keys", func() bool { return first.metric("meetbridge_renewer_certificates_unannounced", "") == 0 })
	for _, p := range []*process{in, first} {
		if strings.Contains(p.said.String(), "AUTHORIZATION_FAILED") {
			t.Errorf("%s lacks a permission:\n%s", p.name, p.said.tail(10))
		}
	}
	first.end(syscall.SIGTERM) // or it would lead, and the others not write

	topic := func(operation, name string) func(permission) bool {
		return func(p permission) bool {
			return p.kind == "topic" && p.name == open.prefix+name && (p.operation == operation || operation == "any")
		}
	}
	for _, tt := range []struct {
		process, name string
		without       func(permission) bool
		want          []string // of the log
		never         bool     // it does not become ready
	}{
		{"ingest", "any on a topic", topic("any", "webinars"), []string{"acl.webinars", "Describe"}, true},
		{"ingest", "Write on a topic", topic("Write", "chat-messages"), []string{"acl.chat-messages", "grant it Describe and Write"}, false},
		{"ingest", "Write on recent-ids", topic("Write", "recent-ids"), []string{"acl.recent-ids", "grant it Describe and Write"}, false},
		{"ingest", "Read on recent-ids", topic("Read", "recent-ids"), []string{"acl.recent-ids", "Read"}, false},
		{"ingest", "Read on its group", kind("group"), []string{"acl.ingest", "lacks Read on a consumer group"}, false},
		{"renewer", "any on subscriptions", topic("any", "subscriptions"), []string{"acl.subscriptions", "Describe"}, true},
		{"renewer", "DescribeConfigs on gaps", topic("DescribeConfigs", "gaps"), []string{"acl.gaps", "DescribeConfigs"}, true},
		{"renewer", "Read on subscriptions", topic("Read", "subscriptions"), []string{"acl.subscriptions", "Read"}, true},
		{"renewer", "Write on subscriptions", topic("Write", "subscriptions"), []string{"acl.subscriptions", "grant it Describe and Write"}, false},
		{"renewer", "Read on lifecycle", topic("Read", "lifecycle"), []string{"acl.lifecycle", "lacks a permission on a topic"}, false},
		{"renewer", "Read on its group", func(p permission) bool { return p.kind == "group" && p.name == "acl.renewer" }, []string{"acl.renewer", "lacks Read on a consumer group"}, true},
		{"renewer", "its place in the notices", func(p permission) bool { return p.prefixed && p.kind == "group" }, []string{"acl.renewer-notices-", "lacks Read on a consumer group"}, false},
		{"renewer", "Describe on the group of ingest", func(p permission) bool { return p.kind == "group" && p.name == "acl.ingest" }, []string{"acl.ingest", "Describe"}, false},
		{"renewer", "the transactional id", kind("transactional-id"), []string{"acl.renewer-0", "Write on a transactional id"}, true},
	} {
		// One after the other: of renewers only one leads.
		t.Run(tt.process+" without "+tt.name, func(t *testing.T) {
			s := open.as(t, strings.ReplaceAll(tt.process+" without "+tt.name, " ", "-"), permissions[tt.process], tt.without)
			var p *process
			if tt.process == "ingest" {
				in.end(syscall.SIGTERM)
				p = s.ingest("ingest", nil, g...)
			} else {
				p = s.renewer("renewer")
			}
			await(t, time.Minute, "it says what is missing", func() bool {
				return slices.ContainsFunc(strings.Split(p.said.String(), "\n"), func(line string) bool { return all(line, tt.want) })
			})
			for line := range strings.Lines(p.said.String()) {
				if all(line, tt.want) {
					t.Log(line)
					break
				}
			}
			p.end(syscall.SIGTERM)
		})
	}
}

func kind(name string) func(permission) bool {
	return func(p permission) bool { return p.kind == name }
}
