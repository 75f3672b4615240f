//go:build synctests

package ingest_test

import (
	"context"
	"crypto"
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
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/bridge/bridgetest"
	"meetbridge/ingest"
)

const (
	tenantA   = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
	tenantB   = "9f4ebab6-520d-49c0-85cc-7b25c78d4a93"
	publisher = "0bf30f3b-4a52-48df-9a82-234910c4a086" // Graph's change tracking (FACTS §2.1)
	js        = "application/json"
)

// object is a JSON object that a test spoils.
type object map[string]any

// with returns o with changes; a nil value removes the member, a null{} is
// JSON's null.
func (o object) with(changes object) object {
	o = maps.Clone(o)
	for k, v := range changes {
		o[k] = v
		switch v.(type) {
		case nil:
			delete(o, k)
		case null:
			o[k] = nil
		}
	}
	return o
}

type null struct{}

func (o object) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// edge is a running ingest in the hands of somebody who knows everything that
// Graph knows: the seal's public key, the token signer, the clientState.
type edge struct {
	*bridgetest.Rig
	t         testing.TB
	authority *authority
	seal      *rsa.PublicKey // of the decryption key "one"
	stranger  *rsa.PrivateKey
}

// newEdge starts an ingest that takes sealed notifications, and waits for it.
func newEdge(tb testing.TB, log *slog.Logger, change func(*ingest.Config)) *edge {
	tb.Helper()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &edge{t: tb, authority: &authority{signer: readRSA(tb, "token/testdata/keys/a.pem")}, stranger: readRSA(tb, "token/testdata/keys/b.pem")}
	const keyFile = "../bridge/sealed/testdata/keys/one.pem"
	e.seal = &readRSA(tb, keyFile).PublicKey
	text, err := os.ReadFile(keyFile)
	if err != nil {
		tb.Fatal(err)
	}
	e.Rig = bridgetest.NewRig(tb, bridgetest.KeyFiles{CertificateID: "one", PEM: string(text)}, log, func(c *ingest.Config) {
		c.AuthorityHTTP = &http.Client{Transport: e.authority}
		if change != nil {
			change(c)
		}
	})
	e.Ready()
	return e
}

func readRSA(tb testing.TB, path string) *rsa.PrivateKey {
	tb.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := pem.Decode(file)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		tb.Fatalf("%s holds a %T", path, parsed)
	}
	return key
}

// socket starts one more ingest process on a real socket beside the rig's, and
// returns its address.
func (e *edge) socket(change func(*ingest.Config)) string {
	e.t.Helper()
	cfg := e.Config
	cfg.Listen, cfg.AdminListen, cfg.Metrics = "127.0.0.1:0", "127.0.0.1:0", prometheus.NewRegistry()
	if change != nil {
		change(&cfg)
	}
	s, err := ingest.New(e.t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		e.t.Fatal(err)
	}
	s.Start()
	e.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Stop(ctx) // with clients cut off in the middle it may take its time
	})
	for range 500 {
		resp, err := http.Get("http://" + s.AdminAddr() + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return s.Addr()
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	e.t.Fatal("not ready")
	return ""
}

// item returns a genuine basic item of the case; its subscription is the case.
func item(sub string, n int) object {
	resource := fmt.Sprintf("chats('19:meeting_abc@thread.v2')/messages('%d')", n)
	return object{
		"subscriptionId": sub, "tenantId": tenantA, "changeType": "created", "clientState": bridgetest.LiteralState, "resource": resource,
		"resourceData": object{"@odata.type": "#Microsoft.Graph.chatMessage", "@odata.id": resource, "id": fmt.Sprint(n)},
	}
}

// sealing seals step by step (FACTS §2.2), so that each can be spoiled.
type sealing struct {
	oaepSHA256 bool
	padded     []byte // what AES gets; nil: plain with PKCS#7
	data       []byte // what the MAC covers; nil: the encrypted padded
}

// sealed returns the encryptedContent of plain.
func (e *edge) sealed(s sealing, plain string) object {
	symmetric := make([]byte, 32)
	_, _ = rand.Read(symmetric)
	if s.padded == nil {
		n := aes.BlockSize - len(plain)%aes.BlockSize
		s.padded = append([]byte(plain), strings.Repeat(string(rune(n)), n)...)
	}
	if s.data == nil {
		block, err := aes.NewCipher(symmetric)
		if err != nil {
			e.t.Fatal(err)
		}
		s.data = make([]byte, len(s.padded))
		cipher.NewCBCEncrypter(block, symmetric[:aes.BlockSize]).CryptBlocks(s.data, s.padded)
	}
	oaep := sha1.New()
	if s.oaepSHA256 {
		oaep = sha256.New()
	}
	wrapped, err := rsa.EncryptOAEP(oaep, rand.Reader, e.seal, symmetric, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, symmetric)
	mac.Write(s.data)
	text := base64.StdEncoding.EncodeToString
	return object{"data": text(s.data), "dataKey": text(wrapped), "dataSignature": text(mac.Sum(nil)), "encryptionCertificateId": "one", "encryptionCertificateThumbprint": ""}
}

// message is the payload of a chat message.
func message(n int) string {
	return fmt.Sprintf(`{"@odata.type":"#Microsoft.Graph.chatMessage","id":"%d","body":{"content":"Sesam-%d"}}`, n, n)
}

// claims returns those of a good token for tenantA.
func (e *edge) claims() object {
	return object{
		"aud": bridgetest.AppID, "iss": e.Config.EntraAuthority + "/" + tenantA + "/v2.0", "azp": publisher, "tid": tenantA, "ver": "2.0",
		"nbf": time.Now().Add(-5 * time.Minute).Unix(), "exp": time.Now().Add(24 * time.Hour).Unix(),
	}
}

// token returns the good token with changes to its claims.
func (e *edge) token(changes object) string {
	return e.sign(e.authority.signer, object{"typ": "JWT", "alg": "RS256", "kid": "kid-a"}, e.claims().with(changes))
}

func (e *edge) sign(key *rsa.PrivateKey, header, claims object) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header.String())) + "." + encode([]byte(claims.String()))
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		e.t.Fatal(err)
	}
	return text + "." + encode(sig)
}
