package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxToken bounds a token in bytes; those of Graph have some 1,500.
	maxToken = 16 << 10
	// maxKeyID bounds the kid in bytes; those of the authority have 27.
	maxKeyID = 256
)

// compact is a token taken apart, nothing in it believed yet.
type compact struct {
	signed string // header and payload as they were sent, which is what was signed
	header struct {
		Algorithm string         `json:"alg"`
		KeyID     string         `json:"kid"`
		Critical  jsontext.Value `json:"crit"` // extensions that one must understand
		Encoding  jsontext.Value `json:"b64"`  // one of them
		// jku, x5u, x5c and jwk would name or bring a key. Ours come from the
		// authority alone, so nothing here reads them.
	}
	payload   []byte
	signature []byte // nil if it is not canonical base64url
}

// parseCompact takes a token of bounded length apart: header, payload and signature in base64url
// without padding, the header a JSON object without duplicate members.
func parseCompact(text string) (*compact, error) {
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 3 {
		return nil, errors.New("read token: not three parts")
	}
	header, ok := decode(parts[0])
	if !ok || jsontext.Value(header).Kind() != '{' {
		return nil, errors.New("read token header: not base64url of a JSON object")
	}
	c := &compact{signed: text[:len(parts[0])+1+len(parts[1])]}
	if err := json.Unmarshal(header, &c.header); err != nil {
		return nil, fmt.Errorf("read token header: %w", err)
	}
	if c.header.Critical != nil || c.header.Encoding != nil {
		return nil, errors.New("read token header: extensions that are not understood")
	}
	if c.payload, ok = decode(parts[1]); !ok {
		return nil, errors.New("read token payload: not base64url")
	}
	if signature, ok := decode(parts[2]); ok {
		c.signature = signature
	}
	return c, nil
}

// claimsText returns the payload for the record of what was checked, "" if it
// is not a JSON object.
func (c *compact) claimsText() string {
	if v := jsontext.Value(c.payload); v.Kind() != '{' || !v.IsValid() {
		return ""
	}
	return string(c.payload)
}

// signedBy reports whether key made the signature, by RS256 and nothing else,
// and whether the header says so, too.
func (c *compact) signedBy(key *signingKey) bool {
	return c.header.Algorithm == jwt.SigningMethodRS256.Alg() &&
		jwt.SigningMethodRS256.Verify(c.signed, c.signature, key.public) == nil
}

// decode undoes canonical base64url without padding. Line breaks, which the
// decoder would skip, and stray bits at the end, which would give one token
// several texts, are refused.
func decode(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) == base64.RawURLEncoding.DecodedLen(len(s))
}
