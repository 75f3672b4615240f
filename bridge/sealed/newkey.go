package sealed

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// keyLifetime is what a new certificate says. Graph does not look at it, nor do
// we (DESIGN §4): it tells people when to think of rotation.
const keyLifetime = 2 * 365 * 24 * time.Hour

// NewKey returns a new RSA private key of that many bits (MinBits to MaxBits) as
// PKCS#8 and its self-signed certificate, valid from now for two years, in the
// form of the file <id>.pem of a key directory. The id is what Graph will send
// back as encryptionCertificateId: 1 to 128 characters that can name a file.
func NewKey(id string, bits int, now time.Time) ([]byte, error) {
	if id == "" || len(id) > 128 || id[0] == '.' || strings.ContainsAny(id, "/\\\x00") {
		return nil, fmt.Errorf("make decryption key: %.130q cannot be its id: 1 to 128 characters, no slash, no dot in front", id)
	}
	if bits < MinBits || bits > MaxBits {
		return nil, fmt.Errorf("make decryption key: %d bits: Microsoft Graph takes %d to %d", bits, MinBits, MaxBits)
	}
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("make decryption key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Meetbridge decryption key"},
		NotBefore:    now.Add(-time.Hour).UTC(),
		NotAfter:     now.Add(keyLifetime).UTC(),
		KeyUsage:     x509.KeyUsageKeyEncipherment,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	var out bytes.Buffer
	for _, block := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: der}, {Type: "CERTIFICATE", Bytes: cert}} {
		if err := pem.Encode(&out, block); err != nil {
			return nil, fmt.Errorf("encode key file: %w", err)
		}
	}
	return out.Bytes(), nil
}
