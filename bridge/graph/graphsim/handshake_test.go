package graphsim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// The handshake takes only what Graph takes: 200, text/plain, the decoded
// token, within ten seconds.
func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name  string
			body  func(token, raw string) string
			typ   string
			code  int
			after time.Duration
			ok    bool
		}{
			{name: "decoded", ok: true},
			{name: "decoded, slow", after: 9 * time.Second, ok: true},
			{name: "too slow", after: 11 * time.Second},
			{name: "still encoded", body: func(_, raw string) string { return raw }},
			{name: "OK", body: func(string, string) string { return "OK" }},
			{name: "202", code: http.StatusAccepted},
			{name: "JSON", typ: "application/json"},
		} {
			asked := 0
			cfg := config(&receiver{})
			cfg.Client = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				asked++
				if req.Method != http.MethodPost || !strings.HasPrefix(req.Header.Get("Content-Type"), "text/plain") || queryOf(t, req.URL.String(), "keep") != "1" {
					t.Errorf("%s: %s %s", c.name, req.Method, req.URL)
				}
				select {
				case <-time.After(c.after):
				case <-req.Context().Done():
					return nil, req.Context().Err()
				}
				token := queryOf(t, req.URL.String(), "validationToken")
				if !strings.HasPrefix(token, "Validation: Testing client application reachability for subscription Request-Id: ") {
					t.Errorf("token %q", token)
				}
				_, raw, _ := strings.Cut(req.URL.RawQuery, "validationToken=")
				body, typ, code := token, "text/plain; charset=utf-8", http.StatusOK
				if c.body != nil {
					body = c.body(token, raw)
				}
				if c.typ != "" {
					typ = c.typ
				}
				if c.code != 0 {
					code = c.code
				}
				return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {typ}}, Body: io.NopCloser(bytes.NewBufferString(body))}, nil
			})}
			s, err := graphsim.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Handshake(context.Background(), notificationURL+"?keep=1")
			if c.ok && (err != nil || asked != 2) || !c.ok && !errors.Is(err, graphsim.ErrHandshake) {
				t.Errorf("%s: %v after %d requests", c.name, err, asked)
			}
		}
	})
}
