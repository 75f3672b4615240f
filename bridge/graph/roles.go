package graph

import (
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// maxToken bounds, in bytes, the access tokens that are looked into.
const maxToken = 64 << 10

// Grant is what an access token says of itself. Nothing of it is proven: it is
// for people to read, never for a decision about anyone's rights.
type Grant struct {
	AppID    string    // appid or azp
	TenantID string    // tid
	Roles    []string  // application permissions, sorted
	Expires  time.Time // UTC; zero if the token does not say
}

// errNoToken says nothing of the token's content.
var errNoToken = errors.New("the access token is no JWT whose claims can be read")

// TokenRoles reads the claims of an access token for Graph without checking
// them. Graph may change the form of its tokens at any time: then it fails.
func TokenRoles(accessToken string) (Grant, error) {
	if len(accessToken) > maxToken || strings.Count(accessToken, ".") != 2 {
		return Grant{}, errNoToken
	}
	parts := strings.Split(accessToken, ".")
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Grant{}, errNoToken
	}
	var claims struct {
		AppID    string   `json:"appid"`
		Azp      string   `json:"azp"`
		TenantID string   `json:"tid"`
		Roles    []string `json:"roles"`
		Expires  float64  `json:"exp"`
	}
	if unmarshal(payload, &claims) != nil {
		return Grant{}, errNoToken
	}
	g := Grant{AppID: claims.AppID, TenantID: claims.TenantID, Roles: claims.Roles}
	if g.AppID == "" {
		g.AppID = claims.Azp
	}
	if claims.Expires > 0 && claims.Expires < math.MaxInt32*100 {
		g.Expires = time.Unix(int64(claims.Expires), 0).UTC()
	}
	slices.Sort(g.Roles)
	return g, nil
}
