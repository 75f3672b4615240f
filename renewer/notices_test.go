//go:build synctests

package renewer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
	"meetbridge/schemas"
)

// notify puts a lifecycle notice on its topic, as ingest does.
func (w *world) notify(event, tenant, id string) {
	w.t.Helper()
	codec, err := schemas.NewCodec()
	if err != nil {
		w.t.Fatal(err)
	}
	registry, err := kafka.NewRegistry(kafka.RegistryConfig{URL: w.kafka.RegistryURL(), HTTP: &http.Client{Transport: &http.Transport{DialContext: w.net.Dial, DisableKeepAlives: true}}}, discard())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range schemas.All() {
		if s.Topic != "lifecycle" {
			continue
		}
		schema, err := registry.Register(w.t.Context(), "teams.lifecycle-value", s.Text)
		if err != nil {
			w.t.Fatal(err)
		}
		value, err := codec.Append(nil, "lifecycle", uint32(schema), &schemas.LifecycleNotice{
			EventID: uuid.NewString(), TenantID: &tenant, SubscriptionID: id, LifecycleEvent: event, ReceivedAt: time.Now().UTC(),
		})
		if err != nil {
			w.t.Fatal(err)
		}
		w.produce("teams.lifecycle", id, value)
	}
}

func (w *world) produce(topic, key string, value []byte) {
	w.t.Helper()
	opts, err := w.config().Options(discard())
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := kgo.NewClient(append(opts, kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Key: []byte(key), Value: value}).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// slowRules leave time between the renewals, so that what a notice causes stands
// out.
func slowRules() renewer.Rules {
	r := renewer.DefaultRules()
	r.BackoffMin, r.BackoffMax = time.Second, 10*time.Second
	return r
}

// Ensure that notices are heeded once: a request to reauthorize by one PATCH, a
// removal by a new subscription and a gap record, whoever leads when they come;
// that repetitions, strangers' and garbage do nothing.
func TestNotices(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		w.rules, w.lifetime = slowRules(), "60h"
		keys := w.desire(3, tenantOne)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		time.Sleep(15 * time.Minute)
		id := w.graph.idOf(keys[0])
		patches := w.graph.count(http.MethodPatch)
		w.notify("reauthorizationRequired", tenantOne, id)
		within(t, 5*time.Second, "it is renewed", func() bool { return w.graph.count(http.MethodPatch) == patches+1 })
		w.notify("reauthorizationRequired", tenantOne, id)
		w.notify("reauthorizationRequired", tenantOne, uuid.NewString())
		w.produce("teams.lifecycle", "x", []byte("garbage"))
		time.Sleep(time.Minute)
		if got := w.graph.count(http.MethodPatch); got != patches+1 {
			t.Errorf("%d PATCHes after repeated notices, want one", got-patches)
		}

		// Nobody leads when this one comes.
		p.kill()
		w.graph.remove(id)
		w.notify("subscriptionRemoved", tenantOne, strings.ToUpper(id))
		time.Sleep(time.Minute)
		p.restart(&[]*proc{p})
		p = w.start()
		within(t, 30*time.Second, "it is made anew", func() bool { return w.allAlive(keys) })
		w.notify("subscriptionRemoved", tenantOne, id) // of the old one
		posts := w.graph.count(http.MethodPost)
		time.Sleep(time.Minute)
		if got := w.graph.count(http.MethodPost); got != posts {
			t.Errorf("%d creations after a stale notice", got-posts)
		}

		// A graceful successor does not heed again what was heeded.
		patches = w.graph.count(http.MethodPatch)
		p.stop()
		p = w.start()
		time.Sleep(time.Minute)
		if got := w.graph.count(http.MethodPatch); got != patches || p.value("notices_total") > 0 {
			t.Errorf("after a hand-over %d PATCHes, %v notices read again", got-patches, p.value("notices_total"))
		}
		p.stop()
		w.checkGaps(t)
	})
}
