package process_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/process"
)

// Ensure that the log says once that all is well, and that /readyz names what
// is not, in text that people can read.
func TestReadiness(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	well := false
	ready := process.NewReadiness(slog.New(slog.NewTextHandler(&log, nil)), process.Check{Name: "part", Test: func(context.Context) (string, error) {
		if !well {
			return "", errors.New("put <id>.pem there & wait")
		}
		return "1 key", nil
	}})
	admin := process.NewAdmin(prometheus.NewRegistry(), ready).Handler
	for _, want := range []struct {
		well bool
		code int
		text string
	}{
		{false, http.StatusServiceUnavailable, `"note": "put <id>.pem there & wait"`},
		{true, http.StatusOK, `"note": "1 key"`},
		{true, http.StatusOK, `"ready": true`},
	} {
		well = want.well
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("got %d %s, want %d and %q", w.Code, w.Body, want.code, want.text)
		}
		if logged := strings.Count(log.String(), "msg=ready"); want.well != (logged == 1) {
			t.Errorf("logged: %s", &log)
		}
	}
}
