package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// Ensure that a public URL is well only if it does what Graph asks for, and that
// what is said of another tells why.
func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path string
		answer     func(w http.ResponseWriter, r *http.Request, token string)
		err        string
	}{
		{"right", "/n?a=b", func(w http.ResponseWriter, r *http.Request, token string) {
			if r.Method != http.MethodPost || r.URL.Query().Get("a") != "b" || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				w.WriteHeader(http.StatusTeapot)
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte(token))
		}, ""},
		{"still encoded", "/", func(w http.ResponseWriter, r *http.Request, _ string) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte(strings.TrimPrefix(r.URL.RawQuery, "validationToken=")))
		}, "something else than the validation token"},
		{"HTML", "/", func(w http.ResponseWriter, _ *http.Request, token string) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(token))
		}, `"text/html" instead of text/plain`},
		{"sign-in page", "/n", func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusForbidden) }, "let /n through unasked"},
		{"redirect", "/", func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, "/there", http.StatusFound)
		}, "answers 302"},
		{"slow", "/", func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() }, "cannot be reached from here: context deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tt.answer(w, r, r.URL.Query().Get("validationToken")) }))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			detail, err := handshake(ctx, server.URL+tt.path)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || err == nil && !strings.Contains(detail, "gives Graph's token back") {
				t.Errorf("%q, %v, want %q", detail, err, tt.err)
			}
		})
	}
	if _, err := handshake(t.Context(), "http://127.0.0.1:1/n"); err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "Validation") {
		t.Errorf("nobody there: %v", err)
	}
}

// Ensure that a clock more than a minute off is found, and that slowness is not
// taken for one.
func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		took  time.Duration
		err   string
	}{
		{"right", 0, 50 * time.Millisecond, ""},
		{"a minute behind, less what Date cuts off", -time.Minute, 0, ""},
		{"behind", -62 * time.Second, 0, "is 1m3s behind that of graph"},
		{"ahead", time.Hour, 0, "is 1h0m0s ahead of that of graph"},
		{"slow answer", 70 * time.Second, 30 * time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &clock{}
			began := now.Add(tt.ahead).Add(-tt.took / 2)
			c.read("graph", now.Format(http.TimeFormat), began, began.Add(tt.took))
			c.read("broken", "yesterday", began, began)
			detail, err := c.judge()
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || strings.Contains(detail, "broken") {
				t.Errorf("%q, %v, want %q", detail, err, tt.err)
			}
		})
	}
	if _, err := (&clock{}).judge(); err == nil {
		t.Error("a clock that was compared with none is right")
	}
}

// Ensure that each missing permission is named once, with what it is missing for.
func TestPermissions(t *testing.T) {
	t.Parallel()
	w := &renewer.Wanted{}
	for _, resource := range []string{"chats/getAllMessages", "chats/19:a@thread.v2/messages", "communications/onlineMeetings/getAllTranscripts", "teams"} {
		w.Subscriptions = append(w.Subscriptions, renewer.Desired{Key: renewer.Key{TenantID: "t", Resource: resource}})
	}
	for _, tt := range []struct {
		name  string
		roles []string
		err   string
	}{
		{"all", []string{"Chat.Read.All", "OnlineMeetingTranscript.Read.All", "Team.ReadBasic.All"}, ""},
		{"more than needed", []string{"Chat.ReadWrite.All", "OnlineMeetingTranscript.Read.All", "TeamSettings.Read.All"}, ""},
		{"one missing", []string{"Team.ReadBasic.All", "OnlineMeetingTranscript.Read.All"}, "tenant t lacks Chat.Read.All for chats/getAllMessages and 1 more: give application app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			detail, err := permissions(w, "t", signIn{grant: graph.Grant{AppID: "app", Roles: tt.roles}})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, %v, want %q", detail, err, tt.err)
			}
		})
	}
	if detail, err := permissions(w, "t", signIn{opaque: errors.New("no JWT")}); err != nil || !strings.Contains(detail, "cannot be told") {
		t.Errorf("a token that says nothing: %q, %v", detail, err)
	}
}
