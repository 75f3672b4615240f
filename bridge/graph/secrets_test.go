package graph_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph"
)

// A secret's file is read for each token, so a new one counts at once; one that
// was wrong a moment ago is no reason to wait.
func TestSecretIsRotated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		cred, file := f.credential(t)
		if _, err := getToken(t, cred); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		f.set(func(f *far) { f.secret = "the-next-secret" })
		_, err := getToken(t, cred)
		var e *graph.CredentialError
		if !errors.As(err, &e) || e.Reason != graph.ReasonSecretWrong || e.File != file || e.Code != "AADSTS7000215" {
			t.Fatalf("error %v", err)
		}
		rewrite(t, file, "\ufeffthe-next-secret\r\n")
		if _, err := getToken(t, cred); err != nil {
			t.Errorf("after the file was mended: %v", err)
		}
		// Written between reading and the authority's answer: read again at once.
		time.Sleep(2 * time.Hour)
		f.set(func(f *far) {
			f.secret = "the-third-secret"
			f.delay = 2 * time.Second
		})
		go func() {
			time.Sleep(time.Second)
			_ = os.WriteFile(file, []byte("the-third-secret"), 0o600)
		}()
		if _, err := getToken(t, cred); err != nil {
			t.Errorf("with the file written meanwhile: %v", err)
		}
	})
}

// What Entra refuses names the file and the fix, and nothing of the secret or
// of Entra's words (I4).
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer func(http.ResponseWriter)
		reason graph.Reason
		says   string
	}{
		"expired": {func(w http.ResponseWriter) {
			refuse(w, "invalid_client", 7000222, "The provided client secret keys for app '"+goodSecret+"' are expired.")
		}, graph.ReasonSecretExpired, "has expired (AADSTS7000222, trace id 255d1aef-8c98-452f-ac51-23d051240864): add a client secret"},
		"by OAuth's word": {func(w http.ResponseWriter) { answer(w, 401, `{"error":"invalid_client"}`) }, graph.ReasonSecretWrong, "(invalid_client)"},
		"unknown app":     {func(w http.ResponseWriter) { refuse(w, "unauthorized_client", 700016, "x") }, graph.ReasonApplication, "check the client id"},
		"no consent":      {func(w http.ResponseWriter) { refuse(w, "unauthorized_client", 1, "x") }, graph.ReasonApplication, "administrator"},
		"unknown tenant":  {func(w http.ResponseWriter) { refuse(w, "invalid_request", 90002, "x") }, graph.ReasonTenant, "check the tenant id"},
		"anything else":   {func(w http.ResponseWriter) { refuse(w, "invalid_scope", 70011, "x") }, graph.ReasonRefused, "error?code=70011"},
		"a proxy":         {func(w http.ResponseWriter) { answer(w, 403, "<html>"+goodSecret) }, graph.ReasonRefused, "refused with 403"},
		"no token":        {func(w http.ResponseWriter) { answer(w, 200, `{"access_token":`) }, graph.ReasonUnreadable, "no token"},
		"token cut off":   {func(w http.ResponseWriter) { answer(w, 200, `{"access_token":"eyJ-half-of-a-tok`) }, graph.ReasonUnreadable, "no token"},
		"huge":            {func(w http.ResponseWriter) { answer(w, 200, strings.Repeat("x", 2<<20)) }, graph.ReasonUnavailable, "too large"},
		"broken off":      {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, graph.ReasonUnavailable, "cannot be reached"},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://127.0.0.1:443/v1.0/leak")
			answer(w, 307, "")
		}, graph.ReasonUnreadable, "307"},
		"odd words": {func(w http.ResponseWriter) {
			answer(w, 400, `{"error":"`+goodSecret+`","error_description":"AADSTS`+goodSecret+`","trace_id":"`+goodSecret+`"}`)
		}, graph.ReasonRefused, "refused with 400"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			f.token = tt.answer
			cred, file := f.credential(t)
			client := f.client(t, func(c *graph.Config) { c.Credential = cred })
			err := client.Delete(t.Context(), graph.V1, subID)
			var e *graph.CredentialError
			if !errors.As(err, &e) || e.Reason != tt.reason || e.File != file || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v\nwant reason %s and %q", err, tt.reason, tt.says)
			}
			if tt.reason == graph.ReasonSecretExpired && !strings.Contains(err.Error(), file) {
				t.Errorf("error %v does not name the file", err)
			}
			if strings.Contains(err.Error(), goodSecret) || strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q tells a secret", err)
			}
			if n := len(f.requests()); n != 0 {
				t.Errorf("graph was asked %d times without a token", n)
			}
		})
	}
}

// Files that hold nothing to log in with say so, are not sent, and may be mended.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	certPEM, keyPEM := newCertificate(t, 0, time.Hour)
	_, otherKey := newCertificate(t, 1, time.Hour)
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		kind    string
		content string
		says    string
	}{
		"missing":          {"secret", "", "no such file"},
		"empty":            {"secret", " \r\n", "empty"},
		"two lines":        {"secret", "a\nb", "more than one line"},
		"binary":           {"token", "a\x00b", "no text"},
		"huge":             {"secret", strings.Repeat("x", 65<<10), "larger than"},
		"no PEM":           {"certificate", "hello", "no PEM file"},
		"no key":           {"certificate", certPEM, "one private key"},
		"no certificate":   {"certificate", keyPEM, "one private key"},
		"another's key":    {"certificate", certPEM + otherKey, "none of its certificates"},
		"two keys":         {"certificate", certPEM + keyPEM + otherKey, "one private key"},
		"encrypted":        {"certificate", strings.ReplaceAll(certPEM+keyPEM, "PRIVATE", "ENCRYPTED PRIVATE"), "passphrase"},
		"EC key":           {"certificate", strings.ReplaceAll(certPEM+keyPEM, "RSA PRIVATE", "EC PRIVATE"), "RSA"},
		"broken in middle": {"certificate", certPEM + keyPEM[:200], "one private key"},
	} {
		path := filepath.Join(dir, name)
		if tt.content != "" {
			rewrite(t, path, tt.content)
		}
		var c graph.CredentialConfig
		switch tt.kind {
		case "secret":
			c.SecretFile = path
		case "certificate":
			c.CertificateFile = path
		case "token":
			c.TokenFile = path
		}
		_, err := getToken(t, f.credentialOf(t, c))
		var e *graph.CredentialError
		if !errors.As(err, &e) || e.Reason != graph.ReasonFile || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, asked := f.tokens(); asked != 0 {
		t.Errorf("the authority was asked %d times", asked)
	}
}

// A certificate signs an assertion for the token endpoint; a new one counts for
// the next token.
func TestCertificate(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	first, firstKey := newCertificate(t, 0, time.Hour)
	file := writeFile(t, "app.pem", firstKey+first)
	cred := f.credentialOf(t, graph.CredentialConfig{CertificateFile: file})
	client := f.client(t, func(c *graph.Config) { c.Credential = cred })
	use := func(want string) {
		t.Helper()
		if err := client.Delete(t.Context(), graph.V1, subID); err != nil {
			t.Fatal(err)
		}
		form := f.forms[len(f.forms)-1]
		assertion := form.Get("client_assertion")
		if got := thumbprintOf(t, assertion); got != want || form.Get("client_secret") != "" || !strings.Contains(form.Get("scope"), "https://127.0.0.1:443/.default") {
			t.Errorf("assertion by %s, want %s; scope %q", got, want, form.Get("scope"))
		}
	}
	use(thumbprint(t, first))
	second, secondKey := newCertificate(t, 1, -time.Hour)
	rewrite(t, file, second+secondKey)
	client.Invalidate()
	use(thumbprint(t, second))
	// Entra refuses it; the file says why.
	f.set(func(f *far) {
		f.token = func(w http.ResponseWriter) {
			refuse(w, "invalid_client", 700027, "Client assertion contains an invalid signature.")
		}
	})
	client.Invalidate()
	var e *graph.CredentialError
	if err := client.Delete(t.Context(), graph.V1, subID); !errors.As(err, &e) || e.Reason != graph.ReasonCertificateExpired || !strings.Contains(err.Error(), "add the certificate") {
		t.Errorf("error %v", err)
	}
}

// Workload identity sends the platform's token as it is in the file.
func TestWorkloadIdentity(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	file := writeFile(t, "token", "eyJ-platform-1\n")
	cred := f.credentialOf(t, graph.CredentialConfig{TokenFile: file})
	client := f.client(t, func(c *graph.Config) { c.Credential = cred })
	for _, want := range []string{"eyJ-platform-1", "eyJ-platform-2"} {
		rewrite(t, file, want+"\n")
		client.Invalidate()
		if err := client.Delete(t.Context(), graph.V1, subID); err != nil {
			t.Fatal(err)
		}
		if got := f.forms[len(f.forms)-1].Get("client_assertion"); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	f.set(func(f *far) {
		f.token = func(w http.ResponseWriter) { refuse(w, "invalid_client", 700024, "x") }
	})
	client.Invalidate()
	err := client.Delete(t.Context(), graph.V1, subID)
	var e *graph.CredentialError
	if !errors.As(err, &e) || e.Reason != graph.ReasonClock || strings.Contains(err.Error(), "eyJ") || !strings.Contains(err.Error(), "platform") {
		t.Errorf("error %v", err)
	}
}

func TestNewCredentialRefuses(t *testing.T) {
	t.Parallel()
	ok := graph.CredentialConfig{TenantID: tenantID, ClientID: clientID, SecretFile: "s"}
	for name, change := range map[string]func(*graph.CredentialConfig){
		"no file":         func(c *graph.CredentialConfig) { c.SecretFile = "" },
		"two files":       func(c *graph.CredentialConfig) { c.TokenFile = "t" },
		"no tenant":       func(c *graph.CredentialConfig) { c.TenantID = "" },
		"any tenant":      func(c *graph.CredentialConfig) { c.TenantID = "common" },
		"a path":          func(c *graph.CredentialConfig) { c.TenantID = "../x" },
		"no client":       func(c *graph.CredentialConfig) { c.ClientID = "" },
		"a secret":        func(c *graph.CredentialConfig) { c.ClientID = goodSecret },
		"plain http":      func(c *graph.CredentialConfig) { c.AuthorityHost = "http://localhost" },
		"authority+path":  func(c *graph.CredentialConfig) { c.AuthorityHost = "https://localhost/x" },
		"authority+query": func(c *graph.CredentialConfig) { c.AuthorityHost = "https://localhost?x" },
	} {
		c := ok
		change(&c)
		if _, err := graph.NewCredential(c); err == nil || strings.Contains(err.Error(), goodSecret) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, cloud := range graph.Clouds() {
		c := ok
		c.AuthorityHost = cloud.Authority
		if _, err := graph.NewCredential(c); err != nil {
			t.Errorf("%s: %v", cloud.Name, err)
		}
	}
}

// testKeys are two RSA keys, which take long to make.
var testKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, 2048) // fails never, by its documentation
	}
	return keys
})

// newCertificate makes a certificate for the n-th test key, which ends in valid,
// and returns both in PEM.
func newCertificate(t *testing.T, n int, valid time.Duration) (cert, key string) {
	t.Helper()
	private := testKeys()[n]
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(valid)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
}

func thumbprint(t *testing.T, cert string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(cert))
	sum := sha256.Sum256(block.Bytes)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// thumbprintOf returns which certificate an assertion says that it is signed by.
func thumbprintOf(t *testing.T, assertion string) string {
	t.Helper()
	header, _, _ := strings.Cut(assertion, ".")
	raw, err := io.ReadAll(base64.NewDecoder(base64.RawURLEncoding, strings.NewReader(header)))
	var h map[string]string
	if err != nil || json.Unmarshal(raw, &h) != nil {
		t.Fatalf("assertion %q", assertion)
	}
	return h["x5t#S256"]
}
