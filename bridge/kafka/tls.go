package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsConfig returns the TLS settings, nil for a plain connection.
func (c Config) tlsConfig() (*tls.Config, error) {
	if !c.TLS {
		for _, f := range []struct{ flag, value string }{
			{"--kafka-ca", c.CA}, {"--kafka-cert", c.Cert}, {"--kafka-key", c.Key},
		} {
			if f.value != "" {
				return nil, fmt.Errorf("%s is given without --kafka-tls: give both or neither", f.flag)
			}
		}
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("--kafka-ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--kafka-ca: %s holds no PEM certificate", c.CA)
		}
	}
	switch {
	case c.Cert == "" && c.Key == "":
		return t, nil
	case c.Cert == "":
		return nil, fmt.Errorf("--kafka-key is given without --kafka-cert: give both or neither")
	case c.Key == "":
		return nil, fmt.Errorf("--kafka-cert is given without --kafka-key: give both or neither")
	}
	load := func() (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("--kafka-cert, --kafka-key: %w", err)
		}
		return &cert, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return t, nil
}
