package graphsim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"
)

// tokenForgery reports whether the forgery is one of a POST's tokens rather
// than of an item.
func (f Fault) tokenForgery() bool { return strings.HasPrefix(string(f), "forge_token_") }

// token returns the validation token of a POST whose tokens are forged in the
// way fault; "" for none at all.
func (f *forger) token(fault Fault, made tokenFor, now time.Time) (string, error) {
	claims := f.tokens.claims(made, now)
	key := f.tokens.authority.signer(now)
	shift := func(d time.Duration) {
		s := int64(d / time.Second)
		claims.IssuedAt, claims.Before, claims.Expires = claims.IssuedAt+s, claims.Before+s, claims.Expires+s
	}
	switch fault {
	case ForgeTokenMissing:
		return "", nil
	case ForgeTokenMalformed:
		return base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + opaque(64), nil
	case ForgeTokenAlgorithmNone:
		text, err := signingInput(tokenHeader{Type: "JWT", Algorithm: "none", KeyID: key.kid}, claims)
		return text + ".", err
	case ForgeTokenAlgorithmHS256:
		text, err := signingInput(tokenHeader{Type: "JWT", Algorithm: "HS256", KeyID: key.kid}, claims)
		if err != nil {
			return "", err
		}
		public, err := x509.MarshalPKIXPublicKey(&key.private.PublicKey)
		if err != nil {
			return "", err
		}
		secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
		return text + "." + base64.RawURLEncoding.EncodeToString(mac(secret, []byte(text))), nil
	case ForgeTokenUnknownKey:
		own, err := f.ownKey()
		if err != nil {
			return "", err
		}
		return sign(claims, own)
	case ForgeTokenSignature:
		return f.wronglySigned(claims, key)
	case ForgeTokenExpired:
		shift(-time.Hour - time.Duration(claims.Expires-claims.Before)*time.Second)
	case ForgeTokenNotYetValid:
		shift(time.Hour + 5*time.Minute)
	case ForgeTokenIssuer:
		other := "00000000-0000-4000-8000-000000000000"
		claims.Issuer = strings.Replace(claims.Issuer, made.tenant, other, 1)
	case ForgeTokenAudience:
		claims.Audience = "f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f"
	case ForgeTokenPublisher:
		if made.v2 {
			claims.AZP = "22222222-2222-4222-8222-222222222222"
		} else {
			claims.AppID = "22222222-2222-4222-8222-222222222222"
		}
	case ForgeTokenTenant:
		made.tenant = "33333333-3333-4333-8333-333333333333"
		claims = f.tokens.claims(made, now)
	}
	return sign(claims, key)
}

// wronglySigned returns a token that names key but was signed by the forger's.
func (f *forger) wronglySigned(claims tokenClaims, key *signingKey) (string, error) {
	own, err := f.ownKey()
	if err != nil {
		return "", err
	}
	text, err := signingInput(tokenHeader{Type: "JWT", Algorithm: "RS256", KeyID: key.kid}, claims)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, own.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}
