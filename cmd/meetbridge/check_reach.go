package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"meetbridge/renewer"
)

// handshakeWithin is how long Graph waits for the answer (FACTS §1.1).
const handshakeWithin = 10 * time.Second

// publicURLs returns the URLs that Graph is given, each once.
func publicURLs(w *renewer.Wanted) []string {
	var all []string
	for _, t := range w.Tenants {
		for _, u := range []string{t.NotificationURL, t.LifecycleURL} {
			if u != "" && !slices.Contains(all, u) {
				all = append(all, u)
			}
		}
	}
	return all
}

// handshake asks the URL as Graph does before it makes a subscription, and again
// when it renews one (FACTS §1.1): the token, decoded, must come back as plain
// text.
func handshake(ctx context.Context, address string) (string, error) {
	target, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("%.200q is no URL", address)
	}
	token := "Validation: Testing client application reachability for subscription Request-Id: " + uuid.NewString()
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += "validationToken=" + url.QueryEscape(token)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), http.NoBody)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	client := http.Client{
		Transport:     http.DefaultTransport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	const unasked = "Graph would refuse every creation and renewal"
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		var cause *url.Error // which repeats the whole URL
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Errorf("%s cannot be reached from here: %w: if Graph cannot either, %s; if only this machine cannot, check from another", address, err, "it refuses every creation and renewal")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return "", fmt.Errorf("%s: read answer: %w", address, err)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return "", fmt.Errorf("%s answers %d: something in front of ingest asks who is there, and Graph does not say: let %s through unasked", address, resp.StatusCode, target.Path)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s answers %d instead of 200, so %s: is it the path of ingest (/graph/notifications, /graph/lifecycle), passed on by every proxy?", address, resp.StatusCode, unasked)
	case string(body) != token:
		return "", fmt.Errorf("%s answers with something else than the validation token, so %s: does ingest answer there, or something in front of it?", address, unasked)
	case media != "text/plain":
		return "", fmt.Errorf("%s answers as %.60q instead of text/plain, so %s", address, resp.Header.Get("Content-Type"), unasked)
	}
	return fmt.Sprintf("%s gives Graph's token back, after %s", address, time.Since(began).Round(time.Millisecond)), nil
}

// maxClockError is how wrong the clock may be: tokens and expiry times are judged
// to the minute.
const maxClockError = time.Minute

// clock compares the clock with those of the hosts that answer. It is safe for
// concurrent use.
type clock struct {
	mu   sync.Mutex // guards all below
	seen []clockReading
}

// clockReading is how far the clock is ahead of a host's, and how wrong that may
// be: by half of the time that the answer took, and the second that Date is cut
// to.
type clockReading struct {
	host         string
	ahead, wrong time.Duration
}

// watch returns next, watched.
func (c *clock) watch(next http.RoundTripper) http.RoundTripper { return watchedClock{next, c} }

type watchedClock struct {
	next  http.RoundTripper
	clock *clock
}

// RoundTrip asks next.
func (w watchedClock) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := w.next.RoundTrip(req)
	if err == nil {
		w.clock.read(req.URL.Host, resp.Header.Get("Date"), began, time.Now())
	}
	return resp, err
}

func (c *clock) read(host, date string, began, ended time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	took := ended.Sub(began)
	r := clockReading{host: host, ahead: began.Add(took / 2).Sub(at.Add(time.Second / 2)), wrong: took/2 + time.Second/2}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, r)
}

// judge says how far the clock is off, by the hosts' word on which it is off
// most.
func (c *clock) judge() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) == 0 {
		return "", errors.New("not compared, since neither Graph nor the sign-in authority has answered")
	}
	worst := slices.MaxFunc(c.seen, func(a, b clockReading) int { return int(a.off() - b.off()) })
	var hosts []string
	for _, r := range c.seen {
		if !slices.Contains(hosts, r.host) {
			hosts = append(hosts, r.host)
		}
	}
	slices.Sort(hosts)
	if worst.off() > maxClockError {
		word := "ahead of"
		if worst.ahead < 0 {
			word = "behind"
		}
		return "", fmt.Errorf("this clock is %s %s that of %s: have it set by NTP; expiry times and tokens are judged by it", worst.ahead.Abs().Round(time.Second), word, worst.host)
	}
	return "within " + (worst.off() + worst.wrong).Round(time.Second).String() + " of that of " + strings.Join(hosts, ", "), nil
}

// off is how wrong the clock is at least.
func (r clockReading) off() time.Duration { return max(0, r.ahead.Abs()-r.wrong) }

// unknownAuthority adds to err what to do about a certificate of Graph or of the
// sign-in authority that nobody known has signed.
func unknownAuthority(err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w: name the certificate of whoever signed its certificate with --graph-ca, if that host is the right one", err)
	}
	return err
}
