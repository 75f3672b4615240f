//go:build synctests

package renewer_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"meetbridge/bridge"
)

// fakeGraph is Graph and its sign-in authority, as far as the renewer's own
// rules need them: one request after another from memory. It counts what must
// not happen. (graphsim is the real far side; this one can be stopped in the
// middle of a call, and refuses no duplicates, so that it sees them.)
type fakeGraph struct {
	latency func() time.Duration            // before and after each request takes effect
	fail    func(method, tenant string) int // status instead of an answer; 0: none
	hang    func(tenant string) bool        // requests get no answer
	ghosts  []map[string]any                // that lists show though they are gone
	hidden  string                          // id of what lists do not show

	mu         sync.Mutex // guards all below
	living     map[string]*fakeSubscription
	lives      map[string][]fakeLife // by tenant, resource and change types
	requests   map[string]int        // by method
	deleted    map[string]bool       // ids that were asked to be deleted
	duplicates []string
	log        []string
}

type fakeSubscription struct {
	key     string
	tenant  string
	expires time.Time
	body    map[string]any
}

// fakeLife is when one subscription lived.
type fakeLife struct {
	id       string
	from, to time.Time // to is zero for one that lives
}

func newFakeGraph(seed uint64) *fakeGraph {
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	return &fakeGraph{
		latency: func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return time.Duration(rng.Int64N(int64(800 * time.Millisecond)))
		},
		living: map[string]*fakeSubscription{}, lives: map[string][]fakeLife{}, requests: map[string]int{}, deleted: map[string]bool{},
	}
}

// client returns an HTTP client of a process on the host.
func (g *fakeGraph) client(h *host) *http.Client {
	return &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		if h.Frozen() { // what a stopped process has not begun it does not begin
			return nil, errors.Join(errFrozen, h.Wait(req.Context()))
		}
		if err := h.Wait(req.Context()); err != nil {
			return nil, err
		}
		if req.URL.Host == graphHost {
			h.asked.Add(1)
		}
		answer := make(chan *http.Response, 1)
		go func() { // whatever becomes of the asker
			if !strings.Contains(req.URL.Path, "oauth2") {
				time.Sleep(g.latency())
			}
			if tenant := tenantOf(req.Header.Get("Authorization")); g.hang != nil && g.hang(tenant) {
				<-req.Context().Done()
				return
			}
			resp := g.serve(req) //nolint:bodyclose // whoever asked closes it
			if !strings.Contains(req.URL.Path, "oauth2") {
				time.Sleep(g.latency())
			}
			answer <- resp
		}()
		select {
		case resp := <-answer:
			if err := h.Wait(req.Context()); err != nil {
				return nil, err
			}
			return resp, nil
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-h.Gone():
			return nil, h.Wait(req.Context())
		}
	})}
}

var errFrozen = errors.New("the host was stopped")

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func respond(req *http.Request, status int, body any) *http.Response {
	b, _ := json.Marshal(body) // maps of texts
	return &http.Response{
		StatusCode: status, Request: req, Header: http.Header{"Content-Type": {"application/json"}}, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(string(b))), ContentLength: int64(len(b)),
	}
}

func refuse(req *http.Request, status int, code, message string) *http.Response {
	return respond(req, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

const graphHost, authorityHost = "graph.example", "login.example"

func (g *fakeGraph) serve(req *http.Request) *http.Response {
	if req.URL.Host == authorityHost {
		return g.authority(req)
	}
	tenant := tenantOf(req.Header.Get("Authorization"))
	body := map[string]any{}
	if req.Body != nil {
		_ = json.NewDecoder(req.Body).Decode(&body)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests[req.Method]++
	g.log = append(g.log, fmt.Sprintf("%s %s %s %v", time.Now().Format("15:04:05.000"), req.Method, req.URL.Path, body["resource"]))
	g.expire(time.Now())
	if g.fail != nil {
		if status := g.fail(req.Method, tenant); status != 0 {
			resp := refuse(req, status, "Failed", "so the test wants")
			if status == http.StatusTooManyRequests {
				resp.Header.Set("Retry-After", "17")
			}
			return resp
		}
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	if path == "$batch" {
		return g.batch(req, tenant, body)
	}
	_, id, _ := strings.Cut(path, "/")
	return g.one(req, tenant, req.Method, id, body)
}

func (g *fakeGraph) batch(req *http.Request, tenant string, body map[string]any) *http.Response {
	var answers []any
	for _, r := range body["requests"].([]any) {
		r := r.(map[string]any)
		_, id, _ := strings.Cut(strings.TrimPrefix(r["url"].(string), "/"), "/")
		resp := g.one(req, tenant, r["method"].(string), id, nil)
		var content any
		_ = json.NewDecoder(resp.Body).Decode(&content)
		answers = append(answers, map[string]any{"id": r["id"], "status": resp.StatusCode, "body": content})
	}
	return respond(req, http.StatusOK, map[string]any{"responses": answers})
}

func (g *fakeGraph) one(req *http.Request, tenant, method, id string, body map[string]any) *http.Response {
	if id == "" && method == http.MethodGet {
		all := []any{}
		for _, ghost := range g.ghosts {
			all = append(all, ghost)
		}
		for id, s := range g.living {
			if id != g.hidden && s.tenant == tenant && strings.HasPrefix(req.URL.Path, "/v1.0") {
				all = append(all, s.body)
			}
		}
		return respond(req, http.StatusOK, map[string]any{"value": all})
	}
	if method == http.MethodPost {
		return g.create(req, tenant, body)
	}
	s := g.living[id]
	if s == nil || s.tenant != tenant {
		return refuse(req, http.StatusNotFound, "ResourceNotFound", "The object was not found.")
	}
	switch method {
	case http.MethodDelete:
		g.deleted[id] = true
		g.end(id, time.Now())
		return respond(req, http.StatusNoContent, nil)
	case http.MethodPatch:
		for k, v := range body {
			s.body[k] = v
		}
		s.expires, _ = time.Parse(time.RFC3339, s.body["expirationDateTime"].(string))
	}
	return respond(req, http.StatusOK, s.body)
}

func (g *fakeGraph) create(req *http.Request, tenant string, body map[string]any) *http.Response {
	s := &fakeSubscription{tenant: tenant, body: body}
	s.key = fmt.Sprintf("%s %s %s", tenant, body["resource"], body["changeType"])
	for id, other := range g.living {
		if other.key != s.key {
			continue
		}
		g.duplicates = append(g.duplicates, time.Now().Format("15:04:05.000 ")+s.key+" "+id)
	}
	id := uuid.NewString()
	body["id"], body["applicationId"] = id, testApp
	s.expires, _ = time.Parse(time.RFC3339, body["expirationDateTime"].(string))
	g.living[id] = s
	g.lives[s.key] = append(g.lives[s.key], fakeLife{id: id, from: time.Now()})
	return respond(req, http.StatusCreated, body)
}

// expire ends what was not renewed in time.
func (g *fakeGraph) expire(now time.Time) {
	for id, s := range g.living {
		if s.expires.Before(now) {
			g.end(id, s.expires)
		}
	}
}

func (g *fakeGraph) end(id string, at time.Time) {
	s := g.living[id]
	delete(g.living, id)
	for i, l := range g.lives[s.key] {
		if l.id == id {
			g.lives[s.key][i].to = at
		}
	}
}

// alive returns how many subscriptions live of each key.
func (g *fakeGraph) alive() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire(time.Now())
	n := map[string]int{}
	for _, s := range g.living {
		n[s.key]++
	}
	return n
}

// idOf returns the id of the one that lives of the key, "" if none does.
func (g *fakeGraph) idOf(key string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, s := range g.living {
		if s.key == key {
			return id
		}
	}
	return ""
}

// remove ends a subscription in silence.
func (g *fakeGraph) remove(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end(id, time.Now())
}

func (g *fakeGraph) ofTenant(tenant string) (n int) {
	for key := range g.alive() {
		if strings.HasPrefix(key, tenant) {
			n++
		}
	}
	return n
}

// certificates returns how many subscriptions have which.
func (g *fakeGraph) certificates() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := map[string]int{}
	for _, s := range g.living {
		id, _ := s.body["encryptionCertificateId"].(string)
		n[id]++
	}
	return n
}

// stateKeys returns how many clientStates were made with which key.
func (g *fakeGraph) stateKeys() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := map[string]int{}
	for _, s := range g.living {
		state, _ := s.body["clientState"].(string)
		parts := strings.Split(state, ".")
		n[parts[min(1, len(parts)-1)]]++
	}
	return n
}

// genuine returns how many clientStates are made with one of the keys.
func (g *fakeGraph) genuine(keys bridge.ClientStateKeys) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.living {
		if state, _ := s.body["clientState"].(string); keys.Check(s.tenant, state) == nil {
			n++
		}
	}
	return n
}

func (g *fakeGraph) count(method string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests[method]
}

func (g *fakeGraph) authority(req *http.Request) *http.Response {
	tenant, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	base := "https://" + authorityHost + "/" + tenant
	if strings.HasSuffix(req.URL.Path, "openid-configuration") {
		return respond(req, http.StatusOK, map[string]any{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		})
	}
	return respond(req, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 86400, "access_token": tokenOf(tenant)})
}

// tokenOf returns an access token, and tenantOf what it is for.
func tokenOf(tenant string) string {
	claims := fmt.Sprintf(`{"tid":%q,"appid":%q,"roles":["Chat.Read.All"]}`, tenant, testApp)
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func tenantOf(authorization string) string {
	parts := strings.Split(authorization, ".")
	var claims struct{ Tid string }
	if len(parts) == 3 {
		raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(raw, &claims)
	}
	return claims.Tid
}
