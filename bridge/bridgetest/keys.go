package bridgetest

import (
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"testing"
)

// keyFiles holds keys of 2,048 bits that are of no use anywhere else. Making
// one takes a tenth of a second.
//
//go:embed testdata/keys
var keyFiles embed.FS

// KeyFiles are the files that ingest needs to open what is sealed.
type KeyFiles struct{ CertificateID, PEM string }

// NewKeyFiles returns a decryption key of 2,048 bits and its certificate, always
// the same.
func NewKeyFiles(tb testing.TB) KeyFiles {
	tb.Helper()
	return KeyFiles{CertificateID: "rig-key", PEM: string(readKeyFile(tb, "one"))}
}

// OtherKeyFiles returns another one.
func OtherKeyFiles(tb testing.TB) KeyFiles {
	tb.Helper()
	return KeyFiles{CertificateID: "rig-key", PEM: string(readKeyFile(tb, "two"))}
}

// signingKeys returns the first keys of the simulated authority.
func signingKeys(tb testing.TB) []*rsa.PrivateKey {
	tb.Helper()
	var keys []*rsa.PrivateKey
	for _, name := range []string{"signing-one", "signing-two"} {
		block, _ := pem.Decode(readKeyFile(tb, name))
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, key.(*rsa.PrivateKey))
	}
	return keys
}

func readKeyFile(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := keyFiles.ReadFile("testdata/keys/" + name + ".pem")
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
