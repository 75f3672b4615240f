package sealed_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/sealed"
)

// TestLoadRingSkips skips what cannot be used, with an error that names the file
// and says what to do, and uses the rest. No error repeats key material (I4).
func TestLoadRingSkips(t *testing.T) {
	t.Parallel()
	one, other := twoPEMs(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	split := bytes.Index(one, []byte("-----BEGIN CERTIFICATE"))
	key, cert := one[:split], one[split:]
	encrypted := []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	oldEncrypted := []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	public := []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")

	for _, c := range []struct {
		name string
		file []byte
		want string // in the error; "" for a file that is good
	}{
		{"key and certificate", one, ""},
		{"certificate first", append(bytes.Clone(cert), key...), ""},
		{"key alone", key, ""},
		{"text around", append([]byte("Bag Attributes\n  friendlyName: x\n"), one...), ""},
		{"as written on Windows", append([]byte("\ufeff"), bytes.ReplaceAll(one, []byte("\n"), []byte("\r\n"))...), ""},
		{"PKCS#1", pkcs1(readOfficial(t).key), ""},
		{"with the issuer's certificate", append(bytes.Clone(one), other[bytes.Index(other, []byte("-----BEGIN CERT")):]...), ""},
		{"1,024 bits", pkcs8(t, weak), "1024 bits, but Microsoft Graph takes 2048 to 4096: make another"},
		{"1,024 bits, PKCS#1", pkcs1(weak), "1024 bits"},
		{"16,384 bits", readKey(t, "rsa-16384.pem"), "more than any of the 2048 to 4096 bits that Microsoft Graph takes: make another"},
		{"EC key", pkcs8(t, ec), "no RSA key"},
		{"EC key in its own form", []byte("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"), "EC key"},
		{"encrypted key", encrypted, "without a passphrase"},
		{"encrypted key, old form", oldEncrypted, "without a passphrase"},
		{"cut in half", one[:len(key)/2], "cut off"},
		{"cut in the certificate", one[:len(one)-20], "cut off"},
		{"cut before its end line", one[:len(one)-1-len("-----END CERTIFICATE-----")], "cut off"},
		{"damaged inside", bytes.Replace(one, key[100:140], bytes.Repeat([]byte("A"), 40), 1), "does not parse"},
		{"certificate damaged", bytes.Replace(one, cert[100:140], bytes.Repeat([]byte("A"), 40), 1), "write the file anew"},
		{"certificate alone", cert, "no private key"},
		{"public key alone", public, "no private key"},
		{"empty", nil, "no private key"},
		{"not PEM", []byte("hello"), "no private key"},
		{"two keys", append(bytes.Clone(one), other...), "several private keys"},
		{"another's certificate", append(bytes.Clone(key), other[bytes.Index(other, []byte("-----BEGIN CERT")):]...), "not the private key's"},
		{"too long", append(bytes.Clone(one), bytes.Repeat([]byte("\n"), 64<<10)...), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, map[string][]byte{"good.pem": other, "odd.pem": c.file})
			ring, skipped, err := sealed.LoadRing(dir)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if ring.Len() != 2 || len(skipped) != 0 {
					t.Errorf("%d keys, skipped %v", ring.Len(), skipped)
				}
				return
			}
			if ids := ring.IDs(); !slices.Equal(ids, []string{"good"}) || len(skipped) != 1 {
				t.Fatalf("keys %v, skipped %v", ids, skipped)
			}
			msg := skipped[0].Error()
			if !strings.Contains(msg, filepath.Join(dir, "odd.pem")) || !strings.Contains(msg, c.want) {
				t.Errorf("error does not name the file and %q: %s", c.want, msg)
			}
			if len(msg) > 500 || strings.Contains(msg, string(key[100:140])) {
				t.Errorf("error repeats the file: %s", msg)
			}
		})
	}
}

// TestLoadRingNames looks at <id>.pem alone, follows links and does not stop at
// what is no file.
func TestLoadRingNames(t *testing.T) {
	t.Parallel()
	one, other := twoPEMs(t)
	dir := write(t, map[string][]byte{
		"one.pem": one, ".hidden.pem": other, "other.pem.bak": other, "README": []byte("x"), "with space.v2.pem": other,
	})
	data := write(t, map[string][]byte{"linked.pem": other})
	for link, target := range map[string]string{"linked.pem": filepath.Join(data, "linked.pem"), "dangling.pem": filepath.Join(data, "gone")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.pem"), 0o755); err != nil {
		t.Fatal(err)
	}
	ring, skipped, err := sealed.LoadRing(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"linked", "one", "with space.v2"}; !slices.Equal(ring.IDs(), want) {
		t.Errorf("keys %v, want %v", ring.IDs(), want)
	}
	if len(skipped) != 1 || !strings.Contains(skipped[0].Error(), "folder.pem") {
		t.Errorf("skipped %v", skipped)
	}
	if _, _, err := sealed.LoadRing(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a directory that is not there gave a ring")
	}
}

// TestNewKey makes a key file that loads, and refuses what Graph or a file name
// would not take.
func TestNewKey(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	file, err := sealed.NewKey("spring", 2048, now)
	if err != nil {
		t.Fatal(err)
	}
	ring := load(t, map[string][]byte{"spring.pem": file})
	infos := ring.Keys()
	if len(infos) != 1 || infos[0].ID != "spring" || infos[0].Bits != 2048 || len(infos[0].Thumbprint) != 40 {
		t.Fatalf("loaded as %+v", infos)
	}
	_, cert := blocks(t, file)
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		t.Errorf("certificate valid from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	for _, c := range []struct {
		id   string
		bits int
	}{
		{"", 2048},
		{"a/b", 2048},
		{`a\b`, 2048},
		{"..", 2048},
		{strings.Repeat("a", 129), 2048},
		{"a\x00", 2048},
		{"a", 1024},
		{"a", 8192},
		{"a", 0},
	} {
		if _, err := sealed.NewKey(c.id, c.bits, now); err == nil {
			t.Errorf("made a key %q of %d bits", c.id, c.bits)
		}
	}
}
