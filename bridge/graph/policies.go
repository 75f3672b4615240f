package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

const (
	bearer = "Bearer "
	// requestWithin bounds a request in all, its answer's body included. Graph
	// calls two URLs of ours for up to 10 s each before it answers a create.
	requestWithin = time.Minute
)

// ErrAnswerTooLarge is returned for an answer over Config.MaxBody.
var ErrAnswerTooLarge = errors.New("graph: the answer is too large")

// final is an error that azcore's retry policy must let through at once.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// NonRetriable is the mark that azcore looks for.
func (final) NonRetriable() {}

// forgetter is a credential that can be told that a token of its was refused
// ("": whichever it has), so that it gets a fresh one.
type forgetter interface{ Forget(token string) }

// authorizer is the policy that gives a request its token, and after a 401
// another one, once.
type authorizer struct {
	base       *url.URL
	credential azcore.TokenCredential
	scope      string
}

// Do implements policy.Policy.
func (a *authorizer) Do(req *policy.Request) (*http.Response, error) {
	if !sameOrigin(req.Raw().URL, a.base) {
		return nil, final{errors.New("the token is for another host")}
	}
	ctx := req.Raw().Context()
	token, err := a.token(ctx)
	if err != nil {
		return nil, final{err}
	}
	resp, err := send(req, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	a.forget(token)
	fresh, err := a.token(ctx)
	if err != nil {
		return nil, final{fmt.Errorf("after graph refused the token: %w", err)}
	}
	if fresh == token {
		return resp, nil
	}
	runtime.Drain(resp)
	if err := req.RewindBody(); err != nil {
		return nil, final{err}
	}
	return send(req, fresh)
}

func send(req *policy.Request, token string) (*http.Response, error) {
	req.Raw().Header.Set("Authorization", bearer+token)
	return req.Next()
}

func (a *authorizer) token(ctx context.Context) (string, error) {
	t, err := a.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{a.scope}})
	return t.Token, err
}

func (a *authorizer) forget(token string) {
	if f, ok := a.credential.(forgetter); ok {
		f.Forget(token)
	}
}

// sender is the policy next to the wire: it asks Before, and logs what came of
// the request.
type sender struct {
	before func(context.Context, Op) error
	log    *slog.Logger
}

// Do implements policy.Policy.
func (s *sender) Do(req *policy.Request) (*http.Response, error) {
	ctx := req.Raw().Context()
	var op Op
	req.OperationValue(&op)
	if s.before != nil {
		if err := s.before(ctx, op); err != nil {
			return nil, final{fmt.Errorf("not sent: %w", err)}
		}
	}
	start := time.Now()
	resp, err := req.Next()
	status, requestID := 0, ""
	if resp != nil {
		status, requestID = resp.StatusCode, clean(resp.Header.Get("request-id"), maxCode)
	}
	s.log.DebugContext(ctx, "graph asked", "op", string(op), "path", req.Raw().URL.Path, "status", status, "answered", err == nil,
		"took_ms", time.Since(start).Milliseconds(), "client_request_id", req.Raw().Header.Get("client-request-id"), "request_id", requestID)
	return resp, err
}

// transport is what azcore and azidentity send by: https only, no redirects,
// bounded answers.
type transport struct {
	client  *http.Client
	maxBody int64
}

func newTransport(client *http.Client, maxBody int64) (*transport, error) {
	if client == nil {
		var err error
		if client, err = HTTPClient(""); err != nil {
			return nil, err
		}
	}
	own := *client
	if own.Timeout == 0 {
		own.Timeout = requestWithin
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &transport{client: &own, maxBody: maxBody}, nil
}

// Do implements policy.Transporter.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, final{fmt.Errorf("%s is not asked over %.20q", req.URL.Host, req.URL.Scheme)}
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: t.maxBody}
	return resp, nil
}

// boundedBody fails where a body goes on past its bound, counted after any
// decompression.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, final{ErrAnswerTooLarge}
	}
	return n, err
}

// sameOrigin reports whether two https URLs share host and port.
func sameOrigin(u, base *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return "443"
	}
	return u.Scheme == "https" && base.Scheme == "https" && u.Opaque == "" &&
		strings.EqualFold(u.Hostname(), base.Hostname()) && port(u) == port(base)
}
