package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

type readyCmd struct {
	URL         string `arg:"" optional:"" placeholder:"URL" help:"What to ask instead, by http or https: well if it answers 200."`
	AdminListen string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" group:"HTTP" help:"The admin port of the process that is asked: its own --admin-listen."`
}

// Help is printed below what the command is for.
func (readyCmd) Help() string {
	return `
Asks the /readyz of a process on this machine, and ends with exit code 1 and what is missing
if it is not ready. It takes the same variable for the admin port as the process does, so
that it is a container's health check as it stands.

Examples:
  meetbridge ready                                  an ingest with its usual admin port
  meetbridge ready --admin-listen 127.0.0.1:9091    a renewer with its usual one
  meetbridge ready http://127.0.0.1:8090/common/.well-known/openid-configuration
                                                    a graphsim`
}

// readyAnswerWithin is more than /readyz takes.
const readyAnswerWithin = 3 * time.Second

// Run asks, and prints "ready" or returns what is missing.
func (c readyCmd) Run(ctx context.Context, t *terminal) error {
	address := c.URL
	if address == "" {
		host, port, err := net.SplitHostPort(c.AdminListen)
		if err != nil {
			return usagef("--admin-listen is %q: must be HOST:PORT or :PORT, such as :9090", c.AdminListen)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1" // who listens everywhere is there, too
		}
		address = "http://" + net.JoinHostPort(host, port) + "/readyz"
	} else if err := checkURLs(map[string]string{"URL": address}); err != nil {
		return usageError{err}
	}
	if err := askURL(ctx, address); err != nil {
		return err
	}
	return t.printf("ready\n")
}

// askURL returns nil if the address answers 200, else an error that says what
// it named as missing.
func askURL(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, readyAnswerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		var cause *url.Error // which repeats the URL
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return fmt.Errorf("%s does not answer: %w", address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var answer struct {
		Checks map[string]struct {
			OK   bool   `json:"ok"`
			Note string `json:"note"`
		} `json:"checks"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || len(answer.Checks) == 0 {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(answer.Checks)) {
		if check := answer.Checks[name]; !check.OK {
			missing = append(missing, name+": "+printable(check.Note, maxDetail))
		}
	}
	return fmt.Errorf("not ready: %s", strings.Join(missing, "; "))
}
