package graphsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBatch is how many requests a batch may hold.
const maxBatch = 20

// batchRequest is one request of a batch.
type batchRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"` // relative to the version
	Headers   map[string]string `json:"headers"`
	Body      jsontext.Value    `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// batchResponse is one answer of a batch.
type batchResponse struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitzero"`
	Body    jsontext.Value    `json:"body,omitzero"`
}

// batch answers POST /$batch: each request is judged, throttled and counted by
// itself, and the answers come in another order than the requests.
func (s *apiServer) batch(c *apiCall) (reply, *apiError) {
	var in struct {
		Requests []batchRequest `json:"requests"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return reply{}, &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "Invalid batch payload format."}
	}
	if len(in.Requests) == 0 || len(in.Requests) > maxBatch {
		return reply{}, &apiError{status: http.StatusBadRequest, code: "BadRequest", message: fmt.Sprintf("Number of batch request steps must be between 1 and %d.", maxBatch)}
	}
	b := &batchRun{server: s, outer: c, done: map[string]chan struct{}{}, replies: make([]reply, len(in.Requests))}
	calls := make([]*apiCall, len(in.Requests))
	for i, q := range in.Requests {
		if q.ID == "" || b.done[q.ID] != nil {
			return reply{}, &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "Each batch request must have an id of its own."}
		}
		for _, on := range q.DependsOn {
			if b.done[on] == nil {
				return reply{}, &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "A batch request depends on one that does not come before it."}
			}
		}
		b.ids = append(b.ids, q.ID)
		b.done[q.ID] = make(chan struct{})
		calls[i] = s.inner(c, q)
	}
	var wg sync.WaitGroup
	for i, q := range in.Requests {
		wg.Go(func() { b.run(i, calls[i], q) })
	}
	wg.Wait()
	out := make([]batchResponse, 0, len(b.replies))
	for i, r := range b.replies {
		out = append(out, batchResponse{ID: b.ids[i], Status: r.status, Headers: r.header, Body: r.body})
	}
	slices.Reverse(out)
	return c.answerJSON(http.StatusOK, struct {
		Responses []batchResponse `json:"responses"`
	}{out}), nil
}

// inner returns the call that q is, its faults decided.
func (s *apiServer) inner(c *apiCall, q batchRequest) *apiCall {
	in := &apiCall{token: c.token, requestID: c.requestID, clientRequestID: c.clientRequestID, body: q.Body, inBatch: true}
	s.admit(in)
	target := "/" + c.version + "/" + strings.TrimPrefix(q.URL, "/")
	if in.wrong = in.route(strings.ToUpper(q.Method), target); in.wrong == nil && in.kind == callBatch {
		in.wrong = badRequest("A batch request must not hold another.")
	}
	s.decide(in)
	return in
}

// batchRun is a batch under way.
type batchRun struct {
	server  *apiServer
	outer   *apiCall
	ids     []string
	done    map[string]chan struct{} // closed when the request of that id is answered
	replies []reply                  // each written by its own goroutine before done is closed
}

// run answers the i-th request once those that it depends on are.
func (b *batchRun) run(i int, c *apiCall, q batchRequest) {
	defer close(b.done[q.ID])
	for _, on := range q.DependsOn {
		<-b.done[on]
		if b.replies[slices.Index(b.ids, on)].status >= http.StatusBadRequest {
			b.replies[i] = c.answerError(&apiError{status: http.StatusFailedDependency, code: "FailedDependency", message: "A request that this one depends on failed."})
			b.server.settled(c, b.replies[i])
			return
		}
	}
	b.replies[i] = b.server.perform(c)
}
