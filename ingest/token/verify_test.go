package token_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/ingest/token"
)

// at is when the tokens of these tests are judged.
func at() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

func reason(tb testing.TB, err error) bridge.Reason {
	tb.Helper()
	if err == nil {
		return ""
	}
	var r *bridge.Rejection
	if !errors.As(err, &r) {
		tb.Fatalf("error is no rejection: %v", err)
	}
	return r.Reason
}

// TestVerifyDocumented passes the documented tokens of both versions, mixed in
// one POST, and lets each cover its own tenant alone.
func TestVerifyDocumented(t *testing.T) {
	t.Parallel()
	s := readSigner(t, "a")
	v := newAuthority(t, s).verifier(t)
	v1, v2 := documented(t, "v1"), documented(t, "v2")
	within := func(c object) time.Time { return time.Unix(int64(c["nbf"].(float64)), 0).Add(time.Hour) }
	now := within(v2)
	verdict := verify(t, v, now, s.sign(t, v1.with(object{"nbf": now.Unix(), "exp": now.Unix() + 3600})), s.sign(t, v2))
	for tenant, want := range map[string]bridge.Reason{
		tenantA: "", tenantB: "", strings.ToUpper(tenantB): "",
		"": bridge.TokenTenant, "00000000-0000-0000-0000-000000000000": bridge.TokenTenant, tenantA + " ": bridge.TokenTenant,
	} {
		if got := reason(t, verdict.Covers(tenant)); got != want {
			t.Errorf("tenant %q: reason %q, want %q", tenant, got, want)
		}
	}
	if got := reason(t, verify(t, v, within(v1), s.sign(t, v1)).Covers(tenantA)); got != "" {
		t.Errorf("v1 as documented: %q", got)
	}
	for _, c := range verdict.Checked {
		if !c.SignatureValid || c.Reason != "" || !strings.HasPrefix(c.Claims, "{") || !strings.Contains(c.Claims, c.Tenant) {
			t.Errorf("checked: %+v", c)
		}
	}
}

// TestVerifyPOST: what the tokens of one POST prove together.
func TestVerifyPOST(t *testing.T) {
	t.Parallel()
	s := readSigner(t, "a")
	a := newAuthority(t, s)
	v := a.verifier(t)
	now := at()
	forB := s.sign(t, claims(t, now))
	forA := s.sign(t, documented(t, "v1").with(object{"nbf": now.Unix(), "exp": now.Unix() + 3600}))
	late := s.sign(t, claims(t, now).with(object{"exp": now.Unix() - 3600}))
	wrong := s.sign(t, claims(t, now).with(object{"aud": "x"}))
	for _, c := range []struct {
		name   string
		tokens []string
		tenant string
		want   bridge.Reason
	}{
		{"none", nil, tenantB, bridge.TokenMissing},
		{"an empty list", []string{}, tenantB, bridge.TokenMissing},
		{"one that was no string", []string{""}, tenantB, bridge.TokenMalformed},
		{"of another tenant", []string{forA}, tenantB, bridge.TokenTenant},
		{"of both tenants", []string{forA, forB}, tenantB, ""},
		{"a bad one after the good one", []string{forB, late}, tenantB, bridge.TokenExpired},
		{"the first bad one counts", []string{forB, wrong, late}, tenantB, bridge.TokenAudience},
		{"256 alike", slices.Repeat([]string{forB}, 256), tenantB, ""},
		{"257", slices.Repeat([]string{forB}, 257), tenantB, bridge.TokenMalformed},
		{"1,000", slices.Repeat([]string{forB}, 1000), tenantB, bridge.TokenMalformed},
	} {
		if got := reason(t, verify(t, v, now, c.tokens...).Covers(c.tenant)); got != c.want {
			t.Errorf("%s: reason %q, want %q", c.name, got, c.want)
		}
	}
	if reason(t, token.Verdict{}.Covers(tenantB)) != bridge.TokenMissing {
		t.Error("the zero verdict covers")
	}
}

// TestKeyIssuer: a key that names an issuer signs for that tenant alone.
func TestKeyIssuer(t *testing.T) {
	t.Parallel()
	s := readSigner(t, "a")
	now := at()
	v2 := s.sign(t, claims(t, now))
	v1 := s.sign(t, documented(t, "v1").with(object{"nbf": now.Unix(), "exp": now.Unix() + 3600}))
	for _, c := range []struct {
		issuer string
		v1, v2 bridge.Reason
	}{
		{authorityURL + "/{tenantid}/v2.0", "", ""},
		{authorityURL + "/{tenantId}/v2.0", "", ""},
		{"https://sts.windows.net/{tenantid}/", "", ""},
		{authorityURL + "/" + tenantB + "/v2.0", bridge.TokenIssuer, ""},
		{authorityURL + "/" + tenantA + "/v2.0", "", bridge.TokenIssuer},
		{authorityURL + "/{tenantid}/v2.0/", bridge.TokenIssuer, bridge.TokenIssuer},
		{"https://evil.example/{tenantid}/", bridge.TokenIssuer, bridge.TokenIssuer},
		{"{tenantid}", bridge.TokenIssuer, bridge.TokenIssuer},
	} {
		for _, both := range []bool{true, false} { // in both sets, or in that of version 2.0 beside one without a name
			a := newAuthority(t, s)
			named := s.jwk(object{"issuer": c.issuer})
			a.publishRaw(named)
			if !both {
				a.keys[0] = []object{s.jwk(nil)}
			}
			v := a.verifier(t)
			for version, want := range map[string]bridge.Reason{v1: c.v1, v2: c.v2} {
				checked := verify(t, v, now, version).Checked[0]
				if checked.Reason != want || checked.SignatureValid != (want == "") {
					t.Errorf("key of %s, both %t: %+v, want %q", c.issuer, both, checked, want)
				}
			}
		}
	}
}

// TestRejudge judges again what quarantine kept, all but the signatures.
func TestRejudge(t *testing.T) {
	t.Parallel()
	s := readSigner(t, "a")
	now := at()
	a := newAuthority(t, s)
	// An application that was forgotten in the configuration at first.
	before, err := token.New(token.Config{AppIDs: []string{appA}, HTTP: &http.Client{Transport: a}})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	good := s.sign(t, claims(t, now))
	forged := signer{s.id, readSigner(t, "b").key}.sign(t, claims(t, now))
	unknown := signer{"nobody", s.key}.sign(t, claims(t, now))
	after := a.verifier(t)
	for _, c := range []struct {
		name     string
		token    string
		received time.Time
		was, is  bridge.Reason
	}{
		{"audience mended", good, now, bridge.TokenAudience, ""},
		{"audience mended, then expired", good, now.Add(48 * time.Hour), bridge.TokenAudience, bridge.TokenExpired},
		{"forged", forged, now, bridge.TokenSignature, bridge.TokenSignature},
		{"key never known", unknown, now, bridge.TokenUnknownKey, bridge.TokenUnknownKey},
		{"no JWT", "x", now, bridge.TokenMalformed, bridge.TokenMalformed},
	} {
		first := verify(t, before, now, c.token)
		if got := reason(t, first.Covers(tenantB)); got != c.was {
			t.Errorf("%s: at first %q, want %q", c.name, got, c.was)
		}
		again := after.Rejudge(first.Checked, c.received)
		if got := reason(t, again.Covers(tenantB)); got != c.is {
			t.Errorf("%s: judged again %q, want %q", c.name, got, c.is)
		}
		if first.Checked[0].Tenant != "" {
			t.Errorf("%s: the first verdict was changed", c.name)
		}
	}
	// What claims to be valid but holds no claims, or says nothing of why not.
	for _, c := range []struct {
		checked token.Checked
		want    bridge.Reason
	}{
		{token.Checked{SignatureValid: true, Claims: "hello"}, bridge.TokenMalformed},
		{token.Checked{Claims: payload(t, good)}, bridge.TokenSignature},
	} {
		if got := reason(t, after.Rejudge([]token.Checked{c.checked}, now).Covers(tenantB)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.checked, got, c.want)
		}
	}
}

// TestNew names the flag that is wrong.
func TestNew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ authority, sts, app, want string }{
		{"", "", "", ""},
		{"https://login.microsoftonline.us/", "https://sts.windows.net/", appA, ""},
		{"http://127.0.0.1:8090", "http://localhost:8090", appA, ""},
		{"http://[::1]:8090/base", "", appA, ""},
		{"http://login.microsoftonline.com", "", appA, "--entra-authority"},
		{"http://127.0.0.1.evil.example", "", appA, "--entra-authority"},
		{"http://10.0.0.1", "", appA, "--entra-authority"},
		{"", "http://sts.windows.net", appA, "--entra-sts"},
		{"login.microsoftonline.com", "", appA, "--entra-authority"},
		{"ftp://127.0.0.1", "", appA, "--entra-authority"},
		{"https://user:word@host", "", appA, "--entra-authority"},
		{"https://host?x=y", "", appA, "--entra-authority"},
		{"", "https://", appA, "--entra-sts"},
		{"", "", " ", "--app-ids"},
		{"", "", "sim", "GUIDs"},
		{"", "", "{" + appA + "}", "GUIDs"},
	} {
		cfg := token.Config{Authority: c.authority, STS: c.sts}
		if c.app != "" {
			cfg.AppIDs = []string{c.app}
		}
		v, err := token.New(cfg)
		if v != nil {
			v.Close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}

func FuzzVerifyToken(f *testing.F) {
	s := readSigner(f, "a")
	now := at()
	good := s.sign(f, claims(f, now))
	parts := strings.Split(good, ".")
	for _, t := range []string{
		"", "..", "a.b.c", good, good + "=", good[:len(good)-1], parts[0] + "." + parts[1] + ".",
		encode(f, object{"alg": "none"}) + "." + parts[1] + ".",
		encode(f, object{"alg": "RS256", "kid": "../x", "jku": "https://evil.example"}) + "." + parts[1] + "." + parts[2],
		s.sign(f, object{"exp": "1"}), s.sign(f, claims(f, now).with(object{"aud": []string{"x", appB}})),
		s.signWith(f, s.header().with(object{"crit": []string{"x"}}), object{}),
	} {
		f.Add(t)
	}
	v := newAuthority(f, s).verifier(f)
	f.Fuzz(func(t *testing.T, text string) {
		verdict, err := v.Verify(t.Context(), []string{text, text}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range verdict.Checked {
			if c.Reason == "" && text != good {
				t.Errorf("passed: %q", text)
			}
			if (c.Reason == "") != (c.Tenant != "") || c.Reason == "" && !c.SignatureValid {
				t.Errorf("contradicts itself: %+v", c)
			}
		}
		if verdict.Checked[0] != verdict.Checked[1] {
			t.Errorf("judged otherwise the second time: %+v", verdict.Checked)
		}
		// The verdict of a replay never is better than that of the receipt.
		if again := v.Rejudge(verdict.Checked, now); again.Covers(tenantB) == nil && verdict.Covers(tenantB) != nil {
			t.Errorf("passed when judged again: %+v", again)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := readSigner(b, "a")
	now := at()
	b.Run("remembered", func(b *testing.B) {
		v := newAuthority(b, s).verifier(b)
		tokens := []string{s.sign(b, claims(b, now))}
		verify(b, v, now, tokens...)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				verdict, err := v.Verify(b.Context(), tokens, now)
				if err != nil || verdict.Covers(tenantB) != nil {
					b.Error("not good")
				}
			}
		})
	})
	b.Run("new", func(b *testing.B) {
		v := newAuthority(b, s).verifier(b)
		// More tokens than are remembered would take too long to make: bad ones
		// go the same way to its end, and are never remembered.
		tokens := []string{s.sign(b, claims(b, now).with(object{"azp": fmt.Sprint(now)}))}
		verify(b, v, now, tokens...)
		b.ReportAllocs()
		for b.Loop() {
			if verdict, err := v.Verify(b.Context(), tokens, now); err != nil || !verdict.Checked[0].SignatureValid {
				b.Error("not checked to the end")
			}
		}
	})
}
