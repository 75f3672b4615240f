package graph

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// HTTPClient returns a client for Config and CredentialConfig. It trusts the
// system's certificate authorities and those in the PEM file caFile, if that is
// not "". A request may take a minute in all. It goes through the
// proxies of HTTPS_PROXY and NO_PROXY.
func HTTPClient(caFile string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.MaxConnsPerHost = 64
	t.ResponseHeaderTimeout = 50 * time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read extra CA: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the system's CAs: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("read extra CA: " + caFile + " holds no PEM certificate")
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: t, Timeout: requestWithin}, nil
}
