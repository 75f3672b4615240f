package sealed_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"hash"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"meetbridge/bridge"
	"meetbridge/bridge/sealed"
)

// twoPEMs are key files with expired certificates, for tests that need no fresh
// ones: making them takes a while.
func twoPEMs(tb testing.TB) (one, other []byte) {
	tb.Helper()
	return readKey(tb, "one.pem"), readKey(tb, "other.pem")
}

func readKey(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "keys", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// readPrivate returns the private key in a key file.
func readPrivate(tb testing.TB, name string) *rsa.PrivateKey {
	tb.Helper()
	block, _ := pem.Decode(readKey(tb, name))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		tb.Fatalf("%s holds a %T", name, parsed)
	}
	return key
}

// blocks returns the parsed private key and certificate of a key file.
func blocks(tb testing.TB, file []byte) (*rsa.PrivateKey, *x509.Certificate) {
	tb.Helper()
	first, rest := pem.Decode(file)
	second, _ := pem.Decode(rest)
	private, err := x509.ParsePKCS8PrivateKey(first.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(second.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		tb.Fatalf("key is %T", private)
	}
	return key, cert
}

// write puts files into a fresh directory.
func write(tb testing.TB, files map[string][]byte) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, content := range files {
		put(tb, dir, name, content)
	}
	return dir
}

func put(tb testing.TB, dir, name string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// load returns the ring of files, none of which may be skipped.
func load(tb testing.TB, files map[string][]byte) *sealed.Ring {
	tb.Helper()
	ring, skipped, err := sealed.LoadRing(write(tb, files))
	if err != nil || len(skipped) > 0 {
		tb.Fatal(err, skipped)
	}
	return ring
}

// sealing makes sealed content by itself, step by step (FACTS §2.2), so that a
// test can spoil each one.
type sealing struct {
	public    *rsa.PublicKey
	oaep      hash.Hash // nil: SHA-1
	symmetric []byte    // nil: 32 random bytes
	padded    []byte    // what AES gets; nil: plain with PKCS#7
	data      []byte    // what the MAC covers; nil: the encrypted padded
}

// seal returns plain sealed for the certificate id.
func (s sealing) seal(tb testing.TB, id string, plain []byte) bridge.EncryptedContent {
	tb.Helper()
	if s.oaep == nil {
		s.oaep = sha1.New()
	}
	if s.symmetric == nil {
		s.symmetric = make([]byte, 32)
		_, _ = rand.Read(s.symmetric)
	}
	if s.padded == nil {
		n := aes.BlockSize - len(plain)%aes.BlockSize
		s.padded = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	}
	if s.data == nil {
		block, err := aes.NewCipher(s.symmetric)
		if err != nil {
			tb.Fatal(err)
		}
		s.data = make([]byte, len(s.padded))
		cipher.NewCBCEncrypter(block, s.symmetric[:aes.BlockSize]).CryptBlocks(s.data, s.padded)
	}
	wrapped, err := rsa.EncryptOAEP(s.oaep, rand.Reader, s.public, s.symmetric, nil)
	if err != nil {
		tb.Fatal(err)
	}
	mac := hmac.New(sha256.New, s.symmetric)
	mac.Write(s.data)
	return bridge.EncryptedContent{
		Data:          base64.StdEncoding.EncodeToString(s.data),
		DataKey:       base64.StdEncoding.EncodeToString(wrapped),
		DataSignature: base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		CertificateID: id,
	}
}

// reason returns the reason of a rejection, "" for nil, and fails on any other
// error and on a rejection that says more than it may (I4).
func reason(tb testing.TB, err error) bridge.Reason {
	tb.Helper()
	if err == nil {
		return ""
	}
	var r *bridge.Rejection
	if !errors.As(err, &r) {
		tb.Fatalf("error is no rejection: %v", err)
	}
	switch r.Reason {
	case bridge.DataSignatureMismatch, bridge.SealedPadding, bridge.DataKeyUnopened, bridge.PayloadNotJSON:
		if r.Detail != nil {
			tb.Errorf("%s says more than its reason: %v", r.Reason, r.Detail)
		}
	}
	return r.Reason
}

// official is the vector of Microsoft's own tests.
type official struct {
	key     *rsa.PrivateKey
	content bridge.EncryptedContent
	plain   []byte
}

func readOfficial(tb testing.TB) official {
	tb.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", "official", name))
		if err != nil {
			tb.Fatal(err)
		}
		return b
	}
	var numbers map[string]string
	if err := json.Unmarshal(read("key-numbers.json"), &numbers); err != nil {
		tb.Fatal(err)
	}
	number := func(name string) *big.Int {
		n, ok := new(big.Int).SetString(numbers[name], 16)
		if !ok {
			tb.Fatalf("%s is no number", name)
		}
		return n
	}
	v := official{plain: bytes.TrimRight(read("plaintext.json"), "\n")}
	v.key = &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number("n"), E: int(number("e").Int64())},
		D:         number("d"), Primes: []*big.Int{number("p"), number("q")},
	}
	v.key.Precompute()
	var members map[string]string
	if err := json.Unmarshal(read("encrypted-content.json"), &members); err != nil {
		tb.Fatal(err)
	}
	v.content = bridge.EncryptedContent{
		Data: members["data"], DataKey: members["dataKey"], DataSignature: members["dataSignature"],
		CertificateID: members["encryptionCertificateId"], CertificateThumbprint: members["encryptionCertificateThumbprint"],
	}
	return v
}

// pkcs1 and pkcs8 return a key as PEM, without a certificate.
func pkcs1(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func pkcs8(tb testing.TB, key any) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
