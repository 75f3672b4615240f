package graphsim

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// maxForm bounds the body of a token request.
const maxForm = 64 << 10

// refusal is an error of the token endpoint, by its AADSTS number.
type refusal struct {
	status  int
	code    string
	number  int
	message string
}

// refusals of sign-in; each message begins with its number.
func refuseClient(number int, message string) *refusal {
	return &refusal{http.StatusUnauthorized, "invalid_client", number, message}
}

func noTenant(name string) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", bounded(name))}
}

// wireRefusal is a refusal as JSON.
type wireRefusal struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri"`
}

// wireGrant is a token as JSON.
type wireGrant struct {
	Type       string `json:"token_type"`
	ExpiresIn  int    `json:"expires_in"`
	ExtExpires int    `json:"ext_expires_in"`
	Token      string `json:"access_token"`
}

// serveToken answers the token endpoint: client credentials by secret or by
// assertion.
func (e *entra) serveToken(w http.ResponseWriter, r *http.Request) {
	if e.authority.misbehaves(w, r) {
		return
	}
	correlation := bounded(r.Header.Get("client-request-id"))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		e.refuse(w, correlation, &refusal{http.StatusBadRequest, "invalid_request", 900144, "The request body could not be read."})
		return
	}
	now := time.Now()
	app, d, by, no := e.grant(r.PathValue("tenant"), r.PostForm, now)
	if no != nil {
		e.refuse(w, correlation, no)
		return
	}
	token, err := e.issue(app, d, by, strings.Contains(r.PostForm.Get("claims"), `"xms_cc"`), now)
	if err != nil {
		http.Error(w, "token could not be made", http.StatusInternalServerError)
		return
	}
	left := int(e.api.TokenLifetime / time.Second)
	writeJSON(w, http.StatusOK, wireGrant{"Bearer", left, left, token})
}

// grant returns who the form's sender is and how it proved that, as
// appidacr says it, or why it gets nothing.
func (e *entra) grant(tenant string, form url.Values, now time.Time) (*clientApp, *directory, string, *refusal) {
	d := e.registry.tenant(strings.ToLower(tenant))
	if d == nil {
		return nil, nil, "", noTenant(tenant)
	}
	if g := form.Get("grant_type"); g != "client_credentials" {
		return nil, nil, "", &refusal{http.StatusBadRequest, "unsupported_grant_type", 70003, fmt.Sprintf("The app requested an unsupported grant type '%s'.", bounded(g))}
	}
	e.mu.Lock()
	app := e.apps[strings.ToLower(form.Get("client_id"))]
	e.mu.Unlock()
	if app == nil {
		return nil, nil, "", &refusal{http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'.", bounded(form.Get("client_id")), d.domain)}
	}
	if no := e.scope(form.Get("scope"), d); no != nil {
		return nil, nil, "", no
	}
	if secret := form.Get("client_secret"); secret != "" {
		return app, d, "1", e.secret(app, secret)
	}
	if assertion := form.Get("client_assertion"); assertion != "" {
		if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return nil, nil, "", &refusal{http.StatusBadRequest, "invalid_request", 7000219, "client_assertion_type is not supported."}
		}
		return app, d, "2", e.assertion(app, d, assertion, now)
	}
	return nil, nil, "", refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
}

// secret checks a client secret.
func (e *entra) secret(app *clientApp, secret string) *refusal {
	e.mu.Lock()
	defer e.mu.Unlock()
	expired := false
	for _, s := range app.secrets {
		if subtle.ConstantTimeCompare([]byte(s.value), []byte(secret)) != 1 {
			continue
		}
		if !s.expired {
			return nil
		}
		expired = true
	}
	if expired {
		return refuseClient(7000222, fmt.Sprintf("The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app.", app.id))
	}
	return refuseClient(7000215, fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.id))
}

// scope checks that a token for Graph is asked for.
func (e *entra) scope(scopes string, d *directory) *refusal {
	for scope := range strings.FieldsSeq(scopes) {
		resource, ok := strings.CutSuffix(scope, "/.default")
		if !ok {
			continue
		}
		switch strings.TrimSuffix(resource, "/") {
		case e.api.URL, graphAppID, "https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn":
			return nil
		}
		return &refusal{http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named %s.", bounded(resource), d.domain)}
	}
	return &refusal{http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."}
}

// refuse writes a refusal.
func (e *entra) refuse(w http.ResponseWriter, correlation string, no *refusal) {
	e.mu.Lock()
	e.counts[fmt.Sprintf("AADSTS%d", no.number)]++
	e.mu.Unlock()
	trace := requestID()
	if correlation == "" {
		correlation = requestID()
	}
	at := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	writeJSON(w, no.status, wireRefusal{
		Error: no.code, Codes: []int{no.number}, Timestamp: at, TraceID: trace, CorrelationID: correlation,
		Description: fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", no.number, no.message, trace, correlation, at),
		URI:         fmt.Sprintf("%s/error?code=%d", e.api.URL, no.number),
	})
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, v) // the client went away: nothing to do
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
func base64Std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
