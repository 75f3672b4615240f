package token

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
)

const (
	// publisher is the application id of Graph's change tracking, which alone
	// asks for validation tokens (FACTS §2.1).
	publisher = "0bf30f3b-4a52-48df-9a82-234910c4a086"
	// leeway is how far our clock may be from the signer's.
	leeway = 5 * time.Minute
	// maxTime is the largest time taken, in seconds: 2^53, up to which all
	// readers of JSON agree. What lies beyond is no date.
	maxTime = 1 << 53
)

// claims are the claims that the rules look at, all others ignored.
type claims struct {
	Issuer    string       `json:"iss"`
	Tenant    string       `json:"tid"`
	Version   string       `json:"ver"`
	AppID     *string      `json:"appid"` // the publisher in version 1.0
	Party     *string      `json:"azp"`   // the publisher in version 2.0
	Audience  audience     `json:"aud"`
	Expires   *numericDate `json:"exp"`
	NotBefore *numericDate `json:"nbf"`
}

// numericDate is a time in seconds since 1970, 0 to maxTime, fractions cut off.
type numericDate int64

// UnmarshalJSONFrom takes a JSON number in range and nothing else.
func (n *numericDate) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '0' {
		return errors.New("read time: not a number")
	}
	seconds, err := token.Float()
	if err != nil || seconds < 0 || seconds > maxTime {
		return errors.New("read time: not between 0 and 2^53 s")
	}
	*n = numericDate(seconds)
	return nil
}

func (n numericDate) time() time.Time { return time.Unix(int64(n), 0) }

// audience is the claim "aud": one string or a list of them.
type audience []string

// UnmarshalJSONFrom takes a JSON string or an array of strings.
func (a *audience) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		*a = make([]string, 1)
		return json.UnmarshalDecode(d, &(*a)[0])
	}
	return json.UnmarshalDecode(d, (*[]string)(a))
}

// parseClaims reads the payload of a token: a JSON object, without duplicate
// members, that holds at least the times, a known version and a tenant's GUID.
func parseClaims(payload []byte) (*claims, error) {
	c := &claims{}
	if jsontext.Value(payload).Kind() != '{' {
		return nil, errors.New("read claims: not a JSON object")
	}
	if err := json.Unmarshal(payload, c); err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	switch {
	case c.Expires == nil || c.NotBefore == nil:
		return nil, errors.New("read claims: exp or nbf is missing")
	case c.Version != "1.0" && c.Version != "2.0":
		return nil, errors.New("read claims: ver is neither 1.0 nor 2.0")
	case !isGUID(c.Tenant):
		return nil, errors.New("read claims: tid is not a GUID")
	}
	return c, nil
}

// rules are what makes claims good ones.
type rules struct {
	authority string              // base URL without a slash at its end
	sts       string              // the same
	apps      map[string]struct{} // application ids of ours, in lower case
}

// judge returns "" or why the claims are not those of a token made for us by
// Graph and valid at now (DESIGN §4, §7).
func (r *rules) judge(c *claims, now time.Time) bridge.Reason {
	if reason := inTime(*c.Expires, *c.NotBefore, now); reason != "" {
		return reason
	}
	if c.Issuer != r.issuer(c.Version, c.Tenant) {
		return bridge.TokenIssuer
	}
	// A list would let one token count for several recipients.
	if len(c.Audience) != 1 {
		return bridge.TokenAudience
	}
	if _, ours := r.apps[strings.ToLower(c.Audience[0])]; !ours {
		return bridge.TokenAudience
	}
	by := c.AppID
	if c.Version == "2.0" {
		by = c.Party
	}
	if by == nil || *by != publisher || c.AppID != nil && c.Party != nil && *c.AppID != *c.Party {
		return bridge.TokenPublisher
	}
	return ""
}

// issuer returns the exact issuer of a tenant's tokens of that version.
func (r *rules) issuer(version, tenant string) string {
	if version == "1.0" {
		return r.sts + "/" + tenant + "/"
	}
	return r.authority + "/" + tenant + "/v2.0"
}

// keyAgrees reports whether a key that names issuer may sign for the tenant. A
// key without a name may for all. The name is that of version 2.0 even where the
// key signs tokens of version 1.0, so both forms will do.
func (r *rules) keyAgrees(issuer, tenant string) bool {
	if issuer == "" {
		return true
	}
	for _, template := range []string{"{tenantid}", "{tenantId}"} {
		issuer = strings.ReplaceAll(issuer, template, tenant)
	}
	return issuer == r.issuer("1.0", tenant) || issuer == r.issuer("2.0", tenant)
}

// inTime returns "" or why now is outside of the time given.
func inTime(expires, notBefore numericDate, now time.Time) bridge.Reason {
	switch {
	case !now.Before(expires.time().Add(leeway)):
		return bridge.TokenExpired
	case now.Before(notBefore.time().Add(-leeway)):
		return bridge.TokenNotYetValid
	}
	return ""
}

// isGUID reports whether s is 32 hexadecimal digits with dashes as in a GUID.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := lower(s[i]); {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
