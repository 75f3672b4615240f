package token

import (
	"slices"
	"strings"
	"time"

	"meetbridge/bridge"
)

// Checked is what became of one token of a POST. It holds nothing that could
// be used in the token's place.
type Checked struct {
	// Claims is the JSON object of the claims exactly as signed, "" if there is
	// none to be read.
	Claims string
	// SignatureValid says that a published key, and one for the token's own
	// tenant, made the signature.
	SignatureValid bool
	Reason         bridge.Reason // "" for a good token
	Tenant         string        // of a good token, in lower case
}

// Verdict is what the tokens of one POST prove. The zero value, that of a POST
// without tokens, covers nothing.
type Verdict struct {
	Checked []Checked // one for each token, in their order
}

// Covers returns nil if an item of the tenant is proven by the tokens: every
// one of them is good, and one is for that tenant (in any letter case). Else it
// returns a *bridge.Rejection: the first bad token's reason, TokenMissing or
// TokenTenant.
func (v Verdict) Covers(tenantID string) error {
	if len(v.Checked) == 0 {
		return &bridge.Rejection{Reason: bridge.TokenMissing}
	}
	if reason := v.bad(); reason != "" {
		return &bridge.Rejection{Reason: reason}
	}
	covered := func(c Checked) bool { return equalFold(c.Tenant, tenantID) }
	if !slices.ContainsFunc(v.Checked, covered) {
		return &bridge.Rejection{Reason: bridge.TokenTenant}
	}
	return nil
}

// bad returns the reason of the first bad token, "" if there is none.
func (v Verdict) bad() bridge.Reason {
	for i := range v.Checked {
		if r := v.Checked[i].Reason; r != "" {
			return r
		}
	}
	return ""
}

// Rejudge gives the verdict that the tokens of an earlier POST would get by
// today's configuration as of the time of their receipt: all is judged again
// but the signatures, for which checked has the last word (DESIGN §7).
func (v *Verifier) Rejudge(checked []Checked, received time.Time) Verdict {
	again := Verdict{Checked: slices.Clone(checked)}
	for i := range again.Checked {
		c := &again.Checked[i]
		c.Tenant = ""
		if !c.SignatureValid {
			if c.Reason == "" {
				c.Reason = bridge.TokenSignature
			}
			continue
		}
		claims, err := parseClaims([]byte(c.Claims))
		if err != nil {
			c.Reason = bridge.TokenMalformed
			continue
		}
		if c.Reason = v.rules.judge(claims, received); c.Reason == "" {
			c.Tenant = strings.ToLower(claims.Tenant)
		}
	}
	return again
}

// equalFold compares without regard to the case of ASCII letters; unlike
// strings.EqualFold it knows no look-alikes.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
