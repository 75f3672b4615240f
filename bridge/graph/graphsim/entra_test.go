package graphsim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// signed returns a JWT signed by key.
func signed(tb testing.TB, key *rsa.PrivateKey, header, claims object) string {
	tb.Helper()
	var parts []string
	for _, v := range []object{header, claims} {
		b, err := json.Marshal(v)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(b))
	}
	text := strings.Join(parts, ".")
	sum := sha256.Sum256([]byte(text))
	var sig []byte
	var err error
	if header["alg"] == "PS256" {
		sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	} else {
		sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// The token endpoint answers secrets, certificates and federated identities, and
// refuses each in Entra's words.
func TestEntraTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := signingKeys()[0]
		cfg := apiConfig(&receiver{})
		cfg.API.Apps = []graphsim.App{{
			ID: appID, Secrets: []string{"first"}, Roles: []string{"Chat.Read.All"}, Certificates: []*x509.Certificate{newKey().cert},
			Federated: []graphsim.Federated{{Issuer: "https://cluster.example", Subject: "system:serviceaccount:a:b", Key: &cluster.PublicKey}},
		}}
		s := start(t, cfg)
		defer stop(t, s)
		c := &caller{tb: t, base: s.APIURL(), client: &http.Client{Transport: handlerTransport{s.APIHandler()}}}
		sum := sha256.Sum256(newKey().cert.Raw)
		header := object{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.StdEncoding.EncodeToString(sum[:])}
		now := time.Now().Unix()
		claims := object{"aud": s.APIURL() + "/" + tenantID + "/oauth2/v2.0/token", "iss": appID, "sub": appID, "nbf": now, "exp": now + 600, "jti": "1"}
		federated := object{"aud": []string{"api://AzureADTokenExchange"}, "iss": "https://cluster.example", "sub": "system:serviceaccount:a:b", "nbf": now, "exp": now + 600}
		plain := object{"alg": "RS256", "kid": "k"}
		own, foreign := newKey().private, signingKeys()[1]
		assert := func(text string) url.Values {
			return url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {text}}
		}
		for _, test := range []struct {
			name, tenant string
			form         url.Values
			code         string // AADSTS…; "" for a token
		}{
			{"Secret", tenantID, url.Values{"client_secret": {"first"}}, ""},
			{"SecretByDomain", s.Tenants()[0].Domain, url.Values{"client_secret": {"first"}}, ""},
			{"Certificate", tenantID, assert(signed(t, own, header, claims)), ""},
			{"Federated", tenantID, assert(signed(t, cluster, plain, federated)), ""},
			{"WrongSecret", tenantID, url.Values{"client_secret": {"second"}}, "AADSTS7000215"},
			{"NoProof", tenantID, url.Values{}, "AADSTS7000218"},
			{"UnknownTenant", otherAppID, url.Values{"client_secret": {"first"}}, "AADSTS90002"},
			{"UnknownApp", tenantID, url.Values{"client_secret": {"first"}, "client_id": {otherAppID}}, "AADSTS700016"},
			{"GrantType", tenantID, url.Values{"client_secret": {"first"}, "grant_type": {"password"}}, "AADSTS70003"},
			{"Scope", tenantID, url.Values{"client_secret": {"first"}, "scope": {"User.Read"}}, "AADSTS1002012"},
			{"OtherResource", tenantID, url.Values{"client_secret": {"first"}, "scope": {"https://vault.azure.net/.default"}}, "AADSTS500011"},
			{"Malformed", tenantID, assert("a.b"), "AADSTS50027"},
			{"AlgorithmNone", tenantID, assert(signed(t, own, header.with(object{"alg": "none"}), claims)), "AADSTS700027"},
			{"ForeignSignature", tenantID, assert(signed(t, foreign, header, claims)), "AADSTS700027"},
			{"UnknownCertificate", tenantID, assert(signed(t, own, header.with(object{"x5t#S256": "AAAA"}), claims)), "AADSTS700027"},
			{"Expired", tenantID, assert(signed(t, own, header, claims.with(object{"exp": now - 301}))), "AADSTS700024"},
			{"Audience", tenantID, assert(signed(t, own, header, claims.with(object{"aud": "https://login.example/"}))), "AADSTS700023"},
			{"OtherIssuer", tenantID, assert(signed(t, own, header, claims.with(object{"iss": otherAppID}))), "AADSTS700021"},
			{"FederatedSubject", tenantID, assert(signed(t, cluster, plain, federated.with(object{"sub": "x"}))), "AADSTS700213"},
			{"FederatedAudience", tenantID, assert(signed(t, cluster, plain, federated.with(object{"aud": "x"}))), "AADSTS700212"},
			{"FederatedSignature", tenantID, assert(signed(t, foreign, plain, federated)), "AADSTS50013"},
		} {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "scope": {"https://graph.microsoft.com/.default"}}
			for k, v := range test.form {
				form[k] = v
			}
			status, answer := c.form("/"+test.tenant+"/oauth2/v2.0/token", form)
			if test.code == "" {
				if status != http.StatusOK || answer["expires_in"] != 3600.0 {
					t.Errorf("%s: %d %v", test.name, status, answer)
					continue
				}
				var claims struct {
					Roles    []string
					Tid, Aud string
				}
				b, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["access_token"].(string), ".")[1])
				if err != nil || json.Unmarshal(b, &claims) != nil || fmt.Sprint(claims.Roles) != "[Chat.Read.All]" || claims.Tid != tenantID {
					t.Errorf("%s: claims %s %v", test.name, b, err)
				}
				continue
			}
			if description, _ := answer["error_description"].(string); status < 400 || status > 401 || !strings.HasPrefix(description, test.code+": ") || !strings.Contains(description, "Trace ID") {
				t.Errorf("%s: %d %v, want %s", test.name, status, answer, test.code)
			}
		}
		if !s.ExpireSecrets(appID) || s.ExpireSecrets("x") {
			t.Error("expiring secrets")
		}
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "scope": {s.APIURL() + "/.default"}, "client_secret": {"first"}}
		if _, answer := c.form("/"+tenantID+"/oauth2/v2.0/token", form); answer["error"] != "invalid_client" || !strings.Contains(answer["error_description"].(string), "AADSTS7000222") {
			t.Errorf("expired secret: %v", answer)
		}
		s.AddSecret(appID, "second")
		c.signIn(appID, tenantID, "second")
		if status, _ := c.call(http.MethodGet, "/v1.0/subscriptions", nil); status != http.StatusOK {
			t.Errorf("with the new secret: %d", status)
		}
		s.RevokeTokens(appID)
		if status, _ := c.call(http.MethodGet, "/v1.0/subscriptions", nil); status != http.StatusUnauthorized {
			t.Errorf("with a revoked token: %d", status)
		}
	})
}

// Without a good token every call is a 401 that says why.
func TestAPIUnauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, apiConfig(&receiver{}))
		defer stop(t, s)
		c := newCaller(t, s)
		good := c.token
		time.Sleep(time.Hour)
		for token, want := range map[string]string{"": "empty", "x": "CompactToken", good + "x": "CompactToken", good: "expired"} {
			c.token = token
			a, err := c.send(http.MethodGet, "/v1.0/subscriptions", nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := problem(a.json(t)); a.status != http.StatusUnauthorized || !strings.HasPrefix(p, "InvalidAuthenticationToken") || !strings.Contains(p, want) || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%d %s", a.status, p)
			}
		}
	})
}

// Over TLS, by the simulator's own CA: the API, the token endpoint, and what
// clients and validators discover by themselves.
func TestAPIOverTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := apiConfig(&receiver{})
	cfg.API.Listener, cfg.API.Hosts = l, []string{"graph.example"}
	s := start(t, cfg)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA()) {
		t.Fatal("the CA is no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	c := &caller{tb: t, base: s.APIURL(), client: &http.Client{Transport: transport}}
	c.signIn(appID, tenantID, graphsim.DefaultSecret)
	id := c.create(wanted("/chats", "created"))
	for path, want := range map[string]string{
		"/" + tenantID + "/v2.0/.well-known/openid-configuration":   `"issuer":"` + s.APIURL() + "/" + tenantID + `/v2.0"`,
		"/common/v2.0/.well-known/openid-configuration":             `"issuer":"` + s.AuthorityURL() + `/{tenantid}/v2.0"`,
		"/common/.well-known/openid-configuration":                  `"issuer":"` + s.STSURL() + `/{tenantid}/"`,
		"/common/discovery/v2.0/keys":                               `"kty":"RSA"`,
		"/common/discovery/keys":                                    `"kty":"RSA"`,
		"/common/discovery/instance?api-version=1.1":                `"tenant_discovery_endpoint":"` + s.APIURL(),
		"/" + otherAppID + "/v2.0/.well-known/openid-configuration": "AADSTS90002",
	} {
		a, err := c.send(http.MethodGet, path, nil)
		if err != nil || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %d %s %v", path, a.status, a.body, err)
		}
	}
	if status, _ := c.call(http.MethodDelete, "/v1.0/subscriptions/"+id, nil); status != http.StatusNoContent {
		t.Errorf("delete: %d", status)
	}
	transport.CloseIdleConnections()
	stop(t, s)
	if _, err := c.send(http.MethodGet, "/v1.0/subscriptions", nil); err == nil {
		t.Error("it serves after Stop")
	}
}

// TLS works in virtual time as well, and a fault that cuts a connection is one
// that the client sees.
func TestAPIOverTLSInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		cfg := apiConfig(&receiver{})
		cfg.API.Listener = l
		cfg.Faults.Every[graphsim.APICutAfter] = 1
		cfg.Faults.AtMost = map[graphsim.Fault]int{graphsim.APICutAfter: 1}
		s := start(t, cfg)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(s.CA())
		transport := &http.Transport{DialContext: l.dial, TLSClientConfig: &tls.Config{RootCAs: pool}}
		c := &caller{tb: t, base: s.APIURL(), client: &http.Client{Transport: transport}}
		c.signIn(appID, tenantID, graphsim.DefaultSecret)
		if got := c.outcome(http.MethodPost, "/v1.0/subscriptions", wanted("/chats", "created")); got != "cut" {
			t.Errorf("create: %s", got)
		}
		if got := c.outcome(http.MethodPost, "/v1.0/subscriptions", wanted("/chats", "created")); got != "409" {
			t.Errorf("again: %s", got)
		}
		transport.CloseIdleConnections()
		stop(t, s)
	})
}
