package renewer

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" // Graph's name for a certificate is its SHA-1; it proves nothing
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The sizes of RSA keys that Graph takes, in bits (FACTS §2.3).
const minBits, maxBits = 2048, 4096

// certificateFile is a certificate that was read, or why it could not be.
type certificateFile struct {
	Certificate
	notAfter time.Time
	err      error
}

var certificateID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// certificate reads the public part of the key that ingest opens notifications
// with. Its id is the name of its file without .pem, as "meetbridge keys new"
// makes it, unless the tenant says another.
func (l *loader) certificate(m map[string]*yaml.Node) Certificate {
	n := m[keyDecryptionCertificate]
	if n == nil {
		if id := m[keyDecryptionCertID]; id != nil {
			l.fault(id, "add "+keyDecryptionCertificate+": with the file", "there is a %s, but no certificate", keyDecryptionCertID)
		}
		return Certificate{}
	}
	named, ok := l.text(n, keyDecryptionCertificate)
	if !ok {
		return Certificate{}
	}
	path := relative(l.file, named)
	c := l.certificates[path]
	if c == nil {
		c = readCertificate(path)
		l.certificates[path] = c
	}
	if c.err != nil {
		l.fault(n, `make one with "meetbridge keys new", and name certificates/<id>.pem`, "%s: %v", keyDecryptionCertificate, c.err)
		return Certificate{}
	}
	if l.now.After(c.notAfter) {
		l.warn(n, "nothing needs to be done: Graph and ingest use it still", "the certificate expired on %s", c.notAfter.Format(time.DateOnly))
	}
	found := c.Certificate
	found.ID = strings.TrimSuffix(filepath.Base(path), ".pem")
	at := n
	if id := m[keyDecryptionCertID]; id != nil {
		at = id
		found.ID, _ = l.text(id, keyDecryptionCertID)
	}
	if !certificateID.MatchString(found.ID) {
		l.fault(at, "name it in 1 to 128 letters, digits, dots, dashes and underlines, as ingest's file of the key is named", "%.60q is no certificate id", found.ID)
	}
	return found
}

// readCertificate reads the first certificate in a PEM file.
func readCertificate(path string) *certificateFile {
	fail := func(err error) *certificateFile { return &certificateFile{err: err} }
	text, err := readBounded(path)
	if err != nil {
		return fail(err)
	}
	var block *pem.Block
	for rest := bytes.TrimPrefix(text, []byte("\ufeff")); ; {
		if block, rest = pem.Decode(rest); block == nil {
			return fail(fmt.Errorf("%s holds no PEM block CERTIFICATE", path))
		}
		if block.Type == "CERTIFICATE" {
			break
		}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", path, err))
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fail(errors.New("the certificate is not of an RSA key, and Graph takes no other"))
	}
	if bits := public.N.BitLen(); bits < minBits || bits > maxBits {
		return fail(fmt.Errorf("the RSA key has %d bits, and Graph takes %d to %d", bits, minBits, maxBits))
	}
	return &certificateFile{notAfter: cert.NotAfter, Certificate: Certificate{
		Thumbprint: fmt.Sprintf("%X", sha1.Sum(cert.Raw)),
		DER:        base64.StdEncoding.EncodeToString(cert.Raw),
	}}
}
