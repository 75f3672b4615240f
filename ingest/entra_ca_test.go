package ingest_test

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"meetbridge/ingest"
)

// An authority whose certificate nobody but --entra-ca vouches for is believed
// with it alone.
func TestEntraCA(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	authority := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	authority.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer authority.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(ca string, within time.Duration) bool {
		v, err := ingest.Config{Trust: ingest.Trust{EntraAuthority: authority.URL, EntraSTS: authority.URL, EntraCA: ca, AppIDs: []string{"11111111-1111-4111-8111-111111111111"}}}.Verifier(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		v.Start(t.Context())
		defer v.Close()
		select {
		case <-asked:
			return true
		case <-time.After(within):
			return false
		}
	}
	if ask("", 300*time.Millisecond) {
		t.Error("believed without --entra-ca")
	}
	if !ask(ca, 10*time.Second) {
		t.Error("not believed with --entra-ca")
	}
	if _, err := (ingest.Config{Trust: ingest.Trust{EntraCA: ca + "x"}}).Verifier(slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing --entra-ca is taken")
	}
}
