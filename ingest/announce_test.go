//go:build synctests

package ingest_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
)

// Whoever asks Kafka learns which keys a running ingest process has, those that
// come later too, and nothing of one that has ended (FACTS §2.4).
func TestKeysAreAnnounced(t *testing.T) {
	t.Parallel()
	keys, second := bridgetest.NewKeyFiles(t), bridgetest.OtherKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), nil)
		adm, err := kafka.NewAdmin(r.Config.Kafka, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer adm.Close()
		announced := func() []byte {
			said, err := kafka.ReadRoster(t.Context(), adm, bridge.KeyRoster("teams."))
			if err != nil {
				t.Fatal(err)
			}
			if len(said) != 1 {
				return nil
			}
			return said[0].Says
		}
		time.Sleep(10 * time.Second)
		one, states, err := bridge.ParseAnnouncedKeys(announced())
		if err != nil || len(one) != 1 || one[0].ID != keys.CertificateID || len(one[0].Thumbprint) != 40 || len(states) != 1 {
			t.Fatalf("announced: %+v, %q, %v", one, states, err)
		}
		if err := os.WriteFile(filepath.Join(r.Config.DecryptionKeys, "second.pem"), []byte(second.PEM), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		both, _, err := bridge.ParseAnnouncedKeys(announced())
		if err != nil || len(both) != 2 || both[0] != one[0] || both[1].ID != "second" || both[1].Thumbprint == one[0].Thumbprint {
			t.Fatalf("announced with a second key: %+v, %v", both, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := r.Ingest.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if left := announced(); left != nil {
			t.Errorf("announced after its end: %q", left)
		}
	})
}
