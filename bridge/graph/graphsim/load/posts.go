package load

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge/graph/graphsim"
)

// Posts are bodies to be sent over and over, each time under new ids. It is safe
// for concurrent use.
type Posts struct {
	bodies []template
	items  int
	sealed float64
	next   atomic.Int64
}

// template is a body with the places of the numbers that make its items unlike
// any sent before: idDigits hexadecimal digits in the notification's id.
type template struct {
	body []byte
	ids  []int
}

const (
	idDigits = 12
	idMember = `{"id":"`
	idPrefix = "10ad0000-0000-4000-8000-"
)

// Items returns how many items each POST has.
func (p *Posts) Items() int { return p.items }

// Sealed returns the share of items that carry their resource, 0 to 1.
func (p *Posts) Sealed() float64 { return p.sealed }

// append appends the next POST's body to dst.
func (p *Posts) append(dst []byte) []byte {
	n := p.next.Add(1)
	t := &p.bodies[int(n)%len(p.bodies)]
	from := len(dst)
	dst = append(dst, t.body...)
	for i, at := range t.ids {
		stamp(dst[from+at:from+at+idDigits], uint64(n)*uint64(p.items)+uint64(i))
	}
	return dst
}

// stamp writes n in lower-case hexadecimal digits over b.
func stamp(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
}

// Recorder is a world whose POSTs are kept instead of sent.
type Recorder struct {
	sim  *graphsim.Sim
	tape *tape
}

// NewRecorder starts the world of cfg, which needs no NotificationURL. It serves
// the keys that its tokens are signed with, if cfg has a Listener, until Stop.
func NewRecorder(ctx context.Context, cfg graphsim.Config) (*Recorder, error) {
	r := &Recorder{tape: &tape{}}
	cfg.NotificationURL, cfg.Client, cfg.BatchMax = "http://127.0.0.1:1/", &http.Client{Transport: r.tape}, 1
	cfg.OnEntry = func(graphsim.Entry) {} // nobody reads the ledger
	var err error
	if r.sim, err = graphsim.New(cfg); err != nil {
		return nil, fmt.Errorf("start world: %w", err)
	}
	if err := r.sim.Start(ctx); err != nil {
		return nil, fmt.Errorf("start world: %w", err)
	}
	return r, nil
}

// Stop ends the world.
func (r *Recorder) Stop(ctx context.Context) error { return r.sim.Stop(ctx) }

// Posts lets the world live on for so many POSTs of so many items each, with what
// Graph sends beside them: one validation token for each app and tenant among
// their rich items. They hold items of every type that the world has. It is for
// one goroutine at a time.
func (r *Recorder) Posts(ctx context.Context, posts, items int) (*Posts, error) {
	if err := r.sim.Run(ctx, graphsim.Limit{Items: posts * items}); err != nil {
		return nil, fmt.Errorf("record posts: %w", err)
	}
	recorded := r.tape.take()
	p := &Posts{items: items}
	for _, it := range recorded {
		if bytes.Contains(it.Value[0], []byte(`"dataKey":`)) {
			p.sealed += 1 / float64(len(recorded))
		}
	}
	for from := 0; from+items <= len(recorded); from += items {
		t, err := compose(recorded[from : from+items])
		if err != nil {
			return nil, fmt.Errorf("record posts: %w", err)
		}
		p.bodies = append(p.bodies, t)
	}
	if len(p.bodies) == 0 {
		return nil, fmt.Errorf("record posts: the world had %d items, a POST shall have %d", len(recorded), items)
	}
	return p, nil
}

// tape keeps what the simulator sends and acknowledges it.
type tape struct {
	mu    sync.Mutex // guards items
	items []recorded
}

// take returns what is on the tape and empties it.
func (t *tape) take() []recorded {
	t.mu.Lock()
	defer t.mu.Unlock()
	items := t.items
	t.items = nil
	return items
}

// recorded is one item with the tokens that came beside it.
type recorded struct {
	Value  []jsontext.Value `json:"value"`
	Tokens []string         `json:"validationTokens"`
}

// RoundTrip implements http.RoundTripper.
func (t *tape) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var r recorded
	if err := json.Unmarshal(body, &r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(r.Value) == 1 {
		t.items = append(t.items, r)
	}
	return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// compose returns the POST of the items.
func compose(items []recorded) (template, error) {
	var t template
	b := []byte(`{"value":[`)
	seen := map[string]bool{}
	var tokens []string
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		raw := it.Value[0]
		if own := len(idMember) + len(idPrefix) + idDigits; bytes.HasPrefix(raw, []byte(idMember)) && len(raw) > own && raw[own] == '"' {
			raw = append([]byte("{"), raw[own+len(`",`):]...) // it has an id already
		}
		b = append(b, idMember+idPrefix...)
		t.ids = append(t.ids, len(b))
		b = append(append(b, "000000000000\","...), raw[1:]...)
		for _, token := range it.Tokens {
			whom, err := tokenFor(token)
			if err != nil {
				return t, err
			}
			if !seen[whom] {
				seen[whom] = true
				tokens = append(tokens, token)
			}
		}
	}
	b = append(b, ']')
	if len(tokens) > 0 {
		text, err := json.Marshal(tokens)
		if err != nil {
			return t, fmt.Errorf("write validation tokens: %w", err)
		}
		b = append(append(b, `,"validationTokens":`...), text...)
	}
	t.body = append(b, '}')
	return t, nil
}

// tokenFor returns whom the token is for: Graph sends one for each app and tenant.
func tokenFor(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("read validation token: %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("read validation token: %w", err)
	}
	var claims struct {
		Audience string `json:"aud"`
		Tenant   string `json:"tid"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", fmt.Errorf("read validation token: %w", err)
	}
	return claims.Audience + " " + claims.Tenant, nil
}
