package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"meetbridge/bridge/kafka"
)

// Ensure that brokers are believed by --kafka-ca only, and that we show our
// certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca, cert, key := newAuthority(t, t.TempDir())
	otherCA, otherCert, otherKey := newAuthority(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	clientCAs := x509.NewCertPool()
	clientCAs.AppendCertsFromPEM(readFile(t, ca))
	cluster := startCluster(t, kfake.SeedTopics(1, "t"), kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clientCAs,
		MinVersion:   tls.VersionTLS12,
	}))
	for _, tt := range []struct {
		name   string
		config kafka.Config
		want   string // a part of the error; "" for none
	}{
		{"ours", kafka.Config{TLS: true, CA: ca, Cert: cert, Key: key}, ""},
		{"brokers signed by another", kafka.Config{TLS: true, CA: otherCA, Cert: cert, Key: key}, "is of no authority in --kafka-ca ("},
		{"brokers signed by the system's", kafka.Config{TLS: true, Cert: cert, Key: key}, "name theirs by --kafka-ca ("},
		{"certificate signed by another", kafka.Config{TLS: true, CA: ca, Cert: otherCert, Key: otherKey}, "do not take our certificate: check --kafka-cert and --kafka-key ("},
		{"no certificate", kafka.Config{TLS: true, CA: ca}, "give --kafka-cert and --kafka-key ("},
		{"no TLS", kafka.Config{}, "give --kafka-tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.Brokers = cluster.ListenAddrs()
			adm, err := kafka.NewAdmin(tt.config, discard())
			if err != nil {
				t.Fatal(err)
			}
			defer adm.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err = adm.ListTopics(ctx)
			err = tt.config.Explain(err)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("list topics: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("list topics: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// newAuthority makes a certificate authority and one certificate by it, for
// brokers and clients on loopback, and returns their files.
func newAuthority(t *testing.T, dir string) (ca, cert, key string) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	must(err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	must(err)
	write := func(name, kind string, der []byte) string {
		return writeFile(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return write("ca.pem", "CERTIFICATE", caDER), write("cert.pem", "CERTIFICATE", leafDER), write("key.pem", "PRIVATE KEY", keyDER)
}
