package graphsim

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Versions of the API.
const (
	v1   = "v1.0"
	beta = "beta"
)

// maxAPIBody bounds the body of a request. A batch of 20 with certificates is
// some hundred kilobytes.
const maxAPIBody = 4 << 20

// The kinds of calls, as they are counted.
const (
	callCreate      = "create"
	callList        = "list"
	callGet         = "get"
	callUpdate      = "update"
	callReauthorize = "reauthorize"
	callDelete      = "delete"
	callBatch       = "batch"
	callOther       = "other"
)

// apiCall is one request to the API, or one of a batch.
type apiCall struct {
	number          int
	kind            string
	version         string
	id              string // of the subscription, unescaped
	query           string
	body            []byte
	token           *accessToken
	requestID       string
	clientRequestID string
	inBatch         bool
	wrong           *apiError // what is wrong with its address
	deed            Fault     // what is to go wrong with it; "": nothing
	done            bool      // the deed was done
}

// route fills in kind, version, id and query from a method and a path with its
// query, relative to the host.
func (c *apiCall) route(method, target string) *apiError {
	c.kind = callOther
	path, query, _ := strings.Cut(target, "?")
	c.query = query
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if version != v1 && version != beta {
		return badRequest("Invalid version: " + bounded(version))
	}
	c.version = version
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, s := range segments {
		u, err := url.PathUnescape(s)
		if err != nil {
			return badRequest("The request URI is badly encoded.")
		}
		segments[i] = u
	}
	if name, keyed, ok := strings.Cut(segments[0], "("); ok && strings.HasSuffix(keyed, ")") {
		segments = append([]string{name, unquote(keyed[:len(keyed)-1])}, segments[1:]...)
	}
	shape := method + " " + strings.ToLower(segments[0])
	if len(segments) > 1 {
		c.id = segments[1]
		shape += "/id"
	}
	if len(segments) > 2 {
		shape += "/" + strings.TrimPrefix(strings.ToLower(strings.Join(segments[2:], "/")), "microsoft.graph.")
	}
	switch shape {
	case "POST subscriptions":
		c.kind = callCreate
	case "GET subscriptions":
		c.kind = callList
	case "GET subscriptions/id":
		c.kind = callGet
	case "PATCH subscriptions/id":
		c.kind = callUpdate
	case "DELETE subscriptions/id":
		c.kind = callDelete
	case "POST subscriptions/id/reauthorize":
		c.kind = callReauthorize
	case "POST $batch":
		c.kind = callBatch
	default:
		if segments[0] == "subscriptions" && len(segments) <= 3 {
			return &apiError{status: http.StatusMethodNotAllowed, code: "Request_BadRequest", message: "Specified HTTP method is not allowed for the request target."}
		}
		return badRequest("Resource not found for the segment '" + bounded(segments[0]) + "'.")
	}
	return nil
}

// bounded returns foreign text short and printable.
func bounded(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= 64 {
			break
		}
		if r < ' ' || r == 0x7f {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// readBody reads the body of a request.
func readBody(r *http.Request) ([]byte, *apiError) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxAPIBody))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge", message: "The request is too large."}
	case err != nil:
		return nil, badRequest("The request could not be read.")
	}
	return body, nil
}

// do carries out a call whose faults, if any, were decided before.
func (s *apiServer) do(c *apiCall) reply {
	if e := s.throttled(c, time.Now()); e != nil {
		return c.answerError(e)
	}
	var r reply
	var e *apiError
	switch c.kind {
	case callCreate:
		r, e = s.create(c)
	case callList:
		r, e = s.list(c)
	case callGet:
		r, e = s.get(c)
	case callUpdate:
		r, e = s.update(c)
	case callReauthorize:
		r, e = s.reauthorize(c)
	case callDelete:
		r, e = s.remove(c)
	case callBatch:
		r, e = s.batch(c)
	}
	if e != nil {
		return c.answerError(e)
	}
	return r
}
