//go:build synctests

package bridgetest_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
	"meetbridge/bridge/kafka"
)

// I11: a running renewer that is given files which are broken in every way stays
// with what it had: nothing is made, nothing is ended, all is renewed. State
// records that it cannot read are kept as they are and their subscriptions left
// alone.
func TestSystemBadInput(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		s := bridgetest.NewSystem(t, keys, systemLog(), 1, func(c *graphsim.Config) {
			c.Seed, c.Tenants, c.MeetingsPerTenant, c.WebinarsPerTenant = *seed, 1, 1, 1
			c.Faults.Every = map[graphsim.Fault]int{graphsim.APIThrottled: -1, graphsim.APIUnavailable: -1, graphsim.HandshakeLost: -1}
		})
		s.Lifetime = 5 * time.Minute
		time.Sleep(5 * time.Second) // the topics are made
		tenant := s.Graph.Tenants()[0].ID
		garbage := map[string]string{
			tenant + " chats created,updated":                                  "garbage",
			tenant + " communications/onlineMeetings/getAllRecordings created": "\x00\x7f\xff\xff\xff of a schema that nobody has",
			tenant + " solutions/virtualEvents/events created":                 "\x00\x00\x00\x00\x01cut off",
			"no key of ours": "whatever",
			tenant + " communications/onlineMeetings/getAllRecordings updated,zzzzzzzzz": "",
		}
		for key, value := range garbage {
			produce(t, s, key, value)
		}
		wishes := everything(s.Graph)
		s.Desire(wishes...)
		good := s.Read("subscriptions.yaml")
		s.StartRenewer()
		apart := []string{"chats", "communications/onlineMeetings/getAllRecordings", "solutions/virtualEvents/events"}
		ids := func() (ids []string) {
			for _, sub := range s.Graph.Subscriptions() {
				ids = append(ids, sub.ID)
				if slices.Contains(apart, sub.Resource) {
					t.Errorf("a subscription to %s was made, though its state cannot be read", sub.Resource)
				}
			}
			slices.Sort(ids)
			return ids
		}
		s.Within(30*time.Second, "all others are made", func() bool { return len(ids()) == len(wishes)-len(apart) })
		before, leader := ids(), s.Leader()
		if n := leader.Value("states_aside"); n < 3 {
			t.Errorf("%v records are reported as not readable", n)
		}

		bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
		for c := 'b'; c < 'k'; c++ {
			bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ",") + "]\n"
		}
		refused := leader.Value("reloads_total")
		broken := map[string]string{
			"empty": "", "null": "~", "NUL": good + "\x00", "tabs": strings.ReplaceAll(good, "  ", "\t"), "twice": good + "\n" + good, "two documents": good + "\n---\n" + good,
			"a list": "- a", "a text": "hello", "bomb": bomb + "tenants: *j\n", "itself": "tenants: &a [*a, *a]", "deep": "tenants: " + strings.Repeat("[", 20_000),
			"half a line": good[:len(good)*3/4], "wrong types": strings.Replace(good, "tenants:", "tenants: 7 #", 1), "no UTF-8": "tenants: \xff\xfe", "JSON, cut off": `{"tenants": [`,
			"another key": strings.Replace(good, "development", "tenant", 1), "no secret": strings.Replace(good, "secret_file: secret", "secret_file: nowhere", 1),
			"plain http": strings.Replace(good, "graph_url: https", "graph_url: http", 1),
		}
		for name, text := range broken {
			s.Write("subscriptions.yaml", text)
			time.Sleep(10 * time.Second)
			if !slices.Equal(ids(), before) || !leader.Leading() {
				t.Fatalf("with a file that is broken (%s) other subscriptions live", name)
			}
		}
		path := filepath.Join(s.Dir(), "subscriptions.yaml")
		for name, do := range map[string]func() error{
			"100 MB":      func() error { return os.Truncate(path, 100<<20) },
			"away":        func() error { return os.Remove(path) },
			"a directory": func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
			"certificate": func() error {
				_ = os.Remove(path)
				s.Write("subscriptions.yaml", good)
				s.Write("certificates/"+keys.CertificateID+".pem", "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n")
				return nil
			},
			"client-state keys": func() error { s.Write("client-state.keys", "k1 short\n"); return nil },
			"no keys":           func() error { s.Write("client-state.keys", ""); return nil },
		} {
			s.Write("client-state.keys", bridgetest.ClientStateKey)
			_ = os.Remove(path) // a directory, perhaps
			s.Write("subscriptions.yaml", good)
			if err := do(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			time.Sleep(10 * time.Second)
			if !slices.Equal(ids(), before) || !leader.Leading() {
				t.Fatalf("with a file that is broken (%s) other subscriptions live", name)
			}
		}
		if n := leader.Value("reloads_total") - refused; n < float64(len(broken)) {
			t.Errorf("%v files were counted as refused, of %d", n, len(broken))
		}

		// The good file is taken again, and so are the others' states.
		_ = os.Remove(path)
		s.Write("client-state.keys", bridgetest.ClientStateKey)
		s.Desire(wishes[:len(wishes)-1]...)
		s.Within(30*time.Second, "the good file is taken again", func() bool { return len(ids()) == len(before)-1 })
		leader.Stop()
		for key, value := range lastStates(t, s) {
			if was, ours := garbage[key]; ours && was != value {
				t.Errorf("the state record of %q became %q", key, value)
			}
			delete(garbage, key)
		}
		if len(garbage) > 0 {
			t.Errorf("the state records of %v are gone", garbage)
		}
	})
}

// produce puts a state record where the renewer's are.
func produce(t *testing.T, s *bridgetest.System, key, value string) {
	t.Helper()
	opts, err := s.Config.Kafka.Options(systemLog())
	if err != nil {
		t.Fatal(err)
	}
	c, err := kgo.NewClient(append(opts, kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := &kgo.Record{Topic: "teams.subscriptions", Key: []byte(key), Value: []byte(value)}
	if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// lastStates returns the last word on each key, as it is.
func lastStates(t *testing.T, s *bridgetest.System) map[string]string {
	t.Helper()
	last := map[string]string{}
	err := kafka.Scan(t.Context(), s.Config.Kafka, []kafka.ScanTopic{{Topic: "teams.subscriptions"}}, systemLog(), func(r *kgo.Record) error {
		last[string(r.Key)] = string(r.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}
