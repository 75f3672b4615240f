package graph_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"meetbridge/bridge/graph"
)

const (
	tenantID = "9f044231-b634-4bdd-b29d-2776e3dbd699"
	clientID = "0a5c7b1e-3f60-4d47-9d57-9a2d1c2b7a10"
	subID    = "7f105c7d-2dc5-4530-97cd-4e7ae6534c07"
	otherID  = "516220d0-0f88-46cc-ac39-02b687687526"

	goodSecret  = "kX8~first-secret-of-the-test"
	clientState = "mb1.k1.the-client-state-of-the-test"
)

// far is the far side: Entra's token endpoint and Graph, at one https address.
// What it is asked is noted; what it answers is the test's.
type far struct {
	URL  string
	HTTP *http.Client

	mu      sync.Mutex
	secret  string                    // the client secret that it takes
	life    time.Duration             // of tokens
	delay   time.Duration             // before each token
	token   func(http.ResponseWriter) // answers for the token endpoint, if set
	graph   http.HandlerFunc          // answers for Graph once the token is found good
	made    int                       // tokens made
	revoked map[string]bool           // tokens that Graph refuses
	forms   []url.Values              // what the token endpoint was sent
	asked   []asked                   // what Graph was asked
}

type asked struct {
	method, path, body string
	header             http.Header
}

// newFar starts a far side on a network in memory, so that it runs in virtual
// time inside a bubble as well as outside.
func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{secret: goodSecret, life: time.Hour, revoked: map[string]bool{}}
	f.graph = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	pipe := newPipeListener()
	srv := httptest.NewUnstartedServer(f)
	_ = srv.Listener.Close() // httptest's own, which is a real one
	srv.Listener = pipe
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	f.URL, f.HTTP = srv.URL, srv.Client()
	tr := f.HTTP.Transport.(*http.Transport)
	tr.DialContext = pipe.dial
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close()
	})
	return f
}

func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/v2.0/.well-known/openid-configuration"):
		tenant := strings.Split(r.URL.Path, "/")[1]
		answer(w, http.StatusOK, fmt.Sprintf(`{"issuer":"%[1]s/%[2]s/v2.0","authorization_endpoint":"%[1]s/%[2]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/%[2]s/oauth2/v2.0/token"}`, f.URL, tenant))
	case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		f.serveToken(w, string(body))
	default:
		f.mu.Lock()
		f.asked = append(f.asked, asked{r.Method, r.URL.Path, string(body), r.Header.Clone()})
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		refused := !ok || f.revoked[token]
		handle := f.graph
		f.mu.Unlock()
		if refused {
			answer(w, http.StatusUnauthorized, `{"error":{"code":"InvalidAuthenticationToken","message":"Access token has been revoked."}}`)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		handle(w, r)
	}
}

func (f *far) serveToken(w http.ResponseWriter, body string) {
	form, _ := url.ParseQuery(body)
	f.mu.Lock()
	f.forms = append(f.forms, form)
	delay, override, secret := f.delay, f.token, f.secret
	f.mu.Unlock()
	time.Sleep(delay)
	if override != nil {
		override(w)
		return
	}
	if s := form.Get("client_secret"); s != "" && s != secret {
		refuse(w, "invalid_client", 7000215, "Invalid client secret provided.")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	answer(w, http.StatusOK, fmt.Sprintf(`{"token_type":"Bearer","expires_in":%d,"ext_expires_in":%[1]d,"access_token":%q}`, int(f.life.Seconds()), f.jwt(f.made)))
}

// jwt returns the n-th token.
func (f *far) jwt(n int) string {
	payload, _ := json.Marshal(map[string]any{
		"appid": clientID, "tid": tenantID, "roles": []string{"Chat.Read.All", "CallRecords.Read.All"},
		"exp": time.Now().Add(f.life).Unix(), "uti": fmt.Sprint("token-", n),
	})
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
}

// refuse answers as Entra does.
func refuse(w http.ResponseWriter, word string, code int, text string) {
	answer(w, http.StatusUnauthorized, fmt.Sprintf(`{"error":%q,"error_description":"AADSTS%d: %s Trace ID: 255d1aef-8c98-452f-ac51-23d051240864 Timestamp: 2026-01-09 02:02:12Z","error_codes":[%[2]d],"trace_id":"255d1aef-8c98-452f-ac51-23d051240864","correlation_id":"fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7"}`, word, code, text))
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("request-id", "93b6f17e-c05d-4f45-ad2a-6665c708d8a0")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// set changes the far side between requests.
func (f *far) set(change func(*far)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// revokeAll makes Graph refuse every token made so far; it says how many.
func (f *far) revokeAll() {
	f.set(func(f *far) {
		for _, a := range f.asked {
			f.revoked[strings.TrimPrefix(a.header.Get("Authorization"), "Bearer ")] = true
		}
	})
}

func (f *far) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func (f *far) tokens() (made, askedFor int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made, len(f.forms)
}

// credential returns one that logs in with the secret in a file of the test's.
func (f *far) credential(t *testing.T) (azcore.TokenCredential, string) {
	t.Helper()
	file := writeFile(t, "secret", goodSecret+"\n")
	return f.credentialOf(t, graph.CredentialConfig{SecretFile: file}), file
}

func (f *far) credentialOf(t *testing.T, c graph.CredentialConfig) azcore.TokenCredential {
	t.Helper()
	c.TenantID, c.ClientID, c.AuthorityHost, c.HTTP = tenantID, clientID, f.URL, f.HTTP
	cred, err := graph.NewCredential(c)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

// client returns one whose Graph is the far side.
func (f *far) client(t *testing.T, change ...func(*graph.Config)) *graph.Client {
	t.Helper()
	cred, _ := f.credential(t)
	c := graph.Config{BaseURL: f.URL, HTTP: f.HTTP, Credential: cred}
	for _, ch := range change {
		ch(&c)
	}
	client, err := graph.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	rewrite(t, path, content)
	return path
}

func rewrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pipeListener hands out the far ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, away := net.Pipe()
	select {
	case l.conns <- away:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is one that httptest's certificate is good for.
func (*pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "tcp" }
func (pipeAddr) String() string  { return "127.0.0.1:443" }
