package graphsim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // Graph's choice: OAEP with SHA-1, and thumbprints (FACTS §2.2)
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// sealedContent is the encryptedContent of a rich notification (FACTS §2.2).
type sealedContent struct {
	Data                  string `json:"data"`
	DataKey               string `json:"dataKey,omitzero"`
	DataSignature         string `json:"dataSignature,omitzero"`
	CertificateID         string `json:"encryptionCertificateId"`
	CertificateThumbprint string `json:"encryptionCertificateThumbprint"`
}

// sealer seals for one certificate.
type sealer struct {
	id, thumbprint string
	key            *rsa.PublicKey
}

// newSealer returns the sealer for c, which validate has let pass.
func newSealer(c Certificate) *sealer {
	sum := sha1.Sum(c.Certificate.Raw) // the thumbprint's definition
	return &sealer{
		id:         c.ID,
		thumbprint: strings.ToUpper(hex.EncodeToString(sum[:])),
		key:        c.Certificate.PublicKey.(*rsa.PublicKey),
	}
}

// seal returns plain sealed under a fresh key.
func (s *sealer) seal(plain []byte) (*sealedContent, error) {
	return s.sealBlocks(pkcs7(plain))
}

// sealBlocks seals what is already padded: AES-256-CBC whose IV is the first
// half of the key, HMAC-SHA256 with the same key over the result, and the key
// itself by RSA-OAEP with SHA-1. blocks is overwritten.
func (s *sealer) sealBlocks(blocks []byte) (*sealedContent, error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("seal payload: %w", err)
	}
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(blocks, blocks)
	dataKey, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, s.key, key[:], nil) // Graph's choice
	if err != nil {
		return nil, fmt.Errorf("seal data key for certificate %q: %w", s.id, err)
	}
	return &sealedContent{
		Data:                  base64.StdEncoding.EncodeToString(blocks),
		DataKey:               base64.StdEncoding.EncodeToString(dataKey),
		DataSignature:         base64.StdEncoding.EncodeToString(mac(key[:], blocks)),
		CertificateID:         s.id,
		CertificateThumbprint: s.thumbprint,
	}, nil
}

// pkcs7 returns a padded copy of plain.
func pkcs7(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	return append(append(make([]byte, 0, len(plain)+n), plain...), bytes.Repeat([]byte{byte(n)}, n)...)
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
