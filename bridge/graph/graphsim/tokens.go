package graphsim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // x5t is a SHA-1 by definition (RFC 7517 §4.8)
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// changeTracking is the client id under which Graph fetches validation tokens
// (FACTS §2.1).
const changeTracking = "0bf30f3b-4a52-48df-9a82-234910c4a086"

// tokenSpare is the least life that a token has left when it is put into a
// POST: what is retried for 4 h must not outlive its token.
const tokenSpare = 4*time.Hour + 15*time.Minute

// signingKey is a key of the simulated Entra ID, as its key sets publish it.
type signingKey struct {
	kid     string // the certificate's SHA-1, as in Entra
	private *rsa.PrivateKey
	cert    []byte    // DER
	retired time.Time // when it was last used; zero while it is in use or yet to be
}

// newSigningKey makes a key and its certificate.
func newSigningKey(now time.Time) (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return certify(private, now)
}

// certify returns private with a certificate made for it.
func certify(private *rsa.PrivateKey, now time.Time) (*signingKey, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "accounts.accesscontrol.windows.net"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(5, 0, 0),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, fmt.Errorf("make signing certificate: %w", err)
	}
	sum := sha1.Sum(cert) // x5t
	return &signingKey{kid: base64.RawURLEncoding.EncodeToString(sum[:]), private: private, cert: cert}, nil
}

// tokenHeader is a JOSE header; v1.0 tokens carry x5t beside kid.
type tokenHeader struct {
	Type      string `json:"typ"`
	Algorithm string `json:"alg"`
	X5T       string `json:"x5t,omitzero"`
	KeyID     string `json:"kid"`
}

// tokenClaims are the claims of a validation token of either version
// (FACTS §2.1); a version leaves the other's empty.
type tokenClaims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	IssuedAt int64  `json:"iat"`
	Before   int64  `json:"nbf"`
	Expires  int64  `json:"exp"`
	AIO      string `json:"aio"`
	AppID    string `json:"appid,omitzero"`    // v1.0
	AppIDACR string `json:"appidacr,omitzero"` // v1.0
	AZP      string `json:"azp,omitzero"`      // v2.0
	AZPACR   string `json:"azpacr,omitzero"`   // v2.0
	IDP      string `json:"idp,omitzero"`      // v1.0
	OID      string `json:"oid,omitzero"`      // v2.0
	RH       string `json:"rh,omitzero"`       // v2.0
	Subject  string `json:"sub,omitzero"`      // v2.0
	Tenant   string `json:"tid"`
	UTI      string `json:"uti"`
	Version  string `json:"ver"`
}

// tokenMaker makes and remembers validation tokens: Graph sends the same one
// again and again.
type tokenMaker struct {
	authority *authority
	objectID  string // of the change-tracking service principal

	mu    sync.Mutex
	cache map[tokenFor]cachedToken
}

// tokenFor is what Graph makes one token for: app, tenant, and the token
// version that this app was registered with.
type tokenFor struct {
	app, tenant string
	v2          bool
}

type cachedToken struct {
	text    string
	expires time.Time
	kid     string
}

// token returns a token for f that is good for some hours from now.
func (m *tokenMaker) token(f tokenFor, now time.Time) (string, error) {
	key := m.authority.signer(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.cache[f]; ok && c.kid == key.kid && now.Add(tokenSpare).Before(c.expires) {
		return c.text, nil
	}
	claims := m.claims(f, now)
	text, err := sign(claims, key)
	if err != nil {
		return "", err
	}
	if m.cache == nil {
		m.cache = map[tokenFor]cachedToken{}
	}
	m.cache[f] = cachedToken{text, time.Unix(claims.Expires, 0), key.kid}
	return text, nil
}

// claims returns the claims of a genuine token: valid from five minutes ago,
// for 8 h 5 min (v1.0) or 24 h 5 min (v2.0) in all.
func (m *tokenMaker) claims(f tokenFor, now time.Time) tokenClaims {
	from := now.Add(-5 * time.Minute)
	c := tokenClaims{
		Audience: f.app, Tenant: f.tenant,
		IssuedAt: from.Unix(), Before: from.Unix(),
		AIO: opaque(24), UTI: opaque(16),
	}
	if f.v2 {
		c.Issuer = m.authority.issuerV2(f.tenant)
		c.Expires = from.Add(24*time.Hour + 5*time.Minute).Unix()
		c.AZP, c.AZPACR, c.Version = changeTracking, "2", "2.0"
		c.OID, c.Subject, c.RH = m.objectID, m.objectID, "0."+opaque(36)+"."
	} else {
		c.Issuer = m.authority.issuerV1(f.tenant)
		c.Expires = from.Add(8*time.Hour + 5*time.Minute).Unix()
		c.AppID, c.AppIDACR, c.Version = changeTracking, "2", "1.0"
		c.IDP = c.Issuer
	}
	return c
}

// sign returns claims as a token signed by key.
func sign(claims tokenClaims, key *signingKey) (string, error) {
	header := tokenHeader{Type: "JWT", Algorithm: "RS256", KeyID: key.kid}
	if claims.Version == "1.0" {
		header.X5T = key.kid
	}
	text, err := signingInput(header, claims)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// signingInput returns the first two parts of a token.
func signingInput(header tokenHeader, claims tokenClaims) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("write token header: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write token claims: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c), nil
}

// opaque returns n random bytes as base64url: claims that only Microsoft reads.
func opaque(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
