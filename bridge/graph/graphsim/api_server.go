package graphsim

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// apiServer answers for graph.microsoft.com and, on the same listener, for
// login.microsoftonline.com.
type apiServer struct {
	api      API
	registry *registry
	entra    *entra
	throttle *throttle
	log      *slog.Logger
	ask      func(ctx context.Context, url string) error // the handshake with one endpoint
	ca       *ca
	deeds    map[deedTarget][]Fault

	mu     sync.Mutex
	life   context.Context // of what calls do; nil before Start
	calls  int
	down   bool
	counts apiCounts
}

// callStatus is a kind of call and how it was answered; 0 is no answer.
type callStatus struct {
	kind   string
	status int
}

// apiCounts count calls. The server's mutex guards them.
type apiCounts struct {
	calls      map[callStatus]int
	throttled  int
	handshakes map[string]int
}

func newAPIServer(c Config, r *registry, a *authority, ask func(ctx context.Context, url string) error) (*apiServer, error) {
	dns, ips := c.API.names()
	made, err := newCA(c.API.CA, dns, ips, time.Now())
	if err != nil {
		return nil, err
	}
	s := &apiServer{
		api: *c.API, registry: r, throttle: &throttle{windows: map[throttleKey]*window{}}, log: c.Log, ask: ask, ca: made, deeds: deedTable(r.faults.can),
		counts: apiCounts{calls: map[callStatus]int{}, handshakes: map[string]int{}},
	}
	s.entra = newEntra(*c.API, r, a)
	return s, nil
}

// server returns the server to serve TLS with.
func (s *apiServer) server() *http.Server {
	return &http.Server{
		Handler: s, TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.ca.server}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// begin lets calls in. What they do lives until ctx ends.
func (s *apiServer) begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = ctx
}

// ServeHTTP implements http.Handler.
func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if first == v1 || first == beta {
		s.serveGraph(w, r)
		return
	}
	s.entra.handler.ServeHTTP(w, r)
}

// serveGraph answers one request to Graph.
func (s *apiServer) serveGraph(w http.ResponseWriter, r *http.Request) {
	c := &apiCall{requestID: requestID(), clientRequestID: bounded(r.Header.Get("client-request-id"))}
	if c.clientRequestID == "" {
		c.clientRequestID = c.requestID
	}
	s.admit(c)
	reply, cut := s.serve(c, r)
	if cut {
		panic(http.ErrAbortHandler) // net/http's way of breaking a connection off
	}
	h := w.Header()
	h["Request-Id"] = []string{c.requestID}
	h["Client-Request-Id"] = []string{c.clientRequestID}
	for k, v := range reply.header {
		h.Set(k, v)
	}
	w.WriteHeader(reply.status)
	_, _ = w.Write(reply.body) // the client went away: nothing to do
}

// serve returns the answer to a request, or that there is none.
func (s *apiServer) serve(c *apiCall, r *http.Request) (_ reply, cut bool) {
	c.wrong = c.route(r.Method, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
	var e *apiError
	if c.body, e = readBody(r); e == nil {
		c.token, e = s.entra.authorize(r.Header.Get("Authorization"), time.Now())
	}
	if e != nil {
		rep := c.answerError(e)
		s.settled(c, rep)
		return rep, false
	}
	s.decide(c)
	switch c.deed {
	case APICutBefore:
		s.did(c)
		s.settled(c, reply{})
		return reply{}, true
	case APIUnauthorized:
		s.did(c)
		s.entra.revoke(c.token)
		rep := c.answerError(s.entra.unauthorized(c.token, "Access token validation failure."))
		s.settled(c, rep)
		return rep, false
	case APISlow:
		s.did(c)
		select {
		case <-time.After(slowCall):
		case <-r.Context().Done():
		}
	}
	return s.spoil(c, s.perform(c))
}

// admit numbers c.
func (s *apiServer) admit(c *apiCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	c.number = s.calls
}

// outage returns a 503 while the simulator has none of its own to answer with.
func (s *apiServer) outage() *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.down || s.life.Err() != nil {
		return unavailable()
	}
	return nil
}

// count changes the counts under their lock.
func (s *apiServer) count(change func(*apiCounts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counts)
}

// handshakes asks each URL that is not "" for its validation token, as Graph
// does before it believes in an endpoint: two requests even if the URLs are
// equal (FACTS §1.1).
func (s *apiServer) handshakes(urls ...string) *apiError {
	s.mu.Lock()
	ctx := s.life
	s.mu.Unlock()
	for _, u := range urls {
		if u == "" {
			continue
		}
		err := context.DeadlineExceeded
		if s.registry.faults.claim(HandshakeLost) {
			select {
			case <-time.After(handshakeTimeout):
			case <-ctx.Done():
			}
			s.registry.faults.happened(HandshakeLost)
		} else {
			err = s.ask(ctx, u)
		}
		e := handshakeFailure(err)
		s.count(func(n *apiCounts) { n.handshakes[handshakeOutcome(e)]++ })
		if e != nil {
			return e
		}
	}
	return nil
}

func handshakeOutcome(e *apiError) string {
	if e == nil {
		return "ok"
	}
	return "failed"
}

// vouchedUntil returns until when a call with that token answers for a
// subscription, in nanoseconds.
func (s *apiServer) vouchedUntil(t *accessToken, now time.Time) int64 {
	switch v := s.api.Vouched; {
	case v < 0:
		return never
	case v > 0:
		return now.Add(v).UnixNano()
	}
	return t.expires.UnixNano()
}

// setDown makes every call fail with 503, or no longer.
func (s *apiServer) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// String says what the status is of.
func (c callStatus) String() string {
	if c.status == 0 {
		return c.kind + " cut"
	}
	return fmt.Sprintf("%s %d", c.kind, c.status)
}
