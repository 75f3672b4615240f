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
	id := requestID()
	for _, prefix := range []string{validationPrefixPlus, validationPrefixPercent} {
		asked := *u
		if asked.RawQuery != "" {
			asked.RawQuery += "&"
		}
		asked.RawQuery += "validationToken=" + prefix + id
		if err := s.handshake(ctx, asked.String(), validationPrefix+id); err != nil {
			return err
		}
	}
	return nil
}

// ask is one handshake, as the API has it; the token's spaces are encoded now so,
// now so.
func (s *Sim) ask(ctx context.Context, rawURL string) error {
	id := requestID()
	encoded := validationPrefixPlus
	if id[0]%2 == 0 {
		encoded = validationPrefixPercent
	}
	separator := "?"
	if strings.Contains(rawURL, "?") {
		separator = "&"
	}
	return s.handshake(ctx, rawURL+separator+"validationToken="+encoded+id, validationPrefix+id)
}

// What a validation token begins with: it is prose rather than a token
// (FACTS §1.1). The others are its two encodings.
const (
	validationPrefix        = "Validation: Testing client application reachability for subscription Request-Id: "
	validationPrefixPlus    = "Validation%3A+Testing+client+application+reachability+for+subscription+Request-Id%3A+"
	validationPrefixPercent = "Validation%3A%20Testing%20client%20application%20reachability%20for%20subscription%20Request-Id%3A%20"
)

// statusError is an endpoint's answer with another status than 200.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("HTTP status code is %d", int(e)) }

// errMismatch is returned for an answer that is not the token.
var errMismatch = errors.New("answer is not the decoded token as text/plain")

// handshakeFailure returns how the API reports err, nil for none (FACTS §1.1,
// §4.2).
func handshakeFailure(err error) *apiError {
	var status statusError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return badRequest("Subscription validation request timed out.")
	case errors.As(err, &status):
		name := strings.ReplaceAll(http.StatusText(int(status)), " ", "")
		return badRequest("Subscription validation request failed. HTTP status code is '" + name + "'.")
	case errors.Is(err, errMismatch):
		return badRequest("Subscription validation request failed. Response must exactly match validationToken query parameter.")
	}
	return badRequest("Subscription validation request failed. Must respond with 200 OK to this request.")
}

func (s *Sim) handshake(ctx context.Context, asked, token string) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, asked, http.NoBody)
	if err != nil {
		return fmt.Errorf("make handshake: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	// Not by the client: what redirects does not answer.
	transport := s.cfg.Client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := make([]byte, len(token)+1)
	n, err := io.ReadFull(resp.Body, body)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: read answer: %w", ErrHandshake, err)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: %w", ErrHandshake, statusError(resp.StatusCode))
	case media != "text/plain":
		return fmt.Errorf("%w: %w: content type is %q", ErrHandshake, errMismatch, media)
	case string(body[:n]) != token:
		return fmt.Errorf("%w: %w: %d bytes or more", ErrHandshake, errMismatch, n)
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
