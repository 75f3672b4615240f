package ingest

import (
	"net/http"
	"strings"
)

// maxValidationToken bounds what the handshake echoes, in bytes (DESIGN §3).
const maxValidationToken = 2 << 10

// handshake answers Graph's proof of reachability (FACTS §1.1): the token,
// decoded, as plain text. Nothing that a browser could take for markup is ever
// echoed.
func handshake(w http.ResponseWriter, token string) int {
	if token == "" || len(token) > maxValidationToken || strings.ContainsAny(token, "<>") {
		w.WriteHeader(http.StatusBadRequest)
		return http.StatusBadRequest
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(token)) // the client went away: nothing to do about it
	return http.StatusOK
}
