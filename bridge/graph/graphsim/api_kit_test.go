package graphsim_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

const (
	appID         = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f"
	otherAppID    = "925bff9f-f6e2-4a69-b858-f71ea2b9b6d0"
	tenantID      = "5a5a5a5a-0000-4000-8000-000000000001"
	otherTenantID = "5a5a5a5a-0000-4000-8000-000000000002"
	lifecycleURL  = "https://bridge.example/graph/lifecycle"
)

// echo is a bridge that answers handshakes and acknowledges everything.
func echo(r *receiver) *http.Client {
	return &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		if token := req.URL.Query().Get("validationToken"); token != "" {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(token)), Request: req}, nil
		}
		return r.RoundTrip(req)
	})}
}

// apiConfig returns a configuration with the API on, without faults.
func apiConfig(r *receiver) graphsim.Config {
	cfg := config(r)
	cfg.Client, cfg.NotificationURL, cfg.Certificates, cfg.ClientState = echo(r), "", nil, nil
	cfg.TenantIDs = []string{tenantID, otherTenantID}
	cfg.API = &graphsim.API{}
	cfg.Faults.Every = map[graphsim.Fault]int{}
	for _, f := range graphsim.FaultList() {
		cfg.Faults.Every[f.Fault] = -1
	}
	return cfg
}

// handlerTransport is a client's way to a handler without a network. What
// breaks off is an error.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			if !errors.Is(r, http.ErrAbortHandler) {
				panic(r)
			}
			resp, err = nil, io.ErrUnexpectedEOF
		default:
			panic(r)
		}
	}()
	if req.Body == nil {
		req.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, req)
	return w.Result(), nil
}

// caller is somebody who calls the API.
type caller struct {
	tb     testing.TB
	base   string
	client *http.Client
	token  string
}

// newCaller returns a caller of s without a network, signed in to tenantID.
func newCaller(tb testing.TB, s *graphsim.Sim) *caller {
	tb.Helper()
	c := &caller{tb: tb, base: s.APIURL(), client: &http.Client{Transport: handlerTransport{s.APIHandler()}}}
	c.signIn(appID, tenantID, graphsim.DefaultSecret)
	return c
}

// signIn gets c a new token.
func (c *caller) signIn(app, tenant, secret string) {
	c.tb.Helper()
	status, answer := c.form("/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {secret}, "scope": {c.base + "/.default openid offline_access profile"},
	})
	if status != http.StatusOK || answer["token_type"] != "Bearer" {
		c.tb.Fatalf("token endpoint: %d %v", status, answer)
	}
	c.token = answer["access_token"].(string)
}

// answered is the answer to a call, whole.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// json returns the body as an object, nil for none.
func (a answered) json(tb testing.TB) map[string]any {
	tb.Helper()
	var out map[string]any
	if len(a.body) > 0 && json.Unmarshal(a.body, &out) != nil {
		tb.Fatalf("%d with a body that is not JSON: %.200q", a.status, a.body)
	}
	return out
}

// do sends a request and reads the whole answer.
func (c *caller) do(req *http.Request) (answered, error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header, body}, err
}

// form posts a form and returns the JSON answer.
func (c *caller) form(path string, form url.Values) (int, map[string]any) {
	c.tb.Helper()
	req, err := http.NewRequest(http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := c.do(req)
	if err != nil {
		c.tb.Fatal(err)
	}
	return a.status, a.json(c.tb)
}

// send makes a call and returns the answer, or the error of a broken
// connection.
func (c *caller) send(method, path string, body any) (answered, error) {
	c.tb.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.tb.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.base+path, r)
	if err != nil {
		c.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	return c.do(req)
}

// call makes a call whose answer is JSON.
func (c *caller) call(method, path string, body any) (int, map[string]any) {
	c.tb.Helper()
	a, err := c.send(method, path, body)
	if err != nil {
		c.tb.Fatalf("%s %s: %v", method, path, err)
	}
	return a.status, a.json(c.tb)
}

// object is a JSON object.
type object map[string]any

// with returns o with other members; nil takes one out.
func (o object) with(changes object) object {
	out := object{}
	for k, v := range o {
		out[k] = v
	}
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// wanted returns the body of a creation that is in order: basic, an hour.
func wanted(resource, changeType string) object {
	return object{
		"resource": resource, "changeType": changeType, "notificationUrl": notificationURL, "clientState": "state-1",
		"expirationDateTime": inTime(time.Hour),
	}
}

// rich makes a creation one with resource data.
func rich() object {
	return object{
		"includeResourceData": true, "encryptionCertificateId": newKey().id,
		"encryptionCertificate": base64.StdEncoding.EncodeToString(newKey().cert.Raw),
	}
}

// inTime returns the time d from now as text.
func inTime(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }

// create makes a subscription and returns its id.
func (c *caller) create(body object) string {
	c.tb.Helper()
	status, answer := c.call(http.MethodPost, "/beta/subscriptions", body)
	if status != http.StatusCreated {
		c.tb.Fatalf("create %v: %d %v", body["resource"], status, answer)
	}
	return answer["id"].(string)
}

// problem returns the code and message of an error answer.
func problem(answer map[string]any) string {
	e, _ := answer["error"].(map[string]any)
	return fmt.Sprint(e["code"], ": ", e["message"])
}

// instant reads a time of an answer.
func instant(tb testing.TB, v any) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(v))
	if err != nil {
		tb.Fatal(err)
	}
	return at
}
