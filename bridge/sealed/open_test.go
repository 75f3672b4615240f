package sealed_test

import (
	"bytes"
	"crypto/aes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"meetbridge/bridge"
	"meetbridge/bridge/sealed"
)

// TestOfficialVector opens what Microsoft's own tests open, byte for byte, with
// the key in either encoding.
func TestOfficialVector(t *testing.T) {
	t.Parallel()
	v := readOfficial(t)
	for name, file := range map[string][]byte{"PKCS#1": pkcs1(v.key), "PKCS#8": pkcs8(t, v.key)} {
		ring := load(t, map[string][]byte{v.content.CertificateID + ".pem": file})
		got, err := ring.Open(v.content)
		if err != nil || !bytes.Equal(got, v.plain) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	symmetric, err := os.ReadFile("testdata/official/symmetric-key.hex")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := base64.StdEncoding.DecodeString(v.content.DataKey)
	if err != nil {
		t.Fatal(err)
	}
	unwrapped, err := rsa.DecryptOAEP(sha1.New(), nil, v.key, wrapped, nil)
	if err != nil || hex.EncodeToString(unwrapped) != strings.TrimSpace(string(symmetric)) {
		t.Errorf("unwrapped key %x, %v", unwrapped, err)
	}
}

// TestOfficialVectorChanged changes one byte of each member, as bytes below the
// base64 and as characters of it: nothing of it opens, each for its reason. The
// thumbprint alone may be wrong, since the id has chosen the key by then.
func TestOfficialVectorChanged(t *testing.T) {
	t.Parallel()
	v := readOfficial(t)
	ring := load(t, map[string][]byte{v.content.CertificateID + ".pem": pkcs1(v.key)})
	open := func(change func(*bridge.EncryptedContent)) bridge.Reason {
		c := v.content
		change(&c)
		_, err := ring.Open(c)
		return reason(t, err)
	}
	flip := func(s string, at int) string {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		b[(at+len(b))%len(b)] ^= 1
		return base64.StdEncoding.EncodeToString(b)
	}
	for _, at := range []int{0, 1, 15, 16, 100, -17, -16, -1} {
		for name, c := range map[string]struct {
			change func(*bridge.EncryptedContent)
			want   bridge.Reason
		}{
			"data":          {func(c *bridge.EncryptedContent) { c.Data = flip(c.Data, at) }, bridge.DataSignatureMismatch},
			"dataKey":       {func(c *bridge.EncryptedContent) { c.DataKey = flip(c.DataKey, at) }, bridge.DataKeyUnopened},
			"dataSignature": {func(c *bridge.EncryptedContent) { c.DataSignature = flip(c.DataSignature, at%32) }, bridge.DataSignatureMismatch},
		} {
			if got := open(c.change); got != c.want {
				t.Errorf("byte %d of %s: reason %q, want %q", at, name, got, c.want)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*bridge.EncryptedContent)
		want   bridge.Reason
	}{
		"encryptionCertificateId": {func(c *bridge.EncryptedContent) { c.CertificateID += "x" }, bridge.DecryptionKeyUnknown},
		"its case":                {func(c *bridge.EncryptedContent) { c.CertificateID = strings.ToUpper(c.CertificateID) }, bridge.DecryptionKeyUnknown},
		"thumbprint":              {func(c *bridge.EncryptedContent) { c.CertificateThumbprint = "5" + c.CertificateThumbprint[1:] }, ""},
		"character of data":       {func(c *bridge.EncryptedContent) { c.Data = "G" + c.Data[1:] }, bridge.DataSignatureMismatch},
		"character to none":       {func(c *bridge.EncryptedContent) { c.Data = "!" + c.Data[1:] }, bridge.SealedMalformed},
		"padding of data":         {func(c *bridge.EncryptedContent) { c.Data = strings.TrimSuffix(c.Data, "=") + "A" }, bridge.SealedMalformed},
		"trailing bits":           {func(c *bridge.EncryptedContent) { c.DataSignature = strings.Replace(c.DataSignature, "w=", "x=", 1) }, bridge.SealedMalformed},
	} {
		if got := open(c.change); got != c.want {
			t.Errorf("%s: reason %q, want %q", name, got, c.want)
		}
	}
}

// TestOpenHostile goes through what a sender may get wrong or do on purpose.
func TestOpenHostile(t *testing.T) {
	t.Parallel()
	one, other := twoPEMs(t)
	key, _ := blocks(t, one)
	stranger, _ := blocks(t, other)
	ring := load(t, map[string][]byte{"one.pem": one})
	plain := []byte(`{"id":"1"}`)
	good := sealing{public: &key.PublicKey}.seal(t, "one", plain)
	whole := bytes.Repeat([]byte{7}, 32) // data of whole blocks that no padding was taken from
	change := func(f func(*bridge.EncryptedContent)) bridge.EncryptedContent {
		c := good
		f(&c)
		return c
	}
	urlSafe := strings.NewReplacer("+", "-", "/", "_")
	pad := func(n int) []byte { return append(bytes.Repeat([]byte{'x'}, 31), byte(n)) }

	type tc struct {
		name string
		c    bridge.EncryptedContent
		want bridge.Reason
	}
	cases := []tc{
		{"as sealed", good, ""},
		{"nothing at all", bridge.EncryptedContent{}, bridge.SealedMalformed},
		{"no signature", change(func(c *bridge.EncryptedContent) { c.DataSignature = "" }), bridge.DataSignatureMissing},
		{"no certificate", change(func(c *bridge.EncryptedContent) { c.CertificateID = "" }), bridge.SealedMalformed},
		{"signature too short", change(func(c *bridge.EncryptedContent) { c.DataSignature = "AAAA" }), bridge.SealedMalformed},
		{"signature too long", change(func(c *bridge.EncryptedContent) { c.DataSignature += "AAAA" }), bridge.SealedMalformed},
		{"signature of 1 MB", change(func(c *bridge.EncryptedContent) { c.DataSignature = strings.Repeat("A", 1<<20) }), bridge.SealedMalformed},
		{"data key of 1 MB", change(func(c *bridge.EncryptedContent) { c.DataKey = strings.Repeat("A", 1<<20) }), bridge.SealedMalformed},
		{"data key too short", change(func(c *bridge.EncryptedContent) { c.DataKey = "AAAA" }), bridge.SealedMalformed},
		{"data key for a larger key", change(func(c *bridge.EncryptedContent) { c.DataKey = strings.Repeat("AAAA", 128) }), bridge.DataKeyUnopened},
		{"data key of zeros", change(func(c *bridge.EncryptedContent) { c.DataKey = base64.StdEncoding.EncodeToString(make([]byte, 256)) }), bridge.DataKeyUnopened},
		{"data key beyond the modulus", change(func(c *bridge.EncryptedContent) {
			c.DataKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 256))
		}), bridge.DataKeyUnopened},
		{"data of one byte", change(func(c *bridge.EncryptedContent) { c.Data = "AA==" }), bridge.SealedMalformed},
		{"data of half a block more", change(func(c *bridge.EncryptedContent) { c.Data = base64.StdEncoding.EncodeToString(make([]byte, 24)) }), bridge.SealedMalformed},
		{"unknown id", change(func(c *bridge.EncryptedContent) { c.CertificateID = "two" }), bridge.DecryptionKeyUnknown},
		{"id as a path", change(func(c *bridge.EncryptedContent) { c.CertificateID = "../one" }), bridge.DecryptionKeyUnknown},
		{"thumbprint of 1 MB", change(func(c *bridge.EncryptedContent) {
			c.CertificateID, c.CertificateThumbprint = "", strings.Repeat("A", 1<<20)
		}), bridge.DecryptionKeyUnknown},
		{"sealed for another key", sealing{public: &stranger.PublicKey}.seal(t, "one", plain), bridge.DataKeyUnopened},
		{"OAEP with SHA-256", sealing{public: &key.PublicKey, oaep: sha256.New()}.seal(t, "one", plain), bridge.DataKeyUnopened},
		{"AES-128", sealing{public: &key.PublicKey, symmetric: make([]byte, 16)}.seal(t, "one", plain), bridge.SealedMalformed},
		{"empty symmetric key", sealing{public: &key.PublicKey, symmetric: []byte{}, data: whole}.seal(t, "one", nil), bridge.SealedMalformed},
		{"MAC over no bytes", sealing{public: &key.PublicKey, data: []byte{}}.seal(t, "one", nil), bridge.SealedMalformed},
		{"MAC over one byte", sealing{public: &key.PublicKey, data: []byte{1}}.seal(t, "one", nil), bridge.SealedMalformed},
		{"MAC over the base64 text", func() bridge.EncryptedContent {
			c := sealing{public: &key.PublicKey, symmetric: whole, data: []byte(good.Data)}.seal(t, "one", nil)
			c.Data = good.Data
			return c
		}(), bridge.DataSignatureMismatch},
		{"plaintext of no bytes", sealing{public: &key.PublicKey}.seal(t, "one", nil), bridge.PayloadNotJSON},
		{"plaintext not JSON", sealing{public: &key.PublicKey}.seal(t, "one", []byte("{id:1}")), bridge.PayloadNotJSON},
		{"plaintext cut", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`{"id":`)), bridge.PayloadNotJSON},
		{"plaintext of two values", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`{}{}`)), bridge.PayloadNotJSON},
		{"plaintext an array", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`[{}]`)), bridge.PayloadNotJSON},
		{"plaintext null", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`null`)), bridge.PayloadNotJSON},
		{"plaintext not UTF-8", sealing{public: &key.PublicKey}.seal(t, "one", []byte("{\"a\":\"\xff\"}")), bridge.PayloadNotJSON},
		{"plaintext in UTF-16", sealing{public: &key.PublicKey}.seal(t, "one", []byte("{\x00}\x00")), bridge.PayloadNotJSON},
		{"plaintext 100,000 levels deep", sealing{public: &key.PublicKey}.seal(t, "one", []byte(strings.Repeat(`{"a":`, 100_000))), bridge.PayloadNotJSON},
		{"plaintext of 10 MB", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`{"a":"`+strings.Repeat("x", 10<<20)+`"}`)), ""},
		{"plaintext with a member twice", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`{"a":1,"a":2}`)), ""},
		{"plaintext with half an emoji", sealing{public: &key.PublicKey}.seal(t, "one", []byte(`{"a":"\ud83d"}`)), ""},
		{"plaintext after blanks", sealing{public: &key.PublicKey}.seal(t, "one", []byte("\r\n {} ")), ""},
	}
	for _, n := range []int{0, 2, 16, 17, 255} {
		cases = append(cases, tc{fmt.Sprintf("padding of %d", n), sealing{public: &key.PublicKey, padded: pad(n)}.seal(t, "one", nil), bridge.SealedPadding})
	}
	for name, member := range map[string]func(*bridge.EncryptedContent) *string{
		"data":      func(c *bridge.EncryptedContent) *string { return &c.Data },
		"data key":  func(c *bridge.EncryptedContent) *string { return &c.DataKey },
		"signature": func(c *bridge.EncryptedContent) *string { return &c.DataSignature },
	} {
		for how, f := range map[string]func(string) string{
			"not base64":       func(string) string { return "%%%%" },
			"cut off":          func(s string) string { return s[:len(s)-3] },
			"a blank inside":   func(s string) string { return s[:4] + " " + s[5:] },
			"a line break":     func(s string) string { return s[:4] + "\n" + s[4:] },
			"four line breaks": func(s string) string { return s[:4] + "\r\n\r\n" + s[4:] },
			"a NUL":            func(s string) string { return s[:4] + "\x00" + s[5:] },
			"only padding":     func(string) string { return "====" },
			"much padding":     func(s string) string { return s + "====" },
			"url-safe":         func(s string) string { return "-_" + urlSafe.Replace(s[2:]) },
		} {
			c := good
			p := member(&c)
			*p = f(*p)
			cases = append(cases, tc{name + " " + how, c, bridge.SealedMalformed})
		}
		c := good
		*member(&c) = ""
		want := bridge.SealedMalformed
		if name == "signature" {
			want = bridge.DataSignatureMissing
		}
		cases = append(cases, tc{name + " empty", c, want})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ring.Open(c.c)
			if r := reason(t, err); r != c.want {
				t.Errorf("reason %q, want %q", r, c.want)
			}
			if err != nil && got != nil {
				t.Error("bytes came back beside the rejection")
			}
		})
	}
	if _, err := new(sealed.Ring).Open(good); reason(t, err) != bridge.DecryptionKeyUnknown {
		t.Errorf("an empty ring: %v", err)
	}
}

// TestPaddingOfEveryLength opens plaintexts of all lengths modulo a block, which
// have all right paddings between them.
func TestPaddingOfEveryLength(t *testing.T) {
	t.Parallel()
	one, _ := twoPEMs(t)
	key, _ := blocks(t, one)
	ring := load(t, map[string][]byte{"one.pem": one})
	for n := range 2 * aes.BlockSize {
		plain := []byte(`{"a":"` + strings.Repeat("x", n) + `"}`)
		got, err := ring.Open(sealing{public: &key.PublicKey}.seal(t, "one", plain))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: %q, %v", n, got, err)
		}
	}
}

// TestKeyChoice: by id, then by thumbprint in any case, and by the latter also
// when the former names a key that is not the right one (any more).
func TestKeyChoice(t *testing.T) {
	t.Parallel()
	one, other := twoPEMs(t)
	key, cert := blocks(t, one)
	thumbprint := fmt.Sprintf("%X", sha1.Sum(cert.Raw))
	ring := load(t, map[string][]byte{"one.pem": one, "other.pem": other})
	if infos := ring.Keys(); len(infos) != 2 || infos[0].Thumbprint != thumbprint || infos[0].Bits != 2048 || !infos[0].NotAfter.Equal(cert.NotAfter) {
		t.Errorf("keys described as %+v", infos)
	}
	plain := []byte(`{}`)
	for _, c := range []struct {
		name, id, thumbprint string
		want                 bridge.Reason
	}{
		{"id alone", "one", "", ""},
		{"id and thumbprint", "one", thumbprint, ""},
		{"id, unknown thumbprint", "one", strings.Repeat("0", 40), ""},
		{"thumbprint alone", "", thumbprint, ""},
		{"thumbprint in lower case", "", strings.ToLower(thumbprint), ""},
		{"thumbprint, unknown id", "gone", thumbprint, ""},
		{"thumbprint, another's id", "other", thumbprint, ""},
		{"another's id", "other", "", bridge.DataKeyUnopened},
		{"both unknown", "gone", strings.Repeat("0", 40), bridge.DecryptionKeyUnknown},
		{"thumbprint cut off", "", thumbprint[:39], bridge.DecryptionKeyUnknown},
	} {
		content := sealing{public: &key.PublicKey}.seal(t, c.id, plain)
		content.CertificateThumbprint = c.thumbprint
		if _, err := ring.Open(content); reason(t, err) != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	v := readOfficial(f)
	one, _ := twoPEMs(f)
	key, _ := blocks(f, one)
	ring := load(f, map[string][]byte{"one.pem": one, v.content.CertificateID + ".pem": pkcs1(v.key)})
	plain := []byte(`{"id":"1"}`)
	good := sealing{public: &key.PublicKey}.seal(f, "one", plain)
	for _, c := range []bridge.EncryptedContent{
		{},
		good, v.content,
		{Data: good.Data, DataKey: good.DataKey, DataSignature: good.DataSignature},
		{Data: "====", DataKey: "\n\n\n\n", DataSignature: "-_-_", CertificateID: "one"},
		{Data: good.Data, DataKey: v.content.DataKey, DataSignature: good.DataSignature, CertificateID: "one"},
		{Data: good.Data, DataKey: good.DataKey, CertificateID: "one"},
		sealing{public: &key.PublicKey, padded: make([]byte, 32)}.seal(f, "one", nil),
		sealing{public: &key.PublicKey, symmetric: make([]byte, 16)}.seal(f, "one", nil),
		sealing{public: &key.PublicKey}.seal(f, "one", []byte(`[]`)),
	} {
		f.Add(c.Data, c.DataKey, c.DataSignature, c.CertificateID, c.CertificateThumbprint)
	}
	f.Fuzz(func(t *testing.T, data, dataKey, signature, id, thumbprint string) {
		got, err := ring.Open(bridge.EncryptedContent{
			Data: data, DataKey: dataKey, DataSignature: signature, CertificateID: id, CertificateThumbprint: thumbprint,
		})
		if err != nil {
			reason(t, err)
			return
		}
		if !bytes.Equal(got, plain) && !bytes.Equal(got, v.plain) {
			t.Errorf("opened what nobody sealed: %q", got)
		}
	})
}
