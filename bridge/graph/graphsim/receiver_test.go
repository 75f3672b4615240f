package graphsim_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

const notificationURL = "https://bridge.example/graph/notifications"

// delivery is one POST as the receiver got it.
type delivery struct {
	at   time.Time
	url  string
	body []byte
}

// response is what the receiver answers.
type response struct {
	status     int           // 0: 202
	after      time.Duration // thinking time
	retryAfter string
	err        error // instead of an answer
}

// receiver is a small bridge: an endpoint that remembers what it acknowledged
// and answers what the test says. It is an http.RoundTripper, so that virtual
// time needs no network.
type receiver struct {
	answer func(n int, req *http.Request) response // n counts POSTs from 0; nil: 202 at once

	mu    sync.Mutex
	posts []delivery // all, in order of arrival
	acked []delivery
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	d := delivery{time.Now(), req.URL.String(), body}
	r.mu.Lock()
	n := len(r.posts)
	r.posts = append(r.posts, d)
	r.mu.Unlock()
	var a response
	if r.answer != nil {
		a = r.answer(n, req)
	}
	if a.after > 0 {
		select {
		case <-time.After(a.after):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	if a.status == 0 {
		a.status = http.StatusAccepted
	}
	if a.status/100 == 2 {
		r.mu.Lock()
		r.acked = append(r.acked, d)
		r.mu.Unlock()
	}
	h := http.Header{}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(bytes.NewReader(nil)), Request: req}, nil
}

func (r *receiver) client() *http.Client { return &http.Client{Transport: r} }

func (r *receiver) received() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.posts...)
}

func (r *receiver) acknowledged() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.acked...)
}

// collection is a POST's body, read by encoding/json.
type collection struct {
	Value            []json.RawMessage
	ValidationTokens []string
}

// notification is an item, read by encoding/json, which folds member names.
type notification struct {
	ID, SubscriptionID, ChangeType, ClientState, Resource, TenantID, OrganizationID, LifecycleEvent string
	SubscriptionExpirationDateTime                                                                  string
	ResourceData                                                                                    map[string]string
	EncryptedContent                                                                                *encrypted
}

type encrypted struct {
	Data, DataKey, DataSignature                             string
	EncryptionCertificateID, EncryptionCertificateThumbprint string
}

func (d delivery) collection(tb testing.TB) collection {
	tb.Helper()
	var c collection
	if err := json.Unmarshal(d.body, &c); err != nil {
		tb.Fatalf("POST is no collection: %v\n%.300s", err, d.body)
	}
	return c
}

// items returns the well-formed items of the POSTs.
func items(tb testing.TB, posts []delivery) []notification {
	tb.Helper()
	var out []notification
	for _, d := range posts {
		for _, raw := range d.collection(tb).Value {
			var n notification
			if err := json.Unmarshal(raw, &n); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// decryptionKey is a key pair of the bridge, made by the test.
type decryptionKey struct {
	id      string
	private *rsa.PrivateKey
	cert    *x509.Certificate
}

// newKey returns a key; the tests share one (it is never changed), since making
// it is what takes their time.
var newKey = sync.OnceValue(func() decryptionKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bridge"}, NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return decryptionKey{"bridge-key-1", private, cert}
})

func (k decryptionKey) certificate() graphsim.Certificate {
	return graphsim.Certificate{ID: k.id, Certificate: k.cert}
}

// signingKeys returns two keys for every simulator of the tests, for the same
// reason.
var signingKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	var out []*rsa.PrivateKey
	for range 2 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out = append(out, k)
	}
	return out
})

// config returns a rich, fast configuration that delivers to r.
func config(r *receiver) graphsim.Config {
	return graphsim.Config{
		Seed: 7, NotificationURL: notificationURL, Client: r.client(),
		AppIDs:       []string{"8e460676-ae3f-4b1e-8790-ee0fb5d6148f", "925bff9f-f6e2-4a69-b858-f71ea2b9b6d0"},
		Certificates: []graphsim.Certificate{newKey().certificate()},
		SigningKeys:  signingKeys(),
		ClientState:  func(tenantID string) string { return "state-of-" + tenantID },
	}
}

// play makes a simulator of cfg, runs it to limit and stops it. Run must end
// well.
func play(tb testing.TB, cfg graphsim.Config, limit graphsim.Limit) *graphsim.Sim {
	tb.Helper()
	s := start(tb, cfg)
	defer stop(tb, s)
	if err := s.Run(context.Background(), limit); err != nil {
		tb.Fatalf("Run: %v", err)
	}
	return s
}

func start(tb testing.TB, cfg graphsim.Config) *graphsim.Sim {
	tb.Helper()
	s, err := graphsim.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

func stop(tb testing.TB, s *graphsim.Sim) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		tb.Errorf("Stop: %v", err)
	}
}

// queryOf returns the decoded query parameter of a URL.
func queryOf(tb testing.TB, rawURL, name string) string {
	tb.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Query().Get(name)
}
