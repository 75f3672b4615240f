//go:build real

package realtest_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge/kafka"
)

// guardedProperties are the broker's that has a listener for each way in, and lets
// those do everything who come in without saying who they are: by OPEN.
const guardedProperties = `authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=/tmp/meetbridge/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=/tmp/meetbridge/ca.pem
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.password.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="` + password + `";
listener.name.clear.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="` + password + `";
listener.name.password.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.clear.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`

const password = "correct horse"

// admin returns a client that may do everything.
func (b *broker) admin(t *testing.T) *kadm.Client {
	t.Helper()
	adm, err := kafka.NewAdmin(b.open(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adm.Close)
	return adm
}

// users makes users that log in by SCRAM with the password.
func (b *broker) users(t *testing.T, names ...string) {
	t.Helper()
	var all []kadm.UpsertSCRAM
	for _, n := range names {
		all = append(all, kadm.UpsertSCRAM{User: n, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password})
	}
	done, err := b.admin(t).AlterUserSCRAMs(t.Context(), nil, all)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// allow lets a user do everything with the topics of a prefix.
func (b *broker) allow(t *testing.T, user, prefix string) {
	t.Helper()
	acls := kadm.NewACLs().Allow("User:" + user).AllowHosts("*").Topics(prefix).ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpAll)
	b.createACLs(t, acls)
}

func (b *broker) createACLs(t *testing.T, acls *kadm.ACLBuilder) {
	t.Helper()
	made, err := b.admin(t).CreateACLs(context.WithoutCancel(t.Context()), acls)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range made {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

// files of a client, by what they are for.
type files struct{ ca, otherCA, cert, key, password, wrongPassword string }

func (l *lab) files(t *testing.T, user string) files {
	t.Helper()
	dir := t.TempDir()
	var f files
	f.ca, f.cert, f.key = l.ca.files(t, dir, user)
	f.otherCA = write(t, filepath.Join(dir, "other-ca.pem"), newAuthority(t).pem)
	f.password = write(t, filepath.Join(dir, "password"), password+"\n")
	f.wrongPassword = write(t, filepath.Join(dir, "wrong-password"), "wrong\n")
	return f
}
