//go:build real

package realtest_test

import (
	"strings"
	"testing"
	"time"
)

// Each way of getting in works, and each wrong setting gets an error that names
// the setting: from a command, and from a process that keeps on trying.
func (l *lab) security(t *testing.T) {
	t.Parallel()
	const prefix = "guarded."
	f := l.files(t, "alice")
	l.guarded.users(t, "bob")
	l.guarded.allow(t, "CN=alice", prefix)
	l.guarded.allow(t, "alice", prefix)
	l.guarded.allow(t, "bob", prefix)
	s := l.newSite(t, prefix, l.guarded, l.durable.url())
	s.do("keys", "new", "keys", "--id", "main")
	s.do(s.with("topics", "apply", "--topic-partitions", "3")...)

	open, mutual, secret, bare := l.guarded.addr("OPEN"), l.guarded.addr("MUTUAL"), l.guarded.addr("PASSWORD"), l.guarded.addr("CLEAR")
	tls := []string{"--kafka-tls", "--kafka-ca", f.ca}
	login := func(mechanism, user, file string) []string {
		return []string{"--kafka-sasl", mechanism, "--kafka-user", user, "--kafka-password-file", file}
	}
	certificate := []string{"--kafka-cert", f.cert, "--kafka-key", f.key}
	localhost := strings.Replace(secret, "127.0.0.1", "localhost", 1)
	for _, tt := range []struct {
		name, brokers string
		flags         []string
		want          []string // of the error; none: it works
	}{
		{"mutual TLS", mutual, flags(tls, certificate), nil},
		{"PLAIN over TLS", secret, flags(tls, login("plain", "alice", f.password)), nil},
		{"SCRAM over TLS", secret, flags(tls, login("scram-sha-512", "bob", f.password)), nil},
		{"PLAIN in the clear", bare, login("plain", "alice", f.password), nil},
		{"SCRAM in the clear", bare, login("scram-sha-512", "bob", f.password), nil},

		{"another CA", secret, flags([]string{"--kafka-tls", "--kafka-ca", f.otherCA}, login("plain", "alice", f.password)), []string{"--kafka-ca"}},
		{"the system's CAs", secret, flags([]string{"--kafka-tls"}, login("plain", "alice", f.password)), []string{"--kafka-ca"}},
		{"another name", localhost, flags(tls, login("plain", "alice", f.password)), []string{"--kafka-brokers", "localhost"}},
		{"no client certificate", mutual, tls, []string{"--kafka-cert", "--kafka-key"}},
		{"a client certificate of another CA", mutual, flags(tls, l.foreign(t)), []string{"--kafka-cert"}},
		{"TLS to a port without", open, tls, []string{"--kafka-tls"}},
		{"TLS to a port with a login, without", bare, flags(tls, login("plain", "alice", f.password)), []string{"--kafka-tls"}},
		{"no TLS to a port with", mutual, nil, []string{"--kafka-tls"}},
		{"no TLS to a port with, and a login", secret, login("plain", "alice", f.password), []string{"--kafka-tls"}},
		{"no login", bare, nil, []string{"--kafka-sasl"}},
		{"no login over TLS", secret, tls, []string{"--kafka-sasl"}},
		{"a login where there is none", open, login("plain", "alice", f.password), []string{"--kafka-sasl"}},
		{"wrong PLAIN password", secret, flags(tls, login("plain", "alice", f.wrongPassword)), []string{"--kafka-user", "--kafka-password-file"}},
		{"wrong SCRAM password", secret, flags(tls, login("scram-sha-512", "bob", f.wrongPassword)), []string{"--kafka-user", "--kafka-password-file"}},
		{"no such user", secret, flags(tls, login("scram-sha-512", "nobody", f.password)), []string{"--kafka-user", "--kafka-password-file"}},
		{"a mechanism that is not on", secret, flags(tls, login("scram-sha-256", "bob", f.password)), []string{"--kafka-sasl scram-sha-256"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			here := *s
			here.t = t
			here.settings = append([]string{"--kafka-brokers", tt.brokers, "--registry-url", l.durable.url(), "--topic-prefix", prefix}, tt.flags...)
			out, errs, err := here.try(here.with("topics", "plan", "--topic-partitions", "3")...)
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("topics plan: %v\n%s%s", err, out, errs)
				}
				return
			}
			if err == nil {
				t.Errorf("topics plan works: %s", out)
			}
			last := errs[strings.LastIndex(strings.TrimSpace(errs), "\n")+1:]
			names(t, "topics plan", last, tt.want)
			p := here.ingestOn("ingest", freeAddress(t), nil)
			said := func() string { _, body := p.get("/readyz"); return body }
			for end := time.Now().Add(time.Minute); !all(said(), tt.want) && time.Now().Before(end); {
				time.Sleep(100 * time.Millisecond)
			}
			names(t, "/readyz", said(), tt.want)
			if !all(p.said.String(), tt.want) {
				t.Errorf("the log of ingest names none of %q:\n%s", tt.want, p.said.tail(10))
			}
		})
	}
}

func flags(parts ...[]string) (all []string) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// foreign returns the flags of a client certificate that the brokers do not know
// the authority of.
func (l *lab) foreign(t *testing.T) []string {
	t.Helper()
	_, cert, key := newAuthority(t).files(t, t.TempDir(), "alice")
	return []string{"--kafka-cert", cert, "--kafka-key", key}
}

func all(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// names looks that a message has the words.
func names(t *testing.T, who, message string, words []string) {
	t.Helper()
	if !all(message, words) {
		t.Errorf("%s does not name %q: %s", who, words, message)
	}
	t.Logf("%s: %s", who, strings.TrimSpace(message))
}
