package graphsim

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// graphAppID is Graph itself in the eyes of Entra.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// entra is the part of Entra ID that gives out access tokens, and the part of
// Graph that knows them again. It knows its tokens by a table, as Graph's
// tokens can be judged by Graph alone.
type entra struct {
	api       API
	registry  *registry
	authority *authority
	handler   http.Handler

	mu     sync.Mutex
	apps   map[string]*clientApp // by id, lower case
	tokens map[string]*accessToken
	sweep  time.Time // when expired tokens are thrown away next
	counts map[string]int
}

// clientApp is an App. Entra's mutex guards what can change.
type clientApp struct {
	id        string
	principal string // its service principal
	tokenV2   bool   // which version of validation token it gets

	secrets      []clientSecret
	certificates []*x509.Certificate
	federated    []Federated
	roles        []string
}

type clientSecret struct {
	value   string
	expired bool
}

// accessToken is what Graph knows of a token. It is never changed, but that it
// can be revoked, which entra's mutex guards.
type accessToken struct {
	app     *clientApp
	tenant  *directory
	roles   []string
	expires time.Time
	capable bool // its client understands claims challenges
	revoked bool
}

// may reports whether the token carries role.
func (t *accessToken) may(role string) bool { return slices.Contains(t.roles, role) }

func newEntra(api API, r *registry, a *authority) *entra {
	e := &entra{api: api, registry: r, authority: a, apps: map[string]*clientApp{}, tokens: map[string]*accessToken{}, counts: map[string]int{}}
	for i, app := range api.Apps {
		c := &clientApp{
			id: app.ID, principal: drawGUID(r.rng), tokenV2: i%2 == 0,
			certificates: app.Certificates, federated: app.Federated, roles: app.Roles,
		}
		for _, s := range app.Secrets {
			c.secrets = append(c.secrets, clientSecret{value: s})
		}
		if app.Roles == nil {
			c.roles = r.catalog.roles()
		}
		e.apps[strings.ToLower(app.ID)] = c
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.serveToken)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", e.serveConfiguration)
	mux.HandleFunc("GET /common/discovery/instance", a.answer(func() any { return e.instance() }))
	mux.HandleFunc("GET /{tenant}/discovery/keys", a.answer(func() any { return a.keySet("") }))
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", a.answer(func() any { return a.keySet(a.issuerV2("{tenantid}")) }))
	mux.HandleFunc("GET /{tenant}/.well-known/openid-configuration", a.answer(func() any {
		return e.configuration("common", a.issuerV1("{tenantid}"), "/oauth2", "/discovery/keys")
	}))
	e.handler = mux
	return e
}

// roles returns every role that some resource asks for, sorted.
func (c catalog) roles() []string {
	var out []string
	for _, kinds := range c {
		for _, k := range kinds {
			out = append(out, k.roles...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// configuration returns an openid configuration under the API's URL.
func (e *entra) configuration(tenant, issuer, at, keys string) openIDConfiguration {
	return openIDConfiguration{
		Issuer: issuer, JWKSURI: e.api.URL + "/common" + keys,
		AuthorizationEndpoint: e.api.URL + "/" + tenant + at + "/authorize", TokenEndpoint: e.api.URL + "/" + tenant + at + "/token",
		Algorithms: []string{"RS256"}, CloudInstance: "microsoftonline.com",
	}
}

// serveConfiguration answers for one tenant's openid configuration, or for that
// which all share: its issuer is the one that validation tokens name.
func (e *entra) serveConfiguration(w http.ResponseWriter, r *http.Request) {
	name := strings.ToLower(r.PathValue("tenant"))
	shared := name == "common" || name == "organizations"
	d := e.registry.tenant(name)
	if d == nil && !shared {
		e.refuse(w, "", noTenant(r.PathValue("tenant")))
		return
	}
	e.authority.answer(func() any {
		if shared {
			return e.configuration(name, e.authority.issuerV2("{tenantid}"), "/oauth2/v2.0", "/discovery/v2.0/keys")
		}
		return e.configuration(name, e.api.URL+"/"+d.id+"/v2.0", "/oauth2/v2.0", "/discovery/v2.0/keys")
	})(w, r)
}

// instance answers the question whether the API's URL is an authority.
func (e *entra) instance() any {
	host := strings.TrimPrefix(e.api.URL, "https://")
	return map[string]any{
		"tenant_discovery_endpoint": e.api.URL + "/common/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []map[string]any{{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	}
}

// accessClaims are the claims of an access token: version 1.0, of an app.
type accessClaims struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	IssuedAt int64    `json:"iat"`
	Before   int64    `json:"nbf"`
	Expires  int64    `json:"exp"`
	AIO      string   `json:"aio"`
	AppID    string   `json:"appid"`
	AppIDACR string   `json:"appidacr"`
	IDP      string   `json:"idp"`
	IDType   string   `json:"idtyp"`
	OID      string   `json:"oid"`
	Roles    []string `json:"roles,omitzero"`
	Subject  string   `json:"sub"`
	Tenant   string   `json:"tid"`
	UTI      string   `json:"uti"`
	Version  string   `json:"ver"`
}

// issue returns a new token. As with Graph's own, the nonce in its header keeps
// others from verifying it; here what stands for a signature is random.
func (e *entra) issue(app *clientApp, d *directory, by string, capable bool, now time.Time) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := &accessToken{app: app, tenant: d, roles: app.roles, expires: now.Add(e.api.TokenLifetime), capable: capable}
	issuer := e.authority.issuerV1(d.id)
	claims := accessClaims{
		Audience: "https://graph.microsoft.com", Issuer: issuer, IDP: issuer,
		IssuedAt: now.Unix(), Before: now.Unix(), Expires: t.expires.Unix(),
		AIO: opaque(24), AppID: app.id, AppIDACR: by, IDType: "app", OID: app.principal, Roles: app.roles,
		Subject: app.principal, Tenant: d.id, UTI: opaque(16), Version: "1.0",
	}
	header, err := json.Marshal(struct {
		Type      string `json:"typ"`
		Nonce     string `json:"nonce"`
		Algorithm string `json:"alg"`
	}{"JWT", opaque(32), "RS256"})
	if err != nil {
		return "", fmt.Errorf("write token header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write token claims: %w", err)
	}
	token := base64URL(header) + "." + base64URL(body) + "." + opaque(256)
	e.tokens[token] = t
	if now.After(e.sweep) {
		e.sweep = now.Add(e.api.TokenLifetime)
		for text, old := range e.tokens {
			if now.Sub(old.expires) > time.Hour {
				delete(e.tokens, text)
			}
		}
	}
	e.counts["issued"]++
	return token, nil
}

// authorize returns the token that an Authorization header names, or the 401.
func (e *entra) authorize(header string, now time.Time) (*accessToken, *apiError) {
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return nil, e.unauthorized(nil, "Access token is empty.")
	}
	e.mu.Lock()
	t := e.tokens[text]
	revoked := t != nil && t.revoked
	e.mu.Unlock()
	switch {
	case t == nil:
		return nil, e.unauthorized(nil, "CompactToken parsing failed with error code: 80049217")
	case !t.expires.After(now):
		return nil, e.unauthorized(t, "Lifetime validation failed, the token is expired.")
	case revoked:
		return nil, e.unauthorized(t, "Access token validation failure.")
	}
	return t, nil
}

// revoke makes t good for nothing.
func (e *entra) revoke(t *accessToken) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.revoked = true
}

// unauthorized returns a 401; a client that understands them is told which
// claims its next token needs.
func (e *entra) unauthorized(t *accessToken, message string) *apiError {
	challenge := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="%s"`, e.api.URL, graphAppID)
	if t != nil && t.capable {
		claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, time.Now().Unix())
		challenge += `, error="insufficient_claims", claims="` + base64Std([]byte(claims)) + `"`
	}
	return &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", message: message, challenge: challenge}
}
