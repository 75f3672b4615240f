package token

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

const (
	// maxKeySet bounds a key set in bytes, and any other answer of the
	// authority; the real one has 30 KiB.
	maxKeySet = 8 << 20
	// maxKeys bounds the keys of one set; the real one has some 20.
	maxKeys = 16 << 10
	// Sizes of RSA keys that may sign, in bits. A larger one would make each
	// check expensive.
	minKeyBits, maxKeyBits = 2048, 8192
)

// signingKey is a published key. It never changes.
type signingKey struct {
	id     string
	public *rsa.PublicKey
	issuer string // who may sign with it, {tenantid} standing for any tenant; "" if the set does not say
}

func (k *signingKey) equal(other *signingKey) bool {
	return k.id == other.id && k.issuer == other.issuer && k.public.Equal(other.public)
}

// fetchKeys follows an openid configuration to its key set and returns the keys
// that may sign validation tokens, by their ids.
func fetchKeys(ctx context.Context, client *http.Client, configuration string) (map[string]*signingKey, error) {
	body, err := get(ctx, client, configuration)
	if err != nil {
		return nil, fmt.Errorf("fetch openid configuration: %w", err)
	}
	var doc struct {
		KeySet string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("read openid configuration %s: %w", configuration, err)
	}
	if err := checkKeySetURL(doc.KeySet, configuration); err != nil {
		return nil, fmt.Errorf("read openid configuration %s: %w", configuration, err)
	}
	if body, err = get(ctx, client, doc.KeySet); err != nil {
		return nil, fmt.Errorf("fetch key set: %w", err)
	}
	keys, err := parseKeySet(body)
	if err != nil {
		return nil, fmt.Errorf("read key set %s: %w", doc.KeySet, err)
	}
	return keys, nil
}

// get returns the body of a 200 answer of at most maxKeySet bytes.
func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", address, err)
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("answer of %s is longer than %d bytes", address, maxKeySet)
	}
	return body, nil
}

// parseKeySet returns the RSA keys of a JSON Web Key set that may check RS256
// signatures, by their ids. Keys of other kinds, broken ones and further ones
// of the same id are passed over; a set without any is an error.
func parseKeySet(body []byte) (map[string]*signingKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, more than %d", len(set.Keys), maxKeys)
	}
	keys := map[string]*signingKey{}
	for _, raw := range set.Keys {
		if k := parseKey(raw); k != nil && keys[k.id] == nil {
			keys[k.id] = k
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key that could sign by RS256")
	}
	return keys, nil
}

// parseKey returns nil for a key that is of no use to us.
func parseKey(raw jsontext.Value) *signingKey {
	parsed, err := jwk.ParseKey(raw)
	if err != nil {
		return nil
	}
	public := &rsa.PublicKey{}
	if parsed.KeyType().String() != "RSA" || jwk.Export(parsed, public) != nil {
		return nil
	}
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return nil
	}
	if alg, ok := parsed.Algorithm(); ok && alg.String() != jwt.SigningMethodRS256.Alg() {
		return nil
	}
	k := &signingKey{public: public}
	k.id, _ = parsed.KeyID()
	if parsed.Has("issuer") && parsed.Get("issuer", &k.issuer) != nil {
		return nil
	}
	if bits := public.N.BitLen(); k.id == "" || len(k.id) > maxKeyID || bits < minKeyBits || bits > maxKeyBits {
		return nil
	}
	return k
}

// checkKeySetURL refuses a key set that would come over an unprotected line:
// plain http is for a configuration that itself comes so, from loopback.
func checkKeySetURL(keySet, configuration string) error {
	u, err := url.Parse(keySet)
	if err != nil || u.Host == "" {
		return fmt.Errorf("jwks_uri %.200q is no URL", keySet)
	}
	local := strings.HasPrefix(configuration, "http://") && u.Scheme == "http" && isLoopback(u.Hostname())
	if u.Scheme != "https" && !local {
		return fmt.Errorf("jwks_uri %.200q is not https", keySet)
	}
	return nil
}

// sameHostOnly keeps a redirected fetch at the host that it was meant for.
func sameHostOnly(req *http.Request, via []*http.Request) error {
	switch first := via[0].URL; {
	case req.URL.Host != first.Host || req.URL.Scheme != first.Scheme:
		return errors.New("redirected to another host, which is not followed")
	case len(via) >= 3:
		return errors.New("redirected too often")
	}
	return nil
}

// isLoopback reports whether host names this machine and no other.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
