package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
)

// handler answers a POST on either path, by the table of DESIGN §3.
type handler struct {
	pipeline  *pipeline
	admission *admission
	maxBody   int64
	budget    time.Duration
	draining  atomic.Bool
	metrics   *metrics
	log       *slog.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	code := h.serve(w, r, arrived)
	h.metrics.answer(code)
	now := time.Now()
	h.metrics.answered.Observe(now.Sub(arrived).Seconds())
	if code < 400 || code >= 500 {
		answeredOn(r.Context(), now)
	}
}

// serve writes the answer and returns its status code.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, arrived time.Time) int {
	if r.URL.RawQuery != "" && r.URL.Query().Has("validationToken") {
		return handshake(w, r.URL.Query().Get("validationToken"))
	}
	if h.draining.Load() {
		return h.unavailable(w, true)
	}
	if !isJSON(r.Header) {
		return refuse(w, http.StatusUnsupportedMediaType)
	}
	ctx := r.Context()
	ticket := h.admission.newTicket()
	defer ticket.release()
	body, err := readBody(r, h.maxBody, ticket)
	if err != nil {
		return h.answer(ctx, w, err)
	}
	if h.pipeline.out.kafka.away() || !ticket.enter() {
		return h.unavailable(w, false)
	}
	return h.answer(ctx, w, h.pipeline.take(ctx, body, arrived, arrived.Add(h.budget), ticket))
}

// answer is the one place where an error becomes a status code.
func (h *handler) answer(ctx context.Context, w http.ResponseWriter, err error) int {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
		return http.StatusAccepted
	case errors.Is(err, errUnavailable), errors.Is(err, errFull):
		return h.unavailable(w, false)
	case errors.Is(err, errBodyTooLarge), errors.Is(err, bridge.ErrTooManyItems):
		return refuse(w, http.StatusRequestEntityTooLarge)
	case errors.Is(err, errBodyTooSlow):
		return refuse(w, http.StatusRequestTimeout)
	default: // no JSON, or no collection
		var broken *jsontext.SyntacticError
		if errors.As(err, &broken) { // which quotes names and signs of the body
			err = fmt.Errorf("no JSON at byte %d", broken.ByteOffset)
		}
		h.log.DebugContext(ctx, "body is no notification collection", "error", err)
		return refuse(w, http.StatusBadRequest)
	}
}

// unavailable asks Graph to send again. The wait is spread, so that what comes
// back after an outage does not come back at once.
func (h *handler) unavailable(w http.ResponseWriter, closing bool) int {
	w.Header().Set("Retry-After", strconv.Itoa(1+rand.IntN(5)))
	if closing {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	return http.StatusServiceUnavailable
}

// refuse answers what Graph never sends. The connection ends, since the rest of
// a body that was not read would be taken for the next request.
func refuse(w http.ResponseWriter, code int) int {
	w.Header().Set("Connection", "close")
	w.WriteHeader(code)
	return code
}
