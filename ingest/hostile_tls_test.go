//go:build synctests

package ingest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/ingest"
)

// selfSigned returns a certificate for host and its private key, as PEM.
func selfSigned(t *testing.T, host string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// A new certificate is served within seconds of its files' change, without a
// restart; while the files do not fit, the last good pair stays.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	first := writePair(t, dir, "bridge")
	other, _ := selfSigned(t, "bridge")
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), func(c *ingest.Config) {
			basicOnly(c)
			c.TLSCert, c.TLSKey = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		})
		n := 0
		post := func(pool *x509.CertPool) error {
			n++
			transport := &http.Transport{DialTLSContext: nil, DialContext: e.Net.Dial, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "bridge"}, DisableKeepAlives: true}
			resp, err := (&http.Client{Transport: transport}).Post("https://bridge:8080/graph/notifications", js, strings.NewReader(post(item("tls", n).String())))
			if err != nil {
				return err
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				return net.ErrClosed
			}
			return nil
		}
		if err := post(first); err != nil {
			t.Fatalf("at first: %v", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tls.crt"), other, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := post(first); err != nil {
			t.Errorf("while the certificate is not the key's: %v", err)
		}
		second := writePair(t, dir, "bridge")
		time.Sleep(5 * time.Second)
		if err := post(second); err != nil {
			t.Errorf("with the new pair: %v", err)
		}
		if err := post(first); err == nil {
			t.Error("the old certificate is still served")
		}
		// Connections without a buffer, at both ends of which TLS says at the same time
		// that it closes: each gives up after 5 s, and only then can ingest end.
		time.Sleep(6 * time.Second)
	})
}
