package renewer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json"
)

// farGraph is Graph as a month of a hundred thousand subscriptions needs it: lean,
// and with the limits, quotas and errors of FACTS §4. It keeps the truth of who
// lived when.
type farGraph struct {
	mu      sync.Mutex // guards all below
	rng     *rand.Rand
	faults  float64 // share of calls that fail
	ingest  spans   // when no handshake succeeds
	made    int
	living  map[string]*farSub // by id
	byKey   map[string]*farSub
	tenants map[string]int // how many live
	dead    map[string][]*death
	windows map[string]*farWindow

	calls     map[string]int // by kind: all that arrived, those in a batch one by one
	throttled int            // beyond the documented limits
	failed    int            // by faults
	shaken    int            // for want of a handshake
	wrong     []string       // what must not be asked
}

type farSub struct {
	id, tenant, key  string
	resource, change string
	renewed, expires time.Time
}

// death is a stretch in which nothing lived of a key.
type death struct {
	key      string
	from, to time.Time // to is zero while it lasts
	renewed  time.Time // of what died
	silent   bool      // it did not expire
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// spans are in order and apart.
type spans []span

func (s spans) at(t time.Time) bool {
	return slices.ContainsFunc(s, func(x span) bool { return !t.Before(x.from) && t.Before(x.to) })
}

// during returns how much of the time from from to to they take.
func (s spans) during(from, to time.Time) (sum time.Duration) {
	for _, x := range s {
		sum += max(0, earlier(x.to, to).Sub(later(x.from, from)))
	}
	return sum
}

func newFarGraph(seed uint64, faults float64) *farGraph {
	return &farGraph{
		rng: rand.New(rand.NewPCG(seed, 9)), faults: faults, living: map[string]*farSub{}, byKey: map[string]*farSub{}, tenants: map[string]int{},
		dead: map[string][]*death{}, windows: map[string]*farWindow{}, calls: map[string]int{},
	}
}

// farWindow counts calls in any 20 s.
type farWindow struct{ at []time.Time }

func (w *farWindow) room(now time.Time, n int) bool {
	gone := 0
	for gone < len(w.at) && now.Sub(w.at[gone]) >= window {
		gone++
	}
	w.at = slices.Delete(w.at, 0, gone)
	return len(w.at) < n
}

// throttle reports that FACTS §4.3 has no room for another call of the kind.
func (g *farGraph) throttle(tenant, kind string, now time.Time) bool {
	g.calls[kind]++
	limit := map[string][2]int{"write": {2000, 500}, "read": {2000, 500}, "list": {40, 25}}[kind]
	own, all := g.window(kind+tenant), g.window(kind)
	if !own.room(now, limit[1]) || !all.room(now, limit[0]) {
		g.throttled++
		return true
	}
	own.at, all.at = append(own.at, now), append(all.at, now)
	return false
}

func (g *farGraph) window(name string) *farWindow {
	w := g.windows[name]
	if w == nil {
		w = &farWindow{}
		g.windows[name] = w
	}
	return w
}

// expire notes what has run out.
func (g *farGraph) expire(now time.Time) {
	for _, s := range g.living {
		if !now.Before(s.expires) {
			g.end(s, s.expires, false)
		}
	}
}

func (g *farGraph) end(s *farSub, at time.Time, silent bool) {
	delete(g.living, s.id)
	delete(g.byKey, s.key)
	g.tenants[s.tenant]--
	g.dead[s.key] = append(g.dead[s.key], &death{key: s.key, from: at, renewed: s.renewed, silent: silent})
}

// find returns one that lives.
func (g *farGraph) find(s *farSub, now time.Time) *farSub {
	if s != nil && !now.Before(s.expires) {
		g.end(s, s.expires, false)
		return nil
	}
	return s
}

// expiries returns when those that live at now expire, in order.
func (g *farGraph) expiries(now time.Time) (all []time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire(now)
	for _, s := range g.living {
		all = append(all, s.expires)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// die ends one subscription in silence.
func (g *farGraph) die(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.living {
		if g.find(s, now) != nil {
			g.end(s, now, true)
			return
		}
	}
}

// farAnswer is an answer, or why there is none.
type farAnswer struct {
	status int
	body   string
	after  int // Retry-After, seconds
	took   time.Duration
	broken bool
}

func farError(status int, message string) farAnswer {
	return farAnswer{status: status, body: fmt.Sprintf(`{"error":{"code":"Error","message":%q}}`, message)}
}

// fault returns what goes wrong with a call that does, and whether it is done all
// the same.
func (g *farGraph) fault() (a farAnswer, fails, done bool) {
	if g.rng.Float64() >= g.faults {
		return a, false, true
	}
	g.failed++
	switch g.rng.IntN(6) {
	case 0:
		a = farError(http.StatusTooManyRequests, "throttled")
		a.after = 7
	case 1:
		a = farError(http.StatusServiceUnavailable, "busy")
	case 2:
		a.broken = true
	case 3:
		a.broken, done = true, true
	case 4:
		a, done = farError(http.StatusInternalServerError, "internal"), true
	default:
		a = farError(http.StatusGatewayTimeout, "timeout")
	}
	return a, true, done
}

// write carries out a call that needs a handshake, or a deletion.
func (g *farGraph) write(method, tenant, id string, body []byte, now time.Time) farAnswer {
	if g.throttle(tenant, "write", now) {
		a := farError(http.StatusTooManyRequests, "too many requests")
		a.after = 10
		return a
	}
	a, fails, done := g.fault()
	if fails && !done {
		return a
	}
	var want struct {
		Resource           string    `json:"resource"`
		ChangeType         string    `json:"changeType"`
		ExpirationDateTime time.Time `json:"expirationDateTime"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &want); err != nil {
			return farError(http.StatusBadRequest, err.Error())
		}
	}
	s := g.find(g.living[id], now)
	switch {
	case method != http.MethodPost && s == nil:
		return farError(http.StatusNotFound, "The object was not found.")
	case method == http.MethodDelete:
		g.wrong = append(g.wrong, "deletion of "+s.key)
		return farAnswer{status: http.StatusNoContent}
	case want.ExpirationDateTime.Sub(now) > 4320*time.Minute:
		g.wrong = append(g.wrong, "asked for "+want.ExpirationDateTime.Sub(now).String())
		return farError(http.StatusBadRequest, "Subscription expiration can only be 4320 minutes in the future.")
	case g.ingest.at(now):
		g.shaken++
		a := farError(http.StatusBadRequest, "Subscription validation request timed out.")
		a.took = 10 * time.Second
		return a
	}
	if method == http.MethodPost {
		s = &farSub{tenant: tenant, key: tenant + " " + want.Resource + " " + want.ChangeType, resource: want.Resource, change: want.ChangeType}
		if had := g.find(g.byKey[s.key], now); had != nil {
			return farError(http.StatusConflict, "Subscription Id "+had.id+" already exists for the requested combination")
		}
		if g.tenants[tenant] >= organizationQuota {
			return farError(http.StatusForbidden, "quota")
		}
		g.made++
		s.id = fmt.Sprintf("7a4c9d0e-2222-4000-8000-%012x", g.made)
		g.living[s.id], g.byKey[s.key] = s, s
		g.tenants[tenant]++
		if all := g.dead[s.key]; len(all) > 0 && all[len(all)-1].to.IsZero() {
			all[len(all)-1].to = now
		}
	}
	s.renewed, s.expires = now, want.ExpirationDateTime
	if fails {
		return a
	}
	return farAnswer{status: http.StatusOK, body: s.text()}
}

func (s *farSub) text() string {
	return `{"id":"` + s.id + `","notificationUrl":"` + farNotify + `","expirationDateTime":"` + s.expires.Format(time.RFC3339) + `"}`
}

func (g *farGraph) read(tenant, id string, now time.Time) farAnswer {
	if g.throttle(tenant, "read", now) {
		a := farError(http.StatusTooManyRequests, "too many requests")
		a.after = 10
		return a
	}
	if a, fails, _ := g.fault(); fails {
		return a
	}
	if s := g.find(g.living[id], now); s != nil {
		return farAnswer{status: http.StatusOK, body: s.text()}
	}
	return farError(http.StatusNotFound, "The object was not found.")
}

func (g *farGraph) list(tenant string, now time.Time) farAnswer {
	if g.throttle(tenant, "list", now) {
		a := farError(http.StatusTooManyRequests, "too many requests")
		a.after = 10
		return a
	}
	if a, fails, _ := g.fault(); fails {
		return a
	}
	g.expire(now)
	var all []map[string]string
	for _, s := range g.living {
		if s.tenant == tenant {
			all = append(all, map[string]string{
				"id": s.id, "resource": s.resource, "changeType": s.change, "notificationUrl": farNotify, "expirationDateTime": s.expires.Format(time.RFC3339),
			})
		}
	}
	body, _ := json.Marshal(map[string]any{"value": all}) // texts
	return farAnswer{status: http.StatusOK, body: string(body)}
}

// batch reads what a batch asks for: GETs alone, numbered from 1.
func (g *farGraph) batch(tenant, body string, now time.Time) farAnswer {
	var b strings.Builder
	b.WriteString(`{"responses":[`)
	for i := 1; ; i++ {
		_, rest, more := strings.Cut(body, `"url":"/subscriptions/`)
		if !more {
			break
		}
		id, rest, _ := strings.Cut(rest, `"`)
		body = rest
		a := g.read(tenant, id, now)
		if a.broken {
			a = farError(http.StatusBadGateway, "no answer")
		}
		if i > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%d","status":%d,"body":%s`, i, a.status, a.body)
		if a.after > 0 {
			fmt.Fprintf(&b, `,"headers":{"Retry-After":"%d"}`, a.after)
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	return farAnswer{status: http.StatusOK, body: b.String()}
}

const farNotify = "https://bridge.example.com/graph/notifications"

// RoundTrip serves a request. Whoever goes away before half of the time is over
// has not asked; after that it is done, and nobody hears of it.
func (g *farGraph) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	g.mu.Lock()
	latency := 20*time.Millisecond + time.Duration(g.rng.Int64N(int64(300*time.Millisecond)))
	g.mu.Unlock()
	if sleep(req.Context(), latency/2); req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	a := g.serve(req, body)
	sleep(req.Context(), latency/2+a.took)
	switch {
	case req.Context().Err() != nil:
		return nil, req.Context().Err()
	case a.broken:
		return nil, errors.New("connection reset")
	}
	resp := &http.Response{
		StatusCode: a.status, Request: req, Header: http.Header{"Content-Type": {"application/json"}}, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader([]byte(a.body))), ContentLength: int64(len(a.body)),
	}
	if a.after > 0 {
		resp.Header.Set("Retry-After", fmt.Sprint(a.after))
	}
	return resp, nil
}

func (g *farGraph) serve(req *http.Request, body []byte) farAnswer {
	now := time.Now()
	tenant := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	version, path, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	_, id, _ := strings.Cut(path, "/")
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case path == "$batch":
		return g.batch(tenant, string(body), now)
	case req.Method == http.MethodGet && id != "":
		return g.read(tenant, id, now)
	case req.Method == http.MethodGet && version == "beta":
		return farAnswer{status: http.StatusOK, body: `{"value":[]}`}
	case req.Method == http.MethodGet:
		return g.list(tenant, now)
	default:
		return g.write(req.Method, tenant, id, body, now)
	}
}

// farToken is a credential whose tokens say the tenant.
type farToken string

func (t farToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(24 * time.Hour)}, nil
}
