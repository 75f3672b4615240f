package graph_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.graph = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "99") // of the whole, which no item takes for its own
		answer(w, 200, `{"responses":[
			{"id":"4","status":204},
			{"id":"2","status":429,"headers":{"retry-after":"7","Request-Id":"own"},"body":{"error":{"code":"TooManyRequests","message":"about `+clientState+`"}}},
			{"id":"1","status":201,"headers":{},"body":`+answered+`},
			{"id":"3","status":404,"body":{"error":{"code":"ResourceNotFound","message":"gone"}}},
			{"id":"5","status":200,"body":"eyJpZCI6ImZyb20tYmFzZTY0In0="},
			{"id":"6","status":409,"body":{"error":{"message":"Subscription Id `+otherID+` already exists for the requested combination"}}}]}`)
	}
	got, err := f.client(t).Batch(t.Context(), graph.Beta, []graph.Call{
		{Op: graph.OpCreate, Subscription: wanted()},
		{Op: graph.OpUpdate, ID: subID, Patch: graph.Patch{ExpirationDateTime: expires}},
		{Op: graph.OpReauthorize, ID: otherID},
		{Op: graph.OpDelete, ID: otherID},
		{Op: graph.OpGet, ID: subID},
		{Op: graph.OpCreate, Subscription: wanted()},
		{Op: graph.OpList},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Err != nil || got[0].Subscription.ID != subID {
		t.Errorf("create: %+v", got[0])
	}
	var throttled, gone, exists *graph.Error
	if !errors.As(got[1].Err, &throttled) || throttled.RetryAfter != 7*time.Second || throttled.Op != graph.OpUpdate || throttled.RequestID != "own" || strings.Contains(throttled.Message, clientState) {
		t.Errorf("update: %+v", got[1])
	}
	if !errors.As(got[2].Err, &gone) || gone.Status != 404 || gone.RetryAfter != 0 {
		t.Errorf("reauthorize: %+v", got[2])
	}
	if got[3] != (graph.Result{}) {
		t.Errorf("delete: %+v", got[3])
	}
	if got[4].Err != nil || got[4].Subscription.ID != "from-base64" {
		t.Errorf("get: %+v", got[4])
	}
	if !errors.As(got[5].Err, &exists) || exists.ExistingID != otherID {
		t.Errorf("second create: %+v", got[5])
	}
	if got[6].Err == nil || errors.Is(got[6].Err, graph.ErrUnanswered) {
		t.Errorf("list, which is no call of a batch: %+v", got[6])
	}
	a := f.requests()[0]
	var sent struct {
		Requests []struct {
			ID, Method, URL string
			Headers         map[string]string
			Body            json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(a.body), &sent); err != nil || a.path != "/beta/$batch" || a.method != "POST" {
		t.Fatalf("sent %s %s %s", a.method, a.path, a.body)
	}
	for i, want := range []string{
		"POST /subscriptions", "PATCH /subscriptions/" + subID, "POST /subscriptions/" + otherID + "/reauthorize",
		"DELETE /subscriptions/" + otherID, "GET /subscriptions/" + subID, "POST /subscriptions",
	} {
		r := sent.Requests[i]
		if r.Method+" "+r.URL != want || r.ID != fmt.Sprint(i+1) || (r.Body != nil) != (r.Headers["Content-Type"] == "application/json") || (r.Method == http.MethodPost || r.Method == http.MethodPatch) != (r.Body != nil) {
			t.Errorf("request %d is %+v, want %s", i, r, want)
		}
	}
	if len(sent.Requests) != 6 {
		t.Errorf("%d requests in the batch, want 6", len(sent.Requests))
	}
}

// What a batch's answer leaves open is an outcome that is unknown.
func TestBatchUnanswered(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.graph = func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `{"responses":[{"id":"1","status":204},{"id":"2","status":204},{"id":"2","status":404},{"id":"2","status":204},
			{"id":"99","status":204},{"id":"","status":204},{"id":"4","status":"204"},{"id":"5","status":7},{"id":6,"status":204},null,7,"x"]}`)
	}
	var calls []graph.Call
	for range 6 {
		calls = append(calls, graph.Call{Op: graph.OpDelete, ID: subID})
	}
	got, err := f.client(t).Batch(t.Context(), graph.V1, calls)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if known := i == 0; (r.Err == nil) != known || !known && !errors.Is(r.Err, graph.ErrUnanswered) {
			t.Errorf("call %d: %v", i+1, r.Err)
		}
	}
}

func TestBatchWhole(t *testing.T) {
	t.Parallel()
	one := []graph.Call{{Op: graph.OpDelete, ID: subID}}
	for _, body := range []string{"", "{}", `{"responses":null}`, `{"responses":{}}`, `{"responses":[`, "<html>"} {
		f := newFar(t)
		f.graph = func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, body) }
		_, err := f.client(t).Batch(t.Context(), graph.V1, one)
		var e *graph.Error
		if !errors.As(err, &e) || e.Code != graph.CodeUnreadable || e.Op != graph.OpBatch {
			t.Errorf("%q: error %v", body, err)
		}
	}
	f := newFar(t)
	f.graph = func(w http.ResponseWriter, _ *http.Request) { answer(w, 400, `{"error":{"code":"BadRequest"}}`) }
	client := f.client(t)
	var e *graph.Error
	if _, err := client.Batch(t.Context(), graph.V1, one); !errors.As(err, &e) || e.Status != 400 {
		t.Errorf("error %v", err)
	}
	if _, err := client.Batch(t.Context(), graph.V1, make([]graph.Call, graph.MaxBatch+1)); !errors.Is(err, graph.ErrBatchSize) {
		t.Errorf("21 calls: %v", err)
	}
	if got, err := client.Batch(t.Context(), graph.V1, nil); err != nil || len(got) != 0 {
		t.Errorf("no calls: %v, %v", got, err)
	}
	if n := len(f.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
