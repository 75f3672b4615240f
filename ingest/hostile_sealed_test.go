//go:build synctests

package ingest_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Sealed content that somebody has spoiled is set aside with its reason, after a
// clientState and a token that are good, and beside a neighbour that is honest.
func TestHostileSealed(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	n := 0
	rich := func(content any) string {
		n++
		return item("@@", n).with(object{"encryptedContent": content}).String()
	}
	plain := func() string { n++; return message(n) }
	sealed := func(s sealing, text string) string { return rich(e.sealed(s, text)) }
	change := func(changes object) string { return rich(e.sealed(sealing{}, plain()).with(changes)) }
	flip := func(member string, at int) string {
		c := e.sealed(sealing{}, plain())
		text, _ := c[member].(string)
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		b[(at+len(b))%len(b)] ^= 1
		return rich(c.with(object{member: base64.StdEncoding.EncodeToString(b)}))
	}
	pad := func(last byte) sealing { return sealing{padded: append(bytes.Repeat([]byte{'x'}, 31), last)} }
	thumbprint := thumbprintOf(t, "../bridge/sealed/testdata/keys/one.pem")
	large := 10 << 20
	if raceDetector {
		large = 1 << 20
	}
	attacks := []attack{
		{"as sealed", sealed(sealing{}, plain()), nil, ""},
		{"a known thumbprint under an unknown id", change(object{"encryptionCertificateId": "two", "encryptionCertificateThumbprint": thumbprint}), nil, ""},
		{"a known id with an unknown thumbprint", change(object{"encryptionCertificateThumbprint": strings.Repeat("0", 40)}), nil, ""},
		{"neither", change(object{"encryptionCertificateId": "two", "encryptionCertificateThumbprint": strings.Repeat("0", 40)}), nil, "decryption_key_unknown"},
		{"an id as a path", change(object{"encryptionCertificateId": "../keys/one"}), nil, "decryption_key_unknown"},
		{"an id of 1 MB", change(object{"encryptionCertificateId": strings.Repeat("x", 1<<20)}), nil, "decryption_key_unknown"},
		{"no names", change(object{"encryptionCertificateId": nil, "encryptionCertificateThumbprint": nil}), nil, "sealed_malformed"},
		{"nothing", rich(object{}), nil, "sealed_malformed"},
		{"nothing, its clientState spelled otherwise", strings.Replace(rich(object{}), `"clientState"`, `"CLIENT_-state"`, 1), nil, "sealed_malformed"},
		{"OAEP with SHA-256", sealed(sealing{oaepSHA256: true}, plain()), nil, "data_key_unopened"},
		{"padding of zero", sealed(pad(0), ""), nil, "sealed_padding"},
		{"padding of two, one of them wrong", sealed(pad(2), ""), nil, "sealed_padding"},
		{"padding of 17", sealed(pad(17), ""), nil, "sealed_padding"},
		{"a MAC over zero bytes", sealed(sealing{data: []byte{}}, ""), nil, "sealed_malformed"},
		{"a MAC over one byte", sealed(sealing{data: []byte{1}}, ""), nil, "sealed_malformed"},
		{"plaintext of no bytes", sealed(sealing{}, ""), nil, "payload_not_json"},
		{"plaintext no JSON", sealed(sealing{}, "Sesam"), nil, "payload_not_json"},
		{"plaintext not UTF-8", sealed(sealing{}, "{\"a\":\"\xff\"}"), nil, "payload_not_json"},
		{"plaintext an array", sealed(sealing{}, "[{}]"), nil, "payload_not_json"},
		{"plaintext of 10 MB", sealed(sealing{}, `{"id":"1","x":"`+strings.Repeat("y", large)+`"}`), nil, ""},
		{"plaintext 9,000 levels deep", sealed(sealing{}, `{"id":"1","x":`+strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000)+`}`), nil, ""},
		{"plaintext of numbers of 10,000 digits", sealed(sealing{}, `{"id":"1","createdDateTime":`+strings.Repeat("9", 10_000)+`}`), nil, ""},
		{"members of the wrong type", rich(object{"data": 1, "dataKey": true}), nil, "malformed_item"},
		{"data flipped, first bit", flip("data", 0), nil, "data_signature_mismatch"},
		{"data flipped, last bit", flip("data", -1), nil, "data_signature_mismatch"},
		{"dataKey flipped", flip("dataKey", 100), nil, "data_key_unopened"},
		{"dataSignature flipped, first bit", flip("dataSignature", 0), nil, "data_signature_mismatch"},
		{"dataSignature flipped, last bit", flip("dataSignature", -1), nil, "data_signature_mismatch"},
	}
	for _, member := range []string{"data", "dataKey", "dataSignature"} {
		want := "sealed_malformed"
		absent := want
		if member == "dataSignature" {
			absent = "data_signature_missing"
		}
		for how, v := range map[string]any{"missing": nil, "null": null{}, "empty": ""} {
			attacks = append(attacks, attack{member + " " + how, change(object{member: v}), nil, absent})
		}
		text, _ := e.sealed(sealing{}, plain())[member].(string)
		for how, v := range map[string]string{
			"not base64": "*" + text[1:], "url-safe": "-_" + text[2:], "with line breaks": text[:8] + "\r\n" + text[8:],
			"cut by one": text[:len(text)-1], "of wrong length": text[:len(text)-8], "without padding": strings.TrimRight(text, "=") + "x",
		} {
			attacks = append(attacks, attack{member + " " + how, change(object{member: v}), nil, want})
		}
	}
	e.run(attacks)
}

func thumbprintOf(t *testing.T, path string) string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%X", sha1.Sum(cert.Raw))
	}
	t.Fatal("no certificate")
	return ""
}

// Key files that are no use are passed over while ingest runs: a half-written
// one, one too small or too large, an EC key. The good key goes on opening.
func TestHostileKeyFiles(t *testing.T) {
	t.Parallel()
	one, err := os.ReadFile("../bridge/sealed/testdata/keys/one.pem")
	if err != nil {
		t.Fatal(err)
	}
	huge, err := os.ReadFile("../bridge/sealed/testdata/keys/rsa-16384.pem")
	if err != nil {
		t.Fatal(err)
	}
	_, ec := selfSigned(t, "x")
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, slog.New(slog.DiscardHandler), nil)
		for i, files := range []map[string][]byte{
			{"one.pem": one[:len(one)/3]},
			{"one.pem": one[:len(one)-100]},
			{"one.pem": huge},
			{"one.pem": ec},
			{"one.pem": nil},
			{"huge.pem": huge, "ec.pem": ec, "none.pem": []byte("hello"), "two.pem": one[:500]},
			{"one.pem": one},
		} {
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(e.Config.DecryptionKeys, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
			body := `{"value":[` + item("s", i).with(object{"encryptedContent": e.sealed(sealing{}, message(i))}).String() + `],"validationTokens":["` + e.token(nil) + `"]}`
			if got := e.post(body); got.code != 202 {
				t.Errorf("%d: answered %d", i, got.code)
			}
		}
		for _, s := range e.Records() {
			if s.Topic != "chat-messages" {
				t.Errorf("set aside for %s", s.Text("reason"))
			}
		}
	})
}
