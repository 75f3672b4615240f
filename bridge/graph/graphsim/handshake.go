package graphsim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// handshakeTimeout is Graph's own (FACTS §1.1).
const handshakeTimeout = 10 * time.Second

// ErrHandshake is wrapped by every error of Handshake that the endpoint's
// answer is to blame for.
var ErrHandshake = errors.New("graphsim: subscription validation request failed")

// Handshake asks rawURL, as Graph does before it makes or renews a
// subscription, to send back an opaque token, and checks the answer: 200,
// text/plain, the token decoded, within 10 s. It encodes the spaces of the
// token as + and as %20, in two requests, since both are met.
func (s *Sim) Handshake(ctx context.Context, rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return fmt.Errorf("read endpoint URL: %w", err)
	}
	token := "Validation: Testing client application reachability for subscription Request-Id: " + requestID()
	plus := url.QueryEscape(token)
	for _, encoded := range []string{plus, strings.ReplaceAll(plus, "+", "%20")} {
		asked := *u
		if asked.RawQuery != "" {
			asked.RawQuery += "&"
		}
		asked.RawQuery += "validationToken=" + encoded
		if err := s.handshake(ctx, asked.String(), token); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sim) handshake(ctx context.Context, asked, token string) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, asked, http.NoBody)
	if err != nil {
		return fmt.Errorf("make handshake: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	if err != nil {
		return fmt.Errorf("%w: read answer: %w", ErrHandshake, err)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: HTTP status code is %d", ErrHandshake, resp.StatusCode)
	case media != "text/plain":
		return fmt.Errorf("%w: content type is %q, want text/plain", ErrHandshake, media)
	case string(body) != token:
		return fmt.Errorf("%w: answer of %d bytes is not the decoded token", ErrHandshake, len(body))
	}
	return nil
}

// requestID returns a random id in Graph's form.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
