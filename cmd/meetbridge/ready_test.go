package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Ensure that the health check of a container is well only when the process says
// so, and otherwise says what is missing.
func TestReady(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		code   int
		says   string
	}{
		{"ready", http.StatusOK, `{"ready":true,"checks":{"kafka":{"ok":true}}}`, exitOK, "ready\n"},
		{
			"not ready", http.StatusServiceUnavailable, `{"ready":false,"checks":{"schema registry":{"ok":false,"note":"down"},"keys":{"ok":true},"kafka":{"ok":false,"note":"gone"}}}`,
			exitWrong, "not ready: kafka: gone; schema registry: down\n",
		},
		{"something else", http.StatusNotFound, "404 page not found", exitWrong, "/readyz answers 404 Not Found\n"},
		{"elsewhere", http.StatusFound, "", exitWrong, "answers 302 Found\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/readyz" {
					t.Errorf("%s was asked", r.URL.Path)
				}
				w.Header().Set("Location", "/there")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer server.Close()
			admin := strings.TrimPrefix(server.URL, "http://")
			for _, args := range [][]string{{"ready", "--admin-listen", admin}, {"ready", server.URL + "/readyz"}} {
				code, said := ask(t, nil, args...)
				if code != tt.code || !strings.HasSuffix(said, tt.says) {
					t.Errorf("%q: exit code %d, %q", args, code, said)
				}
			}
			// As in a container: the process's own variable, on every address.
			code, said := ask(t, []string{"MEETBRIDGE_ADMIN_LISTEN=" + strings.Replace(admin, "127.0.0.1", "", 1)}, "ready")
			if code != tt.code || !strings.HasSuffix(said, tt.says) {
				t.Errorf("by variable: exit code %d, %q", code, said)
			}
		})
	}
	if code, said := ask(t, nil, "ready", "--admin-listen", "127.0.0.1:1"); code != exitWrong || !strings.Contains(said, "does not answer: ") {
		t.Errorf("nobody there: exit code %d, %q", code, said)
	}
	for _, args := range [][]string{{"ready", "--admin-listen", "nonsense"}, {"ready", "nonsense"}} {
		if code, said := ask(t, nil, args...); code != exitUsage || !strings.Contains(said, "must be") {
			t.Errorf("%q: exit code %d, %q", args, code, said)
		}
	}
}

// ask runs the program in this process, and returns all that it said.
func ask(t *testing.T, env []string, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &out)
	return code, out.String()
}
