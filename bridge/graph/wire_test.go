package graph

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

const guid = "7f105c7d-2dc5-4530-97cd-4e7ae6534c07"

func TestParseTime(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-12-01T12:00:00Z":              noon,
		"2026-12-01T12:00:00.0000000Z":      noon,
		"2026-12-01T14:00:00.0000000+02:00": noon,
		"2026-12-01T12:00:00":               noon, // no zone: UTC
		"2026-12-01T12:00:00.3265566":       noon.Add(326556600),
		"1999-01-01T00:00:00Z":              time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		"9999-12-31T23:59:59.9999999Z":      time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC),
		"0001-01-01T00:00:00Z":              {},
		"0001-01-01T00:00:00+02:00":         {},
		"10000-01-01T00:00:00Z":             {},
		"2026-02-30T00:00:00Z":              {},
		"2026-12-01":                        {},
		"NA":                                {},
		"":                                  {},
	} {
		if got := parseTime(text); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	date := now.Add(time.Hour).Format(http.TimeFormat) // the far side's clock is an hour ahead
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"0", "", 0},
		{"-7", "", 0},
		{"1.5", "", 0},
		{"7200", "", time.Hour},
		{"18446744073709551616", "", 0},
		{"9223372036854775807", "", time.Hour},
		{now.Add(time.Minute).Format(http.TimeFormat), "", time.Minute},
		{now.Add(time.Hour + time.Minute).Format(http.TimeFormat), date, time.Minute},
		{now.Add(-time.Minute).Format(http.TimeFormat), "", 0},
		{now.AddDate(100, 0, 0).Format(http.TimeFormat), "junk", time.Hour},
		{"soon", "", 0},
		{"", "", 0},
	} {
		if got := retryAfter(tt.value, tt.date, now); got != tt.want {
			t.Errorf("%q at %q: %s, want %s", tt.value, tt.date, got, tt.want)
		}
	}
}

func TestExistingID(t *testing.T) {
	t.Parallel()
	const other = "516220d0-0f88-46cc-ac39-02b687687526"
	for text, want := range map[string]string{
		"Subscription Id <" + guid + "> already exists for the requested combination": guid,
		"Subscription Id " + strings.ToUpper(guid) + " already exists":                guid,
		"subscription ID '" + guid + "' of tenant " + other:                           guid,
		"Tenant " + other + ": Subscription Id " + guid + " already exists":           guid,
		"already there: " + guid:                                          guid,
		"one of " + guid + " and " + other:                                "",
		"Subscription Id <> already exists for the requested combination": "",
		"Subscription Id " + guid + "-1 already exists":                   "",
		"Subscription Id x" + guid:                                        "",
		"Subscription Id ../" + guid[:35] + "g":                           "",
		"Subscription Id {" + strings.ReplaceAll(guid, "-", "") + "}":     "",
		"": "",
	} {
		if got := existingID(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Every reason says what is wrong in one line, whatever the application logs in
// with, and those that a new file mends name it.
func TestReasons(t *testing.T) {
	t.Parallel()
	for _, r := range Reasons() {
		for _, kind := range []identityKind{bySecret, byCertificate, byToken} {
			e := &CredentialError{TenantID: "the-tenant", ClientID: "the-app", File: "/the/file", Reason: r, kind: kind, Status: 401, Code: aadsts + "1"}
			text := e.Error()
			if r == ReasonFile {
				e.err = errors.New("it is empty")
				text = e.Error()
			}
			named := strings.Contains(text, "/the/file")
			if strings.ContainsAny(text, "\n%") || !strings.Contains(text, "the-tenant") || !strings.Contains(text, "the-app") || (r.ofSecret() || r == ReasonFile) && !named {
				t.Errorf("%s: %s", r, text)
			}
		}
	}
}

func FuzzSubscription(f *testing.F) {
	for _, s := range []string{
		`{"id":"` + guid + `","expirationDateTime":"2026-12-01T11:00:00.0000000Z","clientState":null,"new":{"a":[1]}}`,
		`{"ID":"x","ExpirationDateTime":"2026-12-01T11:00:00"}`, `{"id":"../x","expirationDateTime":"9999-12-31T23:59:59-12:00"}`,
		`{"id":""}`, `{"id":7}`, `{"id":"a","id":"b"}`, `{"id":"a"`, `[]`, `null`, "\ufeff{\"id\":\"a\"}", `{"id":"` + "\xff" + `"}`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseSubscription(body)
		if err != nil {
			if s != (Subscription{}) {
				t.Errorf("%+v and an error", s)
			}
			return
		}
		if s.ID == "" || s.ExpirationDateTime.Location() != time.UTC {
			t.Errorf("%+v", s)
		}
		if sent, err := s.createBody(); err == nil { // what can be sent comes back the same
			s.ID, s.ApplicationID, s.CreatorID = "x", "", ""
			back, err := parseSubscription(append([]byte(`{"id":"x",`), sent[1:]...))
			s.ExpirationDateTime = s.ExpirationDateTime.Truncate(100)
			if err != nil || back != s {
				t.Errorf("%s\nread %+v\nwant %+v, error %v", sent, back, s, err)
			}
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{
		`{"error":{"code":"c","message":"Subscription Id <` + guid + `> already exists for the requested combination","innerError":{"date":"2025-02-13T10:17:05","request-id":"r"}}}`,
		`{"error":{"code":"","innererror":{"code":"x"}}}`, `{"error":"invalid_client","error_description":"AADSTS7000222: x","error_codes":[7000222],"trace_id":"` + guid + `"}`,
		`{"error":null}`, `{"error":7}`, `{"error":{"code":7}}`, `{"error":{"a":1,"a":2}}`, `{"error":{"message":"a\nb\u0000\u202e"}}`, `<html>`, ``, "\xff\xfe",
	} {
		f.Add([]byte(s), "5")
	}
	f.Fuzz(func(t *testing.T, body []byte, after string) {
		const secret = "mb1.k.secret"
		a := answer{op: OpCreate, status: 409, body: body, header: func(string) string { return after }, secrets: []string{secret}}
		e := a.problem(time.Unix(0, 0))
		if len(e.Message) > maxMessage || len(e.Code) > maxCode || len(e.RequestID) > maxCode || e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter {
			t.Errorf("%+v", e)
		}
		if e.ExistingID != "" {
			if id, err := uuid.Parse(e.ExistingID); err != nil || id.String() != e.ExistingID || checkID(e.ExistingID) != nil {
				t.Errorf("id %q", e.ExistingID)
			}
		}
		if s := e.Error(); !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, secret) {
			t.Errorf("error %q", s)
		}
		r := parseRefusal(body)
		if len(r.word) > 40 || len(r.code) > 40 || strings.ContainsFunc(r.word+r.code, func(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{
		`{"value":[{"id":"a"},{"id":"b"}],"@odata.nextLink":"https://graph.microsoft.com/v1.0/subscriptions?$skiptoken=x"}`,
		`{"value":[],"@odata.nextLink":"https://evil.example/v1.0/subscriptions"}`, `{"value":[],"@odata.nextLink":"//evil.example"}`,
		`{"value":[],"@odata.nextLink":"https://graph.microsoft.com\\@evil.example/v1.0/subscriptions"}`,
		`{"value":[],"@odata.nextLink":"https://graph.microsoft.com:444/v1.0/subscriptions"}`, `{"value":[],"@odata.nextLink":"?a"}`,
		`{"value":[],"@odata.nextLink":"http://graph.microsoft.com/v1.0/subscriptions"}`, `{"value":[1,null,{}]}`, `{"value":{}}`, `{}`, `[`, ``,
	} {
		f.Add([]byte(s))
	}
	base, err := checkBase("https://graph.microsoft.com")
	if err != nil {
		f.Fatal(err)
	}
	c := &Client{base: base}
	const first = "https://graph.microsoft.com/v1.0/subscriptions"
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _, link, err := parsePage(body)
		if err != nil {
			return
		}
		next, err := c.follow(first, link)
		if err != nil || next == "" {
			return
		}
		req, err := http.NewRequest(http.MethodGet, next, nil)
		if err != nil {
			t.Fatal(err)
		}
		if req.URL.Scheme != "https" || req.URL.User != nil || req.URL.Path != "/v1.0/subscriptions" ||
			req.URL.Host != "graph.microsoft.com" && !strings.EqualFold(req.URL.Host, "graph.microsoft.com") && !strings.EqualFold(req.URL.Host, "graph.microsoft.com:443") && !strings.EqualFold(req.URL.Host, "graph.microsoft.com:") {
			t.Errorf("%q leads to %q", link, next)
		}
	})
}

func FuzzBatch(f *testing.F) {
	for _, s := range []string{
		`{"responses":[{"id":"1","status":201,"body":{"id":"a"}},{"id":"2","status":429,"headers":{"Retry-After":"5"},"body":{"error":{"code":"x"}}}]}`,
		`{"responses":[{"id":"1","status":204},{"id":"1","status":404}]}`, `{"responses":[{"id":"9","status":200,"body":"eyJpZCI6ImEifQ=="}]}`,
		`{"responses":[{"id":1,"status":200},{"id":"2","status":"200"},{"id":"3","status":-1},null,7]}`,
		`{"responses":[{"id":"1","status":200,"headers":{"Retry-After":7},"body":null}]}`, `{"responses":{}}`, `{}`, `[`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answers, err := parseBatch(body)
		if err != nil {
			return
		}
		for _, a := range answers {
			a.op = OpGet
			r := a.result(answer{header: func(string) string { return "7" }})
			if r.Err == nil && r.Subscription.ID == "" || r.Err != nil && r.Subscription != (Subscription{}) {
				t.Errorf("%+v", r)
			}
		}
	})
}

func FuzzTokenRoles(f *testing.F) {
	for _, s := range []string{"h.eyJyb2xlcyI6WyJhIl0sImV4cCI6MTc5NjAwMDAwMH0.s", "h.eyJleHAiOjFlMzA4fQ.s", "h.e30=.s", "..", "a.b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if g, err := TokenRoles(token); err == nil && g.Expires.Location() != time.UTC {
			t.Errorf("%+v", g)
		}
	})
}
