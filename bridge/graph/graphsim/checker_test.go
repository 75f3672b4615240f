package graphsim_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1" // Graph's choice
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// checker judges items as DESIGN §4 says, by the standard library alone: it
// shares no code with what it judges.
type checker struct {
	key          decryptionKey
	apps         []string
	authority    string
	sts          string
	v1, v2       map[string]publishedKey
	clientStates func(tenantID string) string
}

type publishedKey struct {
	public *rsa.PublicKey
	issuer string
}

// fetchKeys reads both openid configurations and their key sets.
func (c *checker) fetchKeys(t *testing.T, client *http.Client) {
	t.Helper()
	c.v1 = fetchKeySet(t, client, c.authority+"/common/.well-known/openid-configuration")
	c.v2 = fetchKeySet(t, client, c.authority+"/common/v2.0/.well-known/openid-configuration")
}

func fetchKeySet(t *testing.T, client *http.Client, configuration string) map[string]publishedKey {
	t.Helper()
	var conf struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	getJSON(t, client, configuration, &conf)
	var set struct {
		Keys []struct{ Kty, Use, Kid, N, E, Issuer string }
	}
	getJSON(t, client, conf.JWKSURI, &set)
	out := map[string]publishedKey{}
	for _, k := range set.Keys {
		n, err1 := base64.RawURLEncoding.DecodeString(k.N)
		e, err2 := base64.RawURLEncoding.DecodeString(k.E)
		if err := errors.Join(err1, err2); err != nil || k.Kty != "RSA" || k.Use != "sig" {
			t.Fatalf("key set of %s: key %+v: %v", configuration, k, err)
		}
		out[k.Kid] = publishedKey{&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, k.Issuer}
	}
	return out
}

func getJSON(t *testing.T, client *http.Client, url string, v any) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v", url, resp.StatusCode, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
}

// claims are what the checker reads of a token.
type claims struct {
	Aud, Iss, Appid, Azp, Tid, Ver string
	Nbf, Exp                       int64
}

// verdict is the reason why an item must be set aside, "" for a good one, and
// its opened payload.
func (c *checker) verdict(raw json.RawMessage, tokens []string, now time.Time) (reason string, payload []byte) {
	var n notification
	if err := strictItem(raw, &n); err != nil {
		return "malformed_item", nil
	}
	if reason := c.clientState(n); reason != "" {
		return reason, nil
	}
	if n.EncryptedContent == nil {
		return "", nil
	}
	if len(tokens) == 0 {
		return "token_missing", nil
	}
	covered := false
	for _, tok := range tokens {
		cl, reason := c.token(tok, now)
		if reason != "" {
			return reason, nil
		}
		covered = covered || strings.EqualFold(cl.Tid, n.TenantID)
	}
	if !covered {
		return "token_tenant", nil
	}
	return c.open(*n.EncryptedContent)
}

// strictItem decodes raw and refuses duplicates, bad UTF-8 and items without a
// subscription.
func strictItem(raw json.RawMessage, n *notification) error {
	if !utf8.Valid(raw) || bytes.Count(raw, []byte(`"subscriptionId"`)) != 1 {
		return errors.New("malformed")
	}
	if err := json.Unmarshal(raw, n); err != nil {
		return err
	}
	if n.SubscriptionID == "" {
		return errors.New("no subscription")
	}
	return nil
}

func (c *checker) clientState(n notification) string {
	switch {
	case n.ClientState == "":
		return "client_state_missing"
	case n.ClientState == c.clientStates(n.TenantID):
		return ""
	case !strings.HasPrefix(n.ClientState, "mb1."):
		return "client_state_mismatch"
	}
	if parts := strings.Split(n.ClientState, "."); len(parts) != 4 || len(parts[3]) != 43 {
		return "client_state_malformed"
	}
	return "client_state_unknown_key"
}

func (c *checker) token(tok string, now time.Time) (claims, string) {
	var cl claims
	var header struct{ Alg, Kid string }
	parts := strings.Split(tok, ".")
	if len(parts) != 3 {
		return cl, "token_malformed"
	}
	for i, v := range []any{&header, &cl} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, v) != nil {
			return cl, "token_malformed"
		}
	}
	if header.Alg != "RS256" {
		return cl, "token_algorithm"
	}
	keys, issuer, publisher := c.v2, c.authority+"/"+cl.Tid+"/v2.0", cl.Azp
	if cl.Ver == "1.0" {
		keys, issuer, publisher = c.v1, c.sts+"/"+cl.Tid+"/", cl.Appid
	}
	key, ok := keys[header.Kid]
	if !ok {
		return cl, "token_unknown_key"
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(key.public, crypto.SHA256, sum[:], sig) != nil {
		return cl, "token_signature"
	}
	switch {
	case now.After(time.Unix(cl.Exp, 0).Add(5 * time.Minute)):
		return cl, "token_expired"
	case now.Before(time.Unix(cl.Nbf, 0).Add(-5 * time.Minute)):
		return cl, "token_not_yet_valid"
	case cl.Iss != issuer, key.issuer != "" && strings.ReplaceAll(key.issuer, "{tenantid}", cl.Tid) != cl.Iss:
		return cl, "token_issuer"
	case !slices.Contains(c.apps, cl.Aud):
		return cl, "token_audience"
	case publisher != "0bf30f3b-4a52-48df-9a82-234910c4a086":
		return cl, "token_publisher"
	}
	return cl, ""
}

// open does what FACTS §2.2 says a receiver does.
func (c *checker) open(e encrypted) (string, []byte) {
	data, err1 := base64.StdEncoding.DecodeString(e.Data)
	dataKey, err2 := base64.StdEncoding.DecodeString(e.DataKey)
	sig, err3 := base64.StdEncoding.DecodeString(e.DataSignature)
	sum := sha1.Sum(c.key.cert.Raw) // the thumbprint's definition
	thumbprint := fmt.Sprintf("%X", sum)
	switch {
	case errors.Join(err1, err2, err3) != nil, len(data) == 0, len(data)%aes.BlockSize != 0, len(dataKey) == 0:
		return "sealed_malformed", nil
	case e.EncryptionCertificateID != c.key.id && e.EncryptionCertificateThumbprint != thumbprint:
		return "decryption_key_unknown", nil
	case e.EncryptionCertificateThumbprint != thumbprint:
		return "thumbprint of another certificate", nil
	}
	key, err := rsa.DecryptOAEP(sha1.New(), nil, c.key.private, dataKey, nil) // Graph's choice
	if err != nil || len(key) != 32 {
		return "data_key_unopened", nil
	}
	if len(sig) == 0 {
		return "data_signature_missing", nil
	}
	h := hmac.New(sha256.New, key)
	h.Write(data)
	if !hmac.Equal(h.Sum(nil), sig) {
		return "data_signature_mismatch", nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err.Error(), nil
	}
	cipher.NewCBCDecrypter(block, key[:aes.BlockSize]).CryptBlocks(data, data)
	n := int(data[len(data)-1])
	if n == 0 || n > aes.BlockSize || !bytes.Equal(data[len(data)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return "sealed_padding", nil
	}
	payload := data[:len(data)-n]
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil {
		return "payload_not_json", nil
	}
	return "", payload
}

func hexOf(sum [32]byte) string { return hex.EncodeToString(sum[:]) }
