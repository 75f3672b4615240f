package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// farSide is Entra and Graph at one https address: a token for whoever asks, and
// the answer of each request to Graph.
func farSide(t *testing.T, token, answer http.HandlerFunc) (tenant renewer.Tenant, ca string) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			at := server.URL + "/" + strings.Split(r.URL.Path, "/")[1]
			fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/oauth2/v2.0/token"}`, at)
		case strings.HasSuffix(r.URL.Path, "/token"):
			token(w, r)
		default:
			answer(w, r)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	ca = filepath.Join(t.TempDir(), "ca.pem")
	for path, text := range map[string][]byte{secret: []byte("s3cret"), ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const id = "7a4c9d0e-1111-4222-8333-444455556666"
	return renewer.Tenant{ID: id, GraphURL: server.URL, Credential: graph.CredentialConfig{
		TenantID: id, ClientID: "0d4f3c2b-1111-4222-8333-444455556666", SecretFile: secret, AuthorityHost: server.URL,
	}}, ca
}

func goodToken(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"opaque"}`)
}

// Ensure that a far side that is busy is asked again if it says soon, and that it
// is not blamed on the token if it stays so.
func TestSignInBusy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		statuses   []int // of Graph's answers, the last one again and again
		retryAfter string
		asked      int32
		err        string
	}{
		{"there is none", []int{404}, "", 1, ""},
		{"busy once", []int{429, 404}, "1", 2, ""},
		{"broken once", []int{503, 404}, "", 2, ""},
		{"for longer", []int{429}, "60", 1, "Graph is busy (429), so that nothing is known of the token: try again in 1m"},
		{"refused", []int{401}, "", 2, "Graph does not take the token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			tenant, ca := farSide(t, goodToken, func(w http.ResponseWriter, _ *http.Request) {
				n := int(asked.Add(1))
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.statuses[min(n, len(tt.statuses))-1])
			})
			s := checkCmd{GraphCA: ca}.signInPatiently(t.Context(), &terminal{log: slog.New(slog.DiscardHandler)}, tenant, &clock{})
			if (s.err == nil) != (tt.err == "") || s.err != nil && !strings.Contains(s.err.Error(), tt.err) {
				t.Errorf("got %v, want %q", s.err, tt.err)
			}
			if n := asked.Load(); tt.err == "" && n != tt.asked {
				t.Errorf("asked %d times, want %d", n, tt.asked)
			}
		})
	}
	t.Run("authority", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Int32
		tenant, ca := farSide(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			goodToken(w, r)
		}, http.NotFound)
		if s := (checkCmd{GraphCA: ca}).signInPatiently(t.Context(), &terminal{log: slog.New(slog.DiscardHandler)}, tenant, &clock{}); s.err != nil {
			t.Error(s.err)
		}
	})
}

// Ensure that a certificate of unknown origin leads to the flag that mends it, and
// that many tenants with one trouble are one trouble.
func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	tenant, _ := farSide(t, goodToken, http.NotFound)
	s := checkCmd{}.signInPatiently(t.Context(), &terminal{log: slog.New(slog.DiscardHandler)}, tenant, &clock{})
	if s.err == nil || !strings.Contains(s.err.Error(), "--graph-ca") {
		t.Fatalf("check: %v", s.err)
	}
	var tenants []renewer.Tenant
	for i := range 6 {
		one := tenant
		one.ID = fmt.Sprintf("7a4c9d0e-1111-4222-8333-44445555666%d", i)
		one.Credential.TenantID = one.ID
		tenants = append(tenants, one)
	}
	listing := renewer.Config{}.ListGraph(t.Context(), tenants, nil, slog.New(slog.DiscardHandler))
	listing.Failed[tenants[5].ID] = errors.New("something else")
	err := unlisted(listing)
	if err == nil {
		t.Fatal("no error")
	}
	text := oneLine(err.Error())
	if strings.Count(text, "--graph-ca") != 1 || !strings.Contains(text, "tenant 7a4c9d0e-1111-4222-8333-444455556660 and 4 more: ") || !strings.Contains(text, "tenant "+tenants[5].ID+": something else") {
		t.Errorf("plan: %s", text)
	}
}
