package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/google/uuid"
)

const (
	subscriptionsPath = "subscriptions"
	defaultMaxBody    = 8 << 20
	largestMaxBody    = 1 << 30
	maxID             = 128 // bytes; Graph's are GUIDs

	// preferred has notifications spell out what has joined an enumeration since
	// it was first published, such as a message's systemEventMessage (FACTS §4.6).
	preferred = "include-unknown-enum-members"
)

// ErrBadID is returned for the id of a subscription that would not stay one
// segment of a URL. Nothing was sent.
var ErrBadID = errors.New("graph: the id is no subscription's")

// Config is how to reach Graph as one application in one tenant.
type Config struct {
	BaseURL    string                 // https://HOST[:PORT][/PATH]; "" is the global cloud's
	HTTP       *http.Client           // makes the requests; redirects not followed, a minute if it has no Timeout; nil is HTTPClient("")
	Credential azcore.TokenCredential // NewCredential's, or another that caches its tokens; required
	Scope      string                 // of the tokens; "" is https://HOST[:PORT]/.default of BaseURL
	MaxBody    int64                  // bytes of an answer, up to 1 GiB; 0 is 8 MiB
	Log        *slog.Logger           // one debug line a request; nil is none

	// Before, if given, is asked before each request leaves, tokens in hand: also
	// for each page of a list, and for a request sent again. It may wait. Its
	// error ends the call, wrapped, and says that this request was not sent.
	Before func(context.Context, Op) error
}

// Client calls Graph's subscription API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	auth  *authorizer
	once  runtime.Pipeline // sends a request once
	pages runtime.Pipeline // sends one again where that is harmless and pays
	log   *slog.Logger
}

// New returns a client. No request is made yet.
func New(c Config) (*Client, error) {
	if c.BaseURL == "" {
		c.BaseURL = Clouds()[0].Graph
	}
	base, err := checkBase(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("graph base URL: %w", err)
	}
	if c.Credential == nil {
		return nil, errors.New("graph client: no credential")
	}
	if c.Scope == "" {
		c.Scope = "https://" + base.Host + "/.default"
	}
	if c.MaxBody <= 0 {
		c.MaxBody = defaultMaxBody
	}
	c.MaxBody = min(c.MaxBody, largestMaxBody)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	transport, err := newTransport(c.HTTP, c.MaxBody)
	if err != nil {
		return nil, err
	}
	log := c.Log.With("component", "graph")
	auth := &authorizer{base: base, credential: c.Credential, scope: c.Scope}
	pipeline := func(retry policy.RetryOptions) runtime.Pipeline {
		return runtime.NewPipeline("meetbridge", "", runtime.PipelineOptions{
			PerRetry: []policy.Policy{auth, &sender{before: c.Before, log: log}},
		}, &policy.ClientOptions{
			Transport: transport, Retry: retry, Telemetry: policy.TelemetryOptions{Disabled: true},
		})
	}
	return &Client{
		base: base, auth: auth, log: log,
		once: pipeline(policy.RetryOptions{MaxRetries: -1}),
		// A list is many requests against the tightest limit (FACTS §4.3), and one
		// page that fails would throw all before it away.
		pages: pipeline(policy.RetryOptions{
			MaxRetries: 4, RetryDelay: 2 * time.Second, MaxRetryDelay: time.Minute,
			StatusCodes: []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
		}),
	}, nil
}

// checkBase returns a base URL that requests can be built on.
func checkBase(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("%.200q is no URL", raw)
	case u.User != nil:
		return nil, errors.New("it holds a user or a password, which have no place there")
	case u.Scheme != "https":
		return nil, fmt.Errorf("%.200q is not https, and tokens travel by nothing else", raw)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%.200q has a query or a fragment", raw)
	}
	return u, nil
}

// checkID refuses an id that is anything but one plain segment of a path, so
// that no answer or record can send a call to another resource.
func checkID(id string) error {
	plain := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }) {
		return fmt.Errorf("%w: %.60q", ErrBadID, id)
	}
	return nil
}

// Create makes the subscription s and returns it as Graph has it. Graph calls
// its notification and lifecycle URLs first and answers when they have: allow
// 20 s and more. A lifetime under 45 minutes becomes 45 (FACTS §4.1).
func (c *Client) Create(ctx context.Context, v Version, s Subscription) (Subscription, error) {
	return c.call(ctx, v, Call{Op: OpCreate, Subscription: s})
}

// Get returns one subscription; an *Error of status 404 says that it is gone.
func (c *Client) Get(ctx context.Context, v Version, id string) (Subscription, error) {
	return c.call(ctx, v, Call{Op: OpGet, ID: id})
}

// Update changes a subscription and reauthorizes it, and returns it as Graph
// has it now. Graph may call its URLs first, as for Create. Status 404 says
// that it is gone for good (FACTS §4.2).
func (c *Client) Update(ctx context.Context, v Version, id string, p Patch) (Subscription, error) {
	return c.call(ctx, v, Call{Op: OpUpdate, ID: id, Patch: p})
}

// Reauthorize ties a subscription to the client's present token and extends
// nothing. It must not come within 10 minutes of an Update (FACTS §3).
func (c *Client) Reauthorize(ctx context.Context, v Version, id string) error {
	_, err := c.call(ctx, v, Call{Op: OpReauthorize, ID: id})
	return err
}

// Delete ends a subscription.
func (c *Client) Delete(ctx context.Context, v Version, id string) error {
	_, err := c.call(ctx, v, Call{Op: OpDelete, ID: id})
	return err
}

// Invalidate makes the next call ask for a fresh token: for answers of status
// 401 within a batch. Whole requests do so by themselves.
func (c *Client) Invalidate() { c.auth.forget("") }

// Grant returns what the client's token says that the application may do.
func (c *Client) Grant(ctx context.Context) (Grant, error) {
	token, err := c.auth.token(ctx)
	if err != nil {
		return Grant{}, err
	}
	return TokenRoles(token)
}

// call carries out one call on one subscription.
func (c *Client) call(ctx context.Context, v Version, call Call) (Subscription, error) {
	method, path, body, err := call.parts()
	if err != nil {
		return Subscription{}, err
	}
	target, err := c.target(v, path)
	if err != nil {
		return Subscription{}, err
	}
	got, err := c.do(ctx, request{op: call.Op, method: method, url: target, body: body, secrets: []string{call.Subscription.ClientState}})
	if err != nil {
		return Subscription{}, err
	}
	return got.subscription()
}

// subscription reads the subscription of an answer that is no error, the zero
// one where the operation has none.
func (a answer) subscription() (Subscription, error) {
	if a.op == OpDelete || a.op == OpReauthorize {
		return Subscription{}, nil
	}
	s, err := parseSubscription(a.body)
	if err != nil {
		return Subscription{}, a.unreadable(err)
	}
	return s, nil
}

// target returns the URL of path in a version of the API.
func (c *Client) target(v Version, path string) (string, error) {
	if v != V1 && v != Beta {
		return "", fmt.Errorf("%.20q is no version of graph", string(v))
	}
	return c.base.String() + "/" + string(v) + "/" + path, nil
}

// request is one request to be made.
type request struct {
	op      Op
	method  string
	url     string
	body    []byte
	secrets []string
}

// do makes a request and returns its answer, which is a success. The error is
// an *Error if Graph answered, and holds a *CredentialError if no token could
// be had.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	req, err := runtime.NewRequest(ctx, r.method, r.url)
	if err != nil {
		return answer{}, fmt.Errorf("%s: build request: %w", r.op, err)
	}
	id := uuid.NewString()
	h := req.Raw().Header
	h.Set("Accept", "application/json")
	h.Set("User-Agent", "meetbridge")
	h.Set("client-request-id", id)
	if r.op == OpCreate {
		h.Set("Prefer", preferred)
	}
	if r.body != nil {
		if err := req.SetBody(streaming.NopCloser(strings.NewReader(string(r.body))), "application/json"); err != nil {
			return answer{}, fmt.Errorf("%s: build request: %w", r.op, err)
		}
	}
	req.SetOperationValue(r.op)
	pipeline := c.once
	if r.op == OpList {
		pipeline = c.pages
	}
	resp, err := pipeline.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", r.op, err)
	}
	defer resp.Body.Close()
	body, err := runtime.Payload(resp) // which the pipeline has read already
	if err != nil {
		return answer{}, fmt.Errorf("%s: read answer: %w", r.op, err)
	}
	a := answer{op: r.op, status: resp.StatusCode, header: resp.Header.Get, body: body, clientRequestID: id, secrets: r.secrets}
	if sent := resp.Request; sent != nil {
		a.secrets = append(a.secrets, strings.TrimPrefix(sent.Header.Get("Authorization"), bearer))
	}
	if e := a.problem(time.Now()); e != nil {
		return answer{}, e
	}
	return a, nil
}
