package graph

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// maxSecretFile bounds, in bytes, the files of secrets, certificates and tokens.
const maxSecretFile = 64 << 10

// identityKind is how an application proves who it is.
type identityKind uint8

const (
	bySecret identityKind = iota
	byCertificate
	byToken
)

// identity is where the proof lies.
type identity struct {
	kind identityKind
	file string
}

// digest tells versions of a file apart without keeping them.
type digest [sha256.Size]byte

// secret is the content of a file. It lives as long as one request for a token.
type secret struct {
	text         string // client secret or platform token
	certificates []*x509.Certificate
	key          crypto.PrivateKey
	ends         time.Time // of the certificate; else zero
}

func newIdentity(c CredentialConfig) (identity, error) {
	var given []identity
	for _, id := range []identity{{bySecret, c.SecretFile}, {byCertificate, c.CertificateFile}, {byToken, c.TokenFile}} {
		if id.file != "" {
			given = append(given, id)
		}
	}
	if len(given) != 1 {
		return identity{}, fmt.Errorf("a credential needs one of secret file, certificate file and token file, and has %d", len(given))
	}
	return given[0], nil
}

// read returns what the file holds now. No error repeats any of it.
func (id identity) read() (secret, digest, error) {
	f, err := os.Open(id.file)
	if err != nil {
		return secret{}, digest{}, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return secret{}, digest{}, err
	case len(content) > maxSecretFile:
		return secret{}, digest{}, fmt.Errorf("it is larger than %d bytes", maxSecretFile)
	}
	content = bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\ufeff")))
	sum := digest(sha256.Sum256(content))
	if len(content) == 0 {
		return secret{}, sum, errors.New("it is empty")
	}
	if id.kind == byCertificate {
		s, err := parseCertificate(content)
		return s, sum, err
	}
	if bytes.ContainsFunc(content, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return secret{}, sum, errors.New("it holds more than one line, or characters that are no text")
	}
	return secret{text: string(content)}, sum, nil
}

// parseCertificate reads a PEM file with a certificate and its private key.
func parseCertificate(content []byte) (secret, error) {
	text := string(content)
	switch {
	case !strings.Contains(text, "-----BEGIN "):
		return secret{}, errors.New("it is no PEM file")
	case strings.Contains(text, "ENCRYPTED"):
		return secret{}, errors.New("its private key is encrypted: store it without a passphrase")
	case strings.Contains(text, "-----BEGIN EC PRIVATE KEY"):
		return secret{}, errors.New("its private key is an EC key, and Entra takes RSA keys only here")
	}
	// The cause is left out of errors: parsers like to repeat what they read.
	certificates, key, err := azidentity.ParseCertificates(content, nil)
	if err != nil {
		return secret{}, errors.New("it does not hold a certificate and one private key, whole and in PEM")
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return secret{}, errors.New("its private key is no RSA key")
	}
	for _, c := range certificates {
		if private.PublicKey.Equal(c.PublicKey) {
			return secret{certificates: certificates, key: key, ends: c.NotAfter}, nil
		}
	}
	return secret{}, errors.New("its private key belongs to none of its certificates")
}
