//go:build synctests

package ingest_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
	"meetbridge/schemas"
)

// setAside writes records into r's quarantine, as ingest would.
func setAside(t *testing.T, r *bridgetest.Rig, records ...*schemas.QuarantinedItem) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	registry, err := kafka.NewRegistry(r.Config.Registry, log)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := registry.RegisterAll(t.Context(), r.Config.TopicPrefix, schemas.All())
	if err != nil {
		t.Fatal(err)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	producer, err := kafka.NewProducer(r.Config.Kafka, r.Config.Producer, log)
	if err != nil {
		t.Fatal(err)
	}
	topic := bridge.Quarantine.Topic()
	for _, q := range records {
		value, err := codec.Append(nil, topic, uint32(ids[topic]), q)
		if err != nil {
			t.Fatal(err)
		}
		producer.Produce(&kgo.Record{Topic: r.Config.TopicPrefix + topic, Key: []byte("s1"), Value: value, Timestamp: q.ReceivedAt}, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// I3, each guard by itself: the reason that the record gives, what the
// signatures were worth, and all the rest judged again.
func TestReplayGuards(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		var trust ingest.Trust
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), func(c *ingest.Config) {
			trust = c.Trust
			basicOnly(c)
		})
		r.Ready()
		const tenant = "33333333-3333-4333-8333-333333333333"
		now := time.Now()
		claims := fmt.Sprintf(`{"iss":%q,"tid":%q,"ver":"2.0","azp":"0bf30f3b-4a52-48df-9a82-234910c4a086","aud":%q,"exp":%d,"nbf":%d}`,
			r.Config.EntraAuthority+"/"+tenant+"/v2.0", tenant, bridgetest.AppID, now.Unix()+600, now.Unix()-600)
		good := schemas.QuarantinedToken{Claims: &claims, SignatureValid: true}
		stranger, foreign := strings.Replace(claims, "0bf30f3b", "1bf30f3b", 1), strings.ReplaceAll(claims, tenant, "44444444-4444-4444-8444-444444444444")
		signature := string(bridge.TokenSignature)
		forged := schemas.QuarantinedToken{Claims: &claims, Reason: &signature}
		unsaid := schemas.QuarantinedToken{Claims: &claims}

		plain := strings.Replace(basic(1), `"t1"`, `"`+tenant+`"`, 1)
		rich := strings.Replace(plain, `"changeType"`, `"encryptedContent":{"data":"AA==","dataKey":"AA==","dataSignature":"AA==","encryptionCertificateId":"rig-key"},"changeType"`, 1)
		var want []bridge.Reason
		var records []*schemas.QuarantinedItem
		add := func(reason bridge.Reason, item string, verified bool, wants bridge.Reason, tokens ...schemas.QuarantinedToken) {
			want = append(want, wants)
			records = append(records, &schemas.QuarantinedItem{
				EventID: fmt.Sprintf("00000000-0000-8000-8000-%012d", len(want)), ReceivedAt: now.Add(time.Duration(len(want)) * time.Second),
				Reason: string(reason), Item: []byte(item), ClientStateVerified: verified, Tokens: tokens,
			})
		}
		// What cannot be cured stays, though nothing else would be wrong with it.
		for _, info := range bridge.Reasons() {
			if !info.Replayable {
				add(info.Reason, plain, true, info.Reason)
			}
		}
		add("a_reason_of_tomorrow", plain, true, "a_reason_of_tomorrow")
		// What can be stays all the same, if anything else is wrong.
		add(bridge.TokenAudience, rich, true, bridge.TokenSignature, good, forged)
		add(bridge.TokenAudience, rich, true, bridge.TokenSignature, forged)
		add(bridge.TokenAudience, rich, true, bridge.TokenSignature, unsaid)
		add(bridge.TokenAudience, rich, true, bridge.TokenMissing)
		add(bridge.TokenAudience, rich, true, bridge.TokenTenant, schemas.QuarantinedToken{Claims: &foreign, SignatureValid: true})
		add(bridge.TokenAudience, rich, true, bridge.TokenPublisher, schemas.QuarantinedToken{Claims: &stranger, SignatureValid: true})
		add(bridge.TokenAudience, rich, true, bridge.TokenMalformed, schemas.QuarantinedToken{SignatureValid: true})
		add(bridge.TokenAudience, rich, true, bridge.SealedMalformed, good)
		add(bridge.ClientStateUnknownKey, rich, false, bridge.TokenMissing)
		add(bridge.ClientStateUnknownKey, strings.Replace(plain, bridgetest.LiteralState, "guess", 1), false, bridge.ClientStateMismatch)
		add(bridge.ClientStateUnknownKey, strings.Replace(plain, bridgetest.LiteralState, "", 1), false, bridge.ClientStateMissing)
		add(bridge.DecryptionKeyUnknown, "null", true, bridge.MalformedItem)
		// And one that is good, or the test would prove nothing.
		add(bridge.ClientStateUnknownKey, plain, false, "")
		setAside(t, r, records...)

		n := 0
		err := ingest.Replay(t.Context(), replayConfig(r, trust, true), slog.New(slog.DiscardHandler), func(p ingest.Replayed) error {
			if p.Now != want[n] || (p.Outcome == ingest.ReplayStays) != (want[n] != "") {
				t.Errorf("%s (%s): %s %q, want %q", p.EventID, records[n].Reason, p.Outcome, p.Now, want[n])
			}
			n++
			return nil
		})
		if err != nil || n != len(want) {
			t.Errorf("%d of %d, %v", n, len(want), err)
		}
		if got := onlyOnce(t, r); len(got) != 1 {
			t.Errorf("%d records", len(got))
		}
	})
}
