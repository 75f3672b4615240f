package graph

import (
	"crypto/tls"
	"net/http"
	"time"

	"meetbridge/bridge/process"
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
	pool, err := process.Authorities(caFile)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return &http.Client{Transport: t, Timeout: requestWithin}, nil
}
