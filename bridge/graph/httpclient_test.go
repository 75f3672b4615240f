package graph_test

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"meetbridge/bridge/graph"
)

// The extra CA makes a host trusted that is not so without it, over real
// sockets and HTTP/2.
func TestHTTPClient(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("protocol %s", r.Proto)
		}
		answer(w, 200, answered)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	ca := writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	for _, tt := range []struct {
		file string
		good bool
	}{{ca, true}, {"", false}} {
		h, err := graph.HTTPClient(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		client, err := graph.New(graph.Config{BaseURL: srv.URL, HTTP: h, Credential: fixed("t")})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := client.Get(t.Context(), graph.V1, subID); (err == nil) != tt.good || tt.good && s.ID != subID {
			t.Errorf("with CA %q: %v", tt.file, err)
		}
		h.CloseIdleConnections()
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "missing"), writeFile(t, "ca", "no PEM")} {
		if _, err := graph.HTTPClient(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
