package sealed

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" // a certificate's thumbprint is its SHA-1; it only names, and proves nothing
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// The sizes of RSA keys that Graph takes, in bits (FACTS §2.3).
const (
	MinBits = 2048
	MaxBits = 4096
)

// maxKeyDER is more than any private key of MaxBits takes, in bytes. What is larger
// is not parsed: checking a damaged key of 16,384 bits takes seconds.
const maxKeyDER = 4 << 10

const makeAnother = `make another with "meetbridge keys new"`

// key is one private key and the two names under which Graph may ask for it.
type key struct {
	id         string // encryptionCertificateId: the file's name without .pem
	thumbprint string // SHA-1 of the certificate in upper-case hex; "" without one
	notAfter   time.Time
	bits       int
	size       int // bytes of the modulus, and so of every data key wrapped for it
	unwrapper
}

// parseKeyFile reads a PEM file that holds one RSA private key (PKCS#1 or
// PKCS#8) and, if there, its certificate. The error says how to mend the file,
// and repeats nothing of it.
func parseKeyFile(id string, file []byte) (*key, error) {
	var private []*rsa.PrivateKey
	var certs []*x509.Certificate
	blocks := 0
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("the private key is encrypted: store it without a passphrase (openssl pkey -in … -out …)")
		case block.Type == "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("the certificate does not parse (%w): write the file anew, or leave the certificate out", err)
			}
			certs = append(certs, cert)
		case block.Type == "PRIVATE KEY" || block.Type == "RSA PRIVATE KEY" || block.Type == "EC PRIVATE KEY":
			p, err := parsePrivateKey(block)
			if err != nil {
				return nil, err
			}
			private = append(private, p)
		}
	}
	switch {
	case blocks != bytes.Count(file, []byte("-----BEGIN ")):
		return nil, errors.New("the file is cut off inside a PEM block: if it is not being written now, write it anew")
	case len(private) == 0:
		return nil, errors.New("the file holds no private key: it needs a PEM block PRIVATE KEY or RSA PRIVATE KEY")
	case len(private) > 1:
		return nil, errors.New("the file holds several private keys: give each a file of its own, named after its encryptionCertificateId")
	}
	unwrapper, err := newUnwrapper(private[0])
	if err != nil {
		return nil, err
	}
	k := &key{id: id, bits: private[0].N.BitLen(), size: private[0].Size(), unwrapper: unwrapper}
	for _, cert := range certs {
		if private[0].PublicKey.Equal(cert.PublicKey) {
			k.thumbprint = fmt.Sprintf("%X", sha1.Sum(cert.Raw))
			k.notAfter = cert.NotAfter
			return k, nil
		}
	}
	if len(certs) > 0 {
		return nil, errors.New("the certificate is not the private key's: put the right one in, or leave it out")
	}
	return k, nil
}

// parsePrivateKey returns the RSA key in block, if it is of a size that Graph
// takes.
func parsePrivateKey(block *pem.Block) (*rsa.PrivateKey, error) {
	if block.Type == "EC PRIVATE KEY" {
		return nil, errors.New("the private key is an EC key, but Microsoft Graph seals for RSA keys only: " + makeAnother)
	}
	if len(block.Bytes) > maxKeyDER {
		return nil, fmt.Errorf("the private key has %d bytes, more than any of the %d to %d bits that Microsoft Graph takes: %s", len(block.Bytes), MinBits, MaxBits, makeAnother)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if block.Type == "RSA PRIVATE KEY" {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("the private key does not parse as PKCS#1 or PKCS#8: if the file is not being written now, write it anew")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the private key is no RSA key (%T), but Microsoft Graph seals for those only: %s", parsed, makeAnother)
	}
	if bits := private.N.BitLen(); bits < MinBits || bits > MaxBits {
		return nil, fmt.Errorf("the RSA key has %d bits, but Microsoft Graph takes %d to %d: %s", bits, MinBits, MaxBits, makeAnother)
	}
	return private, nil
}
