//go:build synctests

package ingest_test

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// authority is an Entra ID in memory.
type authority struct {
	signer *rsa.PrivateKey

	mu      sync.Mutex
	kid     string                                                 // "" for kid-a
	fault   func(*http.Request) (status int, body string, ok bool) // nil: none
	fetches int
	slow    time.Duration
}

func (a *authority) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *authority) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fetches
}

// RoundTrip answers for both openid configurations and their key sets.
func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.fetches++
	fault, slow, kid := a.fault, a.slow, "kid-a"
	if a.kid != "" {
		kid = a.kid
	}
	a.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r}
	answer := func(body string) (*http.Response, error) {
		resp.Body = io.NopCloser(strings.NewReader(body))
		return resp, nil
	}
	if fault != nil {
		if status, body, ok := fault(r); ok && status == 0 {
			return nil, errors.New("connection refused")
		} else if ok {
			resp.StatusCode = status
			resp.Header.Set("Location", "https://evil.example/keys")
			return answer(body)
		}
	}
	if strings.HasSuffix(r.URL.Path, "openid-configuration") {
		return answer(object{"jwks_uri": r.URL.Scheme + "://" + r.URL.Host + "/keys"}.String())
	}
	encode := base64.RawURLEncoding.EncodeToString
	return answer(object{"keys": []object{{
		"kty": "RSA", "use": "sig", "kid": kid, "n": encode(a.signer.N.Bytes()), "e": encode(big.NewInt(int64(a.signer.E)).Bytes()),
	}}}.String())
}
