package sealed

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func FuzzParseKeyFile(f *testing.F) {
	for _, name := range []string{"one.pem", "other.pem", "rsa-16384.pem"} {
		b, err := os.ReadFile(filepath.Join("testdata", "keys", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(b[bytes.LastIndex(b, []byte("-----BEGIN")):])
		f.Add(append(bytes.Clone(b), b...))
	}
	for _, s := range []string{
		"", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
		"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		k, err := parseKeyFile("id", file)
		if err != nil {
			return
		}
		if k.bits < MinBits || k.bits > MaxBits || k.size != (k.bits+7)/8 || k.id != "id" {
			t.Errorf("took a key of %d bits, %d bytes", k.bits, k.size)
		}
		if _, err := k.unwrap(make([]byte, k.size)); err == nil {
			t.Error("zeros opened")
		}
	})
}
