package graphsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// ca is the simulator's own certification authority, and the certificate that it
// signed.
type ca struct {
	pem    []byte // its certificate alone
	server tls.Certificate
}

// validity is how long certificates are good, from an hour ago.
func validity(now time.Time) (from, until time.Time) {
	return now.Add(-time.Hour), now.AddDate(10, 0, 0)
}

// NewCA makes a certification authority for API.CA: certificate and private key,
// as PEM. It is good from an hour ago for ten years.
func NewCA(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority's key: %w", err)
	}
	from, until := validity(now)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "graphsim CA"},
		NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make authority's certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write authority's key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// newCA takes an authority of NewCA, or makes one if it is nil, and signs the
// certificate of a server with these names.
func newCA(authority []byte, dns []string, ips []net.IP, now time.Time) (*ca, error) {
	if authority == nil {
		var err error
		if authority, err = NewCA(now); err != nil {
			return nil, err
		}
	}
	pair, err := tls.X509KeyPair(authority, authority)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make server's key: %w", err)
	}
	from, until := validity(now)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: "graphsim"},
		NotBefore: from, NotAfter: until, DNSNames: dns, IPAddresses: ips,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, pair.Leaf, &key.PublicKey, pair.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("make server's certificate: %w", err)
	}
	return &ca{
		pem:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		server: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}, nil
}
