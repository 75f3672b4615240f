//go:build synctests

package renewer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph"
	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/renewer"
	"meetbridge/schemas"
)

const tenantOne = "7a4c9d0e-0000-4000-8000-000000000001"

func someState(i int) renewer.State {
	at := time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)
	return renewer.State{
		Key:       renewer.Key{TenantID: tenantOne, Resource: fmt.Sprintf("chats/19:%06d@thread.v2/messages", i), ChangeType: "created,deleted,updated"},
		Status:    renewer.Active,
		UpdatedAt: at, SubscriptionID: fmt.Sprintf("7a4c9d0e-0000-4000-8000-%012d", i), ApplicationID: "11111111-1111-4111-8111-111111111111",
		Version: graph.V1, Rich: true, NotificationURL: "https://bridge.example/graph/notifications", LifecycleURL: "https://bridge.example/graph/lifecycle",
		CertificateID: "2026", Thumbprint: "AABBCCDDEEFF00112233445566778899AABBCCDD", ClientStateKeyID: "k1",
		CreatedAt: at, RenewedAt: at, ExpiresAt: at.Add(72 * time.Hour), ProofAt: at, Proof: renewer.ByRenewal,
	}
}

// storeWorld is a Kafka and a registry in a bubble.
type storeWorld struct {
	kafka    kafka.Config
	registry kafka.RegistryConfig
	embedded *embedded.Embedded
	http     *http.Client
}

func newStoreWorld(t *testing.T, shards int32) storeWorld {
	t.Helper()
	n := bridgetest.NewNetwork()
	e := startKafka(t, n)
	w := storeWorld{
		kafka: kafka.Config{Brokers: e.KafkaAddrs(), Dialer: n.Dial}, embedded: e,
		http: &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}},
	}
	w.registry = kafka.RegistryConfig{URL: e.RegistryURL(), HTTP: w.http}
	makeTopics(t, w.kafka, shards)
	return w
}

func (w storeWorld) open(t *testing.T, log *slog.Logger) *renewer.Store {
	t.Helper()
	s, err := renewer.OpenStore(t.Context(), w.kafka, w.registry, 0, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (w storeWorld) load(t *testing.T, s *renewer.Store) map[renewer.Key]renewer.State {
	t.Helper()
	states, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return states
}

// produce puts records into the topic as somebody else would.
func (w storeWorld) produce(t *testing.T, topic string, key, value []byte) {
	t.Helper()
	opts, err := w.kafka.Options(discard())
	if err != nil {
		t.Fatal(err)
	}
	c, err := kgo.NewClient(append(opts, kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: key, Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// Ensure that the last word on each subscription is read back as it was
// written, and that one that is gone is gone.
func TestStoreRoundTrip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newStoreWorld(t, 1)
		s := w.open(t, discard())
		one, two, three := someState(1), someState(2), someState(3)
		two.Gap = renewer.OpenGap{ID: "5f1c2f0e-0000-4000-8000-000000000001", From: two.ProofAt, Cause: renewer.CauseExpired, OldSubscriptionID: two.SubscriptionID}
		gap := renewer.Gap{
			EventID: "5f1c2f0e-0000-4000-8000-000000000002", GapID: two.Gap.ID, Key: two.Key, From: two.ProofAt, RecordedAt: two.UpdatedAt, Cause: two.Gap.Cause,
		}
		if err := s.Write(t.Context(), []renewer.State{one, two, three}, []renewer.Gap{gap}); err != nil {
			t.Fatal(err)
		}
		one.Attempts, one.Error, one.ErrorStatus = 3, "Graph says no", 400
		three.Status = renewer.Deleted
		if err := s.Write(t.Context(), []renewer.State{one, three}, nil); err != nil {
			t.Fatal(err)
		}
		want := map[renewer.Key]renewer.State{one.Key: one, two.Key: two}
		if got := w.load(t, w.open(t, discard())); !reflect.DeepEqual(got, want) {
			t.Errorf("read back %+v\nwant %+v", got, want)
		}
		gaps := 0
		err := kafka.Scan(t.Context(), w.kafka, []kafka.ScanTopic{{Topic: "teams.gaps"}}, discard(), func(r *kgo.Record) error {
			var g schemas.SubscriptionGap
			_, body, err := schemas.Split(r.Value)
			if err == nil {
				err = schemas.DecodeInto(body, "gaps", &g)
			}
			if g.GapID != gap.GapID || string(r.Key) != gap.Key.Resource {
				t.Errorf("gap record %q: %+v", r.Key, g)
			}
			gaps++
			return err
		})
		if err != nil || gaps != 1 {
			t.Errorf("%d gaps, %v", gaps, err)
		}
	})
}

// I10: once another process has taken the shard over, the deposed leader's
// write does not take effect, neither of state nor of gap.
func TestStoreFenced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newStoreWorld(t, 1)
		first := w.open(t, discard())
		if err := first.Write(t.Context(), []renewer.State{someState(1)}, nil); err != nil {
			t.Fatal(err)
		}
		second := w.open(t, discard())
		late := someState(1)
		late.Error = "written by the deposed leader"
		for range 2 {
			if err := first.Write(t.Context(), []renewer.State{late}, nil); !errors.Is(err, kafka.ErrFenced) {
				t.Fatalf("the deposed leader writes: %v", err)
			}
		}
		if err := second.Write(t.Context(), []renewer.State{someState(2)}, nil); err != nil {
			t.Fatal(err)
		}
		got := w.load(t, w.open(t, discard()))
		if len(got) != 2 || got[late.Key].Error != "" {
			t.Errorf("read back %+v", got)
		}
	})
}

// Ensure that what this version cannot read is kept and reported: garbage, a
// later version's records, another's key. An older version's is read.
func TestStoreUnreadable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newStoreWorld(t, 1)
		s := w.open(t, discard())
		good, err := s.Record(someState(1))
		if err != nil {
			t.Fatal(err)
		}
		registry, err := kafka.NewRegistry(w.registry, discard())
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, schema := range schemas.All() {
			if schema.Topic == "subscriptions" {
				text = schema.Text
			}
		}
		// The next version, and one from before the last field was added.
		later := strings.Replace(text, `{"name": "open_gap_from"`, `{"name": "new_member", "type": ["null", "string"], "default": null}, {"name": "open_gap_from"`, 1)
		cut := strings.Index(text, `,
  {"name": "open_gap_old_subscription_id"`)
		earlier := text[:cut] + "]}"
		header := func(schema string) []byte {
			id, err := registry.Register(t.Context(), "teams.subscriptions-value", schema)
			if err != nil {
				t.Fatal(err)
			}
			return []byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
		}
		key := func(i int) []byte { return []byte(someState(i).String()) }
		older := someState(7)
		oldRecord, err := s.Record(older)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []struct{ key, value []byte }{
			{key(1), good},
			{key(2), []byte("garbage")},
			{key(3), append(header(later), good[5:]...)},
			{key(4), good}, // of subscription 1
			{key(5), append([]byte{0, 0x7f, 0xff, 0xff, 0xff}, good[5:]...)}, // of a schema that does not exist
			{[]byte("no key"), good},
			{key(6), []byte("garbage")},
			{key(6), nil},
			{key(7), append(header(earlier), oldRecord[5:len(oldRecord)-1]...)},
			{key(8), good[:len(good)-3]},
		} {
			w.produce(t, "teams.subscriptions", r.key, r.value)
		}
		var log bytes.Buffer
		s = w.open(t, slog.New(slog.NewTextHandler(&log, nil)))
		got := w.load(t, s)
		aside := 0
		for i := 1; i <= 8; i++ {
			state, ok := got[someState(i).Key]
			switch i {
			case 1, 7:
				if !reflect.DeepEqual(state, someState(i)) {
					t.Errorf("state %d: %+v", i, state)
				}
			case 6:
				if ok {
					t.Errorf("state 6 was deleted: %+v", state)
				}
			default:
				if state.Status != renewer.Aside {
					t.Errorf("state %d is %q, want it aside", i, state.Status)
				}
				aside++
			}
		}
		if reported := strings.Count(log.String(), "state record kept as it is"); reported < aside {
			t.Errorf("%d kept, %d reported:\n%s", aside, reported, &log)
		}
		// What is aside is not overwritten, even if somebody tries.
		before := rawStates(t, w)
		if err := s.Write(t.Context(), []renewer.State{got[someState(3).Key]}, nil); err != nil {
			t.Fatal(err)
		}
		if after := rawStates(t, w); !bytes.Equal(after[string(key(3))], before[string(key(3))]) {
			t.Error("a later version's record was overwritten")
		}
	})
}

func rawStates(t *testing.T, w storeWorld) map[string][]byte {
	t.Helper()
	raw := map[string][]byte{}
	if err := kafka.Scan(context.Background(), w.kafka, []kafka.ScanTopic{{Topic: "teams.subscriptions"}}, discard(), func(r *kgo.Record) error {
		raw[string(r.Key)] = r.Value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return raw
}
