package graphsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// post is one POST: a notification collection on its way to an endpoint. The
// endpoint's mutex guards it while it is queued; while it is under way the
// attempt's goroutine owns it.
type post struct {
	seq          int
	items        []*item
	tokenForgery Fault // the forgery that its tokens are, if any
	cut          bool  // the first attempt breaks off
	repeat       *post // follows once this one is acknowledged

	body       []byte // made by the first attempt; retries repeat it
	attempts   int
	first, due time.Time
	probe      int // the probe round that it was admitted for; 0: none
}

// render writes the collection: its items, and one validation token for each
// app and tenant among those that carry their resource (FACTS §2.1).
func (p *post) render(f *forger, now time.Time) ([]byte, error) {
	size := 64
	for _, it := range p.items {
		size += 1024 + len(it.payload)*3/2
	}
	b := append(make([]byte, 0, size), `{"value":[`...)
	var tokens []string
	var have []tokenFor
	var err error
	for i, it := range p.items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = it.append(b, f); err != nil {
			return nil, err
		}
		want := tokenFor{it.sub.app, it.sub.tenantID, it.sub.tokenV2}
		if !it.rich() || contains(have, want) {
			continue
		}
		have = append(have, want)
		token, err := f.tokens.tokenOr(f, p.tokenForgery, want, now)
		if err != nil {
			return nil, err
		}
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	b = append(b, ']')
	switch {
	case len(tokens) > 0:
		text, err := json.Marshal(tokens)
		if err != nil {
			return nil, fmt.Errorf("write validation tokens: %w", err)
		}
		b = append(append(b, `,"validationTokens":`...), text...)
	case p.seq%7 == 0 && p.tokenForgery == "":
		b = append(b, `,"validationTokens":null`...)
	}
	return append(b, '}'), nil
}

// tokenOr returns the genuine token for want, or its forgery.
func (m *tokenMaker) tokenOr(f *forger, forgery Fault, want tokenFor, now time.Time) (string, error) {
	if forgery != "" {
		return f.token(forgery, want, now)
	}
	return m.token(want, now)
}

func contains(have []tokenFor, want tokenFor) bool {
	for _, h := range have {
		if h == want {
			return true
		}
	}
	return false
}

// answer is what came of one attempt.
type answer struct {
	kind       string // status code, "timeout", "cut" or "unreachable"
	ok         bool
	took       time.Duration
	timedOut   bool
	retryAfter time.Duration
}

// errCut is what breaks a request off.
var errCut = errors.New("graphsim: cut off on purpose")

// halfReader yields half of a body and then fails.
type halfReader struct{ r io.Reader }

func (h halfReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = errCut
	}
	return n, err
}

// send makes one attempt to deliver body to url.
func send(ctx context.Context, client *http.Client, url string, body []byte, cut bool, timeout time.Duration) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var r io.Reader = bytes.NewReader(body)
	if cut {
		r = halfReader{bytes.NewReader(body[:len(body)/2])}
	}
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, r)
	if err != nil {
		return answer{kind: "unreachable"}
	}
	req.ContentLength = int64(len(body))
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := client.Do(req)
	took := time.Since(start)
	if err != nil {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return answer{kind: "timeout", took: took, timedOut: true}
		case cut:
			return answer{kind: "cut", took: took}
		}
		return answer{kind: "unreachable", took: took}
	}
	// A body that is cut off says nothing against the status.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	return answer{
		kind: strconv.Itoa(resp.StatusCode), took: took,
		ok:         resp.StatusCode >= 200 && resp.StatusCode < 300 && !cut,
		retryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
}

// retryAfter reads a Retry-After header: seconds or a date; 0 for anything else.
func retryAfter(h string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(h); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(h); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
