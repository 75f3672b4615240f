package graphsim_test

import (
	"encoding/base64"
	"testing"
	"testing/synctest"

	"meetbridge/bridge/graph/graphsim"
)

// What is sealed has the members and the lengths of the official vector, opens
// by the standard library alone, and every sealing has a key of its own.
func TestSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vector := parse(t, sample(t, "vectors", "encrypted-content.json"))
		r := &receiver{}
		cfg := config(r)
		cfg.Faults.Every = map[graphsim.Fault]int{graphsim.DuplicateResealed: 4, graphsim.DuplicateItem: -1}
		play(t, cfg, graphsim.Limit{Items: 200})
		c := &checker{key: newKey()}
		opened := map[string]int{}
		keys := map[string]bool{}
		for _, n := range items(t, r.acknowledged()) {
			e := n.EncryptedContent
			if e == nil {
				continue
			}
			for _, m := range []struct {
				name, got string
				bytes     int // 0: as in the vector
			}{
				{"dataKey", e.DataKey, newKey().private.Size()},
				{"dataSignature", e.DataSignature, 0},
			} {
				want := m.bytes
				if want == 0 {
					b, err := base64.StdEncoding.DecodeString(vector[m.name].(string))
					if err != nil {
						t.Fatal(err)
					}
					want = len(b)
				}
				if b, err := base64.StdEncoding.DecodeString(m.got); err != nil || len(b) != want {
					t.Fatalf("%s of %d bytes, want %d: %v", m.name, len(b), want, err)
				}
			}
			if len(e.EncryptionCertificateThumbprint) != len(vector["encryptionCertificateThumbprint"].(string)) || e.EncryptionCertificateID != newKey().id {
				t.Errorf("certificate %q, thumbprint %q", e.EncryptionCertificateID, e.EncryptionCertificateThumbprint)
			}
			reason, payload := c.open(*e)
			if reason != "" {
				t.Fatalf("sealed content does not open: %s", reason)
			}
			opened[string(payload)]++
			keys[e.DataKey] = true
		}
		again, all := 0, 0
		for _, n := range opened {
			all += n
			again += n - 1
		}
		if again < 20 || len(keys) != all {
			t.Errorf("%d payloads came again, %d data keys for %d items", again, len(keys), all)
		}
	})
}
