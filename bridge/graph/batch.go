package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxBatch is how many calls fit one batch.
const MaxBatch = 20

var (
	// ErrUnanswered is the error of a call that a batch's answer passes over or
	// answers twice: what became of it is unknown.
	ErrUnanswered = errors.New("graph: the batch has no one answer to the call")
	// ErrBatchSize is returned by Batch for more than MaxBatch calls.
	ErrBatchSize = fmt.Errorf("graph: more than %d calls in a batch", MaxBatch)
)

// Call is one call of a batch.
type Call struct {
	Op           Op           // create, get, update, reauthorize or delete
	ID           string       // of the subscription; not for create
	Subscription Subscription // for create
	Patch        Patch        // for update
}

// Result is what became of one call of a batch.
type Result struct {
	Subscription Subscription // of create, get and update
	Err          error        // *Error, ErrUnanswered, or why the call was not sent
}

// Batch carries out up to MaxBatch calls in one request. Graph does them in any
// order and counts each against its limits: one may be throttled with a
// Retry-After of its own while its neighbours succeed. The results are in the
// order of the calls. The error is that of the whole request; then nothing is
// known of any call, unless it is an *Error of status 4xx.
func (c *Client) Batch(ctx context.Context, v Version, calls []Call) ([]Result, error) {
	if len(calls) > MaxBatch {
		return nil, ErrBatchSize
	}
	results := make([]Result, len(calls))
	var secrets []string
	var batch struct {
		Requests []batchRequest `json:"requests"`
	}
	for i, call := range calls {
		r, err := call.request()
		if err != nil {
			results[i].Err = err
			continue
		}
		results[i].Err = ErrUnanswered
		r.ID = strconv.Itoa(i + 1)
		secrets = append(secrets, call.Subscription.ClientState)
		batch.Requests = append(batch.Requests, r)
	}
	if len(batch.Requests) == 0 {
		return results, nil
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, fmt.Errorf("write batch: %w", err)
	}
	target, err := c.target(v, "$batch")
	if err != nil {
		return nil, err
	}
	got, err := c.do(ctx, request{op: OpBatch, method: http.MethodPost, url: target, body: body, secrets: secrets})
	if err != nil {
		return nil, err
	}
	answers, err := parseBatch(got.body)
	if err != nil {
		return nil, got.unreadable(err)
	}
	for i, call := range calls {
		a, answered := answers[strconv.Itoa(i+1)]
		if answered && errors.Is(results[i].Err, ErrUnanswered) {
			a.op, a.clientRequestID, a.secrets = call.Op, got.clientRequestID, got.secrets
			results[i] = a.result(got)
		}
	}
	return results, nil
}

// batchRequest is one call on the wire.
type batchRequest struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitzero"`
	Body    jsontext.Value    `json:"body,omitzero"`
}

// request returns the call as it stands in a batch.
func (c Call) request() (batchRequest, error) {
	method, path, body, err := c.parts()
	if err != nil {
		return batchRequest{}, err
	}
	r := batchRequest{Method: method, URL: "/" + path, Body: body}
	if body == nil && method == http.MethodPost { // which a batch does not take without
		r.Body = jsontext.Value("{}")
	}
	if r.Body != nil {
		r.Headers = map[string]string{"Content-Type": "application/json"}
	}
	if c.Op == OpCreate {
		r.Headers["Prefer"] = preferred
	}
	return r, nil
}

// parts returns the method, the path below the version, and the body of a call.
func (c Call) parts() (method, path string, body []byte, err error) {
	path = subscriptionsPath
	if c.Op != OpCreate {
		if err := checkID(c.ID); err != nil {
			return "", "", nil, fmt.Errorf("%s: %w", c.Op, err)
		}
		path += "/" + c.ID
	}
	switch c.Op {
	case OpCreate:
		method = http.MethodPost
		body, err = c.Subscription.createBody()
	case OpGet:
		method = http.MethodGet
	case OpUpdate:
		method = http.MethodPatch
		body, err = c.Patch.body()
	case OpReauthorize:
		method, path = http.MethodPost, path+"/reauthorize"
	case OpDelete:
		method = http.MethodDelete
	default:
		err = errors.New("not a call on one subscription")
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("%s: %w", c.Op, err)
	}
	return method, path, body, nil
}

// parseBatch reads a batch's answers by their ids. An id that stands twice has
// no answer, since neither can be trusted; an item that is no answer has none.
func parseBatch(body []byte) (map[string]answer, error) {
	var batch struct {
		Responses []jsontext.Value `json:"responses"`
	}
	if unmarshal(body, &batch) != nil || batch.Responses == nil {
		return nil, errors.New("no JSON object with the answers of a batch")
	}
	answers := map[string]answer{}
	twice := map[string]bool{}
	for _, raw := range batch.Responses {
		var item struct {
			ID      string                    `json:"id"`
			Status  int                       `json:"status"`
			Headers map[string]jsontext.Value `json:"headers"`
			Body    jsontext.Value            `json:"body"`
		}
		if unmarshal(raw, &item) != nil || item.Status < 100 || item.Status > 599 {
			continue
		}
		if _, again := answers[item.ID]; again || twice[item.ID] {
			delete(answers, item.ID)
			twice[item.ID] = true
			continue
		}
		answers[item.ID] = answer{status: item.Status, body: batchBody(item.Body), header: func(name string) string {
			for n, v := range item.Headers {
				if strings.EqualFold(n, name) {
					return text(v)
				}
			}
			return ""
		}}
	}
	return answers, nil
}

// result reads the answer to one call of the batch whole.
func (a answer) result(whole answer) Result {
	own := a.header
	a.header = func(name string) string {
		if name == "Date" || name == "request-id" && own(name) == "" {
			return whole.header(name) // Retry-After is never the batch's
		}
		return own(name)
	}
	if e := a.problem(time.Now()); e != nil {
		return Result{Err: e}
	}
	s, err := a.subscription()
	return Result{Subscription: s, Err: err}
}
