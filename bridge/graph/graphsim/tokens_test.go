package graphsim_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// claimsOf returns the header and the claims of a token.
func claimsOf(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	for i, v := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// Tokens of both versions have the documented claims, no more and no fewer, and
// the documented life; one POST holds one token for each app and tenant whose
// items carry their resource.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := config(r)
		cfg.BatchMax = 60
		play(t, cfg, graphsim.Limit{Items: 600})
		documented := map[string]map[string]any{}
		for ver, file := range map[string]string{"1.0": "docs-validation-token-v1-claims.json", "2.0": "docs-validation-token-v2-claims.json"} {
			documented[ver] = parse(t, sample(t, "claims", file))
		}
		different := map[string]bool{}
		mixed := 0
		for _, d := range r.acknowledged() {
			col := d.collection(t)
			rich := map[string]bool{}
			for _, n := range items(t, []delivery{d}) {
				if n.EncryptedContent != nil {
					rich[n.TenantID] = true
				}
			}
			tenants, pairs, versions := map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, tok := range col.ValidationTokens {
				different[tok] = true
				header, c := claimsOf(t, tok)
				ver := c["ver"].(string)
				want := slices.Sorted(maps.Keys(documented[ver]))
				if got := slices.Sorted(maps.Keys(c)); !slices.Equal(got, want) {
					t.Fatalf("claims of v%s: %v\nwant %v", ver, got, want)
				}
				for claim, v := range documented[ver] {
					if _, number := v.(float64); number != isNumber(c[claim]) {
						t.Errorf("claim %s is %v, documented %v", claim, c[claim], v)
					}
				}
				life := time.Duration(c["exp"].(float64)-c["nbf"].(float64)) * time.Second
				wantLife := time.Duration(documented[ver]["exp"].(float64)-documented[ver]["nbf"].(float64)) * time.Second
				if life != wantLife {
					t.Errorf("a v%s token lives %s, documented %s", ver, life, wantLife)
				}
				if header["alg"] != "RS256" || header["kid"] == "" || (header["x5t"] != nil) != (ver == "1.0") {
					t.Errorf("header %v of v%s", header, ver)
				}
				tid := c["tid"].(string)
				tenants[tid], versions[ver] = true, true
				if pair := tid + c["aud"].(string); pairs[pair] {
					t.Error("two tokens for one app and tenant")
				} else {
					pairs[pair] = true
				}
			}
			if !maps.Equal(tenants, rich) {
				t.Fatalf("tokens for %v, sealed items of %v", tenants, rich)
			}
			if len(versions) == 2 {
				mixed++
			}
		}
		if mixed < 5 {
			t.Errorf("%d POSTs mix token versions", mixed)
		}
		if len(different) != 2*2 {
			t.Errorf("%d different tokens for two apps of two tenants", len(different))
		}
	})
}

func isNumber(v any) bool {
	_, ok := v.(float64)
	return ok
}

// Keys rotate daily and when told to; a key is published before and after it is
// used, unless its rotation was not announced.
func TestKeyRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := &receiver{}, newPipeListener()
		cfg := config(r)
		cfg.Listener = l
		cfg.BatchMax = 1
		s := start(t, cfg)
		defer stop(t, s)
		client := l.client()
		defer client.CloseIdleConnections()
		c := &checker{key: newKey(), apps: cfg.AppIDs, authority: s.AuthorityURL(), sts: s.STSURL(), clientStates: cfg.ClientState}
		run := func(since int) {
			t.Helper()
			if err := s.Run(context.Background(), graphsim.Limit{Items: 60}); err != nil {
				t.Fatal(err)
			}
			for _, d := range r.received()[since:] {
				col := d.collection(t)
				for _, raw := range col.Value {
					if reason, _ := c.verdict(raw, col.ValidationTokens, d.at); reason != "" {
						t.Fatalf("an item after %d POSTs: %s", since, reason)
					}
				}
			}
		}
		kids := func(since int) map[string]bool {
			out := map[string]bool{}
			for _, d := range r.received()[since:] {
				for _, tok := range d.collection(t).ValidationTokens {
					header, _ := claimsOf(t, tok)
					out[header["kid"].(string)] = true
				}
			}
			return out
		}
		c.fetchKeys(t, client)
		run(0)
		first := kids(0)
		time.Sleep(25 * time.Hour)
		n := len(r.received())
		run(n) // with the key set of yesterday
		second := kids(n)
		if len(first) != 1 || len(second) != 1 || maps.Equal(first, second) {
			t.Errorf("keys %v, a day later %v", first, second)
		}
		c.fetchKeys(t, client)
		if len(c.v1) != 3 || len(c.v2) != 3 {
			t.Errorf("%d and %d keys published, want the old, the new and the next", len(c.v1), len(c.v2))
		}
		for kid := range first {
			if c.v1[kid].public == nil {
				t.Error("the old key is not published any more")
			}
		}
	})
}

// An unannounced key is in the key set only from its first use on.
func TestUnannouncedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := &receiver{}, newPipeListener()
		cfg := config(r)
		cfg.Listener = l
		cfg.Faults.Every = map[graphsim.Fault]int{graphsim.RotateKeysUnannounced: 1}
		cfg.Faults.AtMost = map[graphsim.Fault]int{graphsim.RotateKeysUnannounced: 1}
		s := start(t, cfg)
		defer stop(t, s)
		client := l.client()
		defer client.CloseIdleConnections()
		c := &checker{authority: s.AuthorityURL()}
		c.fetchKeys(t, client)
		before := c.v2
		if err := s.Run(context.Background(), graphsim.Limit{Items: 60}); err != nil {
			t.Fatal(err)
		}
		c.fetchKeys(t, client)
		for _, d := range r.received() {
			for _, tok := range d.collection(t).ValidationTokens {
				header, _ := claimsOf(t, tok)
				kid := header["kid"].(string)
				if before[kid].public != nil || c.v2[kid].public == nil {
					t.Fatalf("key %s: published before %v, after %v", kid, before[kid].public != nil, c.v2[kid].public != nil)
				}
			}
		}
		if s.Summary().Faults[graphsim.RotateKeysUnannounced] != 1 {
			t.Error("the rotation did not happen")
		}
	})
}

// The openid configurations name issuers and key sets as Entra ID's do; v2.0
// keys name their issuer.
func TestAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		cfg := config(&receiver{})
		cfg.Listener, cfg.AuthorityURL = l, "http://entra.example/login"
		s := start(t, cfg)
		defer stop(t, s)
		client := l.client()
		defer client.CloseIdleConnections()
		for path, want := range map[string]string{
			"/common/.well-known/openid-configuration":      "http://entra.example/login/sts/{tenantid}/",
			"/common/v2.0/.well-known/openid-configuration": "http://entra.example/login/{tenantid}/v2.0",
		} {
			var conf struct {
				Issuer  string `json:"issuer"`
				JWKSURI string `json:"jwks_uri"`
			}
			getJSON(t, client, cfg.AuthorityURL+path, &conf)
			if conf.Issuer != want {
				t.Errorf("%s: issuer %s, want %s", path, conf.Issuer, want)
			}
			var set struct {
				Keys []struct {
					Kid, X5t, Issuer string
					X5c              []string
				}
			}
			getJSON(t, client, conf.JWKSURI, &set)
			for _, k := range set.Keys {
				v2 := strings.Contains(path, "v2.0")
				if (k.Issuer == want) != v2 || k.Kid != k.X5t || len(k.X5c) != 1 {
					t.Errorf("%s: key %+v", path, k)
				}
			}
			if len(set.Keys) != 2 {
				t.Errorf("%s: %d keys", path, len(set.Keys))
			}
		}
		resp, err := client.Get(cfg.AuthorityURL + "/common/other")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("unknown path: %d", resp.StatusCode)
		}
	})
}
