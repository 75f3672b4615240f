package graph_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph"
)

var expires = time.Date(2026, 12, 1, 11, 0, 0, 0, time.UTC)

func wanted() graph.Subscription {
	return graph.Subscription{
		ChangeType: "created,updated", Resource: "chats/getAllMessages", ClientState: clientState,
		NotificationURL: "https://bridge.example/graph/notifications", LifecycleNotificationURL: "https://bridge.example/graph/lifecycle",
		ExpirationDateTime: expires.In(time.FixedZone("", 3600)), IncludeResourceData: true,
		EncryptionCertificate: "TUlJ", EncryptionCertificateID: "key-1",
		ID: "never sent", ApplicationID: "never sent", CreatorID: "never sent",
	}
}

const answered = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity","id":"` + subID + `","resource":"chats/getAllMessages",
"applicationId":"` + clientID + `","changeType":"created,updated","clientState":"` + clientState + `","notificationUrl":"https://bridge.example/graph/notifications",
"expirationDateTime":"2026-12-01T11:00:00.0000000Z","includeResourceData":true,"notificationContentType":"application/json","encryptionCertificate":null}`

// Each call is the request that Graph documents, and its answer is read.
func TestCalls(t *testing.T) {
	t.Parallel()
	created := `{"changeType":"created,updated","resource":"chats/getAllMessages","notificationUrl":"https://bridge.example/graph/notifications","lifecycleNotificationUrl":"https://bridge.example/graph/lifecycle","clientState":"` + clientState + `","expirationDateTime":"2026-12-01T11:00:00.0000000Z","includeResourceData":true,"encryptionCertificate":"TUlJ","encryptionCertificateId":"key-1"}`
	tests := map[string]struct {
		call               func(context.Context, *graph.Client) (graph.Subscription, error)
		status             int
		body               string
		method, path, sent string
	}{
		"create": {func(ctx context.Context, c *graph.Client) (graph.Subscription, error) {
			return c.Create(ctx, graph.V1, wanted())
		}, 201, answered, "POST", "/v1.0/subscriptions", created},
		"create in beta": {func(ctx context.Context, c *graph.Client) (graph.Subscription, error) {
			return c.Create(ctx, graph.Beta, wanted())
		}, 201, answered, "POST", "/beta/subscriptions", created},
		"get": {func(ctx context.Context, c *graph.Client) (graph.Subscription, error) {
			return c.Get(ctx, graph.V1, subID)
		}, 200, answered, "GET", "/v1.0/subscriptions/" + subID, ""},
		"update": {func(ctx context.Context, c *graph.Client) (graph.Subscription, error) {
			return c.Update(ctx, graph.V1, subID, graph.Patch{ExpirationDateTime: expires, EncryptionCertificate: "TUlJ", EncryptionCertificateID: "key-2"})
		}, 200, answered, "PATCH", "/v1.0/subscriptions/" + subID, `{"expirationDateTime":"2026-12-01T11:00:00.0000000Z","encryptionCertificate":"TUlJ","encryptionCertificateId":"key-2"}`},
		"reauthorize": {func(ctx context.Context, c *graph.Client) (graph.Subscription, error) {
			return graph.Subscription{}, c.Reauthorize(ctx, graph.Beta, subID)
		}, 204, "", "POST", "/beta/subscriptions/" + subID + "/reauthorize", ""},
		"delete": {func(ctx context.Context, c *graph.Client) (graph.Subscription, error) {
			return graph.Subscription{}, c.Delete(ctx, graph.V1, subID)
		}, 204, "", "DELETE", "/v1.0/subscriptions/" + subID, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			f.graph = func(w http.ResponseWriter, _ *http.Request) {
				if tt.body == "" {
					w.WriteHeader(tt.status)
					return
				}
				answer(w, tt.status, tt.body)
			}
			got, err := tt.call(t.Context(), f.client(t))
			if err != nil {
				t.Fatal(err)
			}
			asked := f.requests()
			if len(asked) != 1 {
				t.Fatalf("%d requests, want 1", len(asked))
			}
			a := asked[0]
			if a.method != tt.method || a.path != tt.path || a.body != tt.sent {
				t.Errorf("asked %s %s\n%s\nwant %s %s\n%s", a.method, a.path, a.body, tt.method, tt.path, tt.sent)
			}
			if len(a.header.Get("client-request-id")) != 36 || a.header.Get("User-Agent") != "meetbridge" {
				t.Errorf("headers %v", a.header)
			}
			if prefers := a.header.Get("Prefer") == "include-unknown-enum-members"; prefers != (a.path == "/v1.0/subscriptions" || a.path == "/beta/subscriptions") {
				t.Errorf("prefers unknown members: %t", prefers)
			}
			if tt.body != "" && (got.ID != subID || !got.ExpirationDateTime.Equal(expires) || got.ClientState != clientState || !got.IncludeResourceData) {
				t.Errorf("read %+v", got)
			}
		})
	}
}

// What Graph refuses comes back as a value that names the reason, and nothing
// secret is in it (I4).
func TestErrors(t *testing.T) {
	t.Parallel()
	graphError := func(code, message string) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"date":"2026-02-13T10:17:05","request-id":"93b6f17e-c05d-4f45-ad2a-6665c708d8a0","client-request-id":"x"}}}`, code, message)
	}
	tests := map[string]struct {
		status     int
		retryAfter string
		body       string
		want       graph.Error
	}{
		"handshake":          {400, "", graphError("InvalidRequest", "Subscription validation request timed out."), graph.Error{Code: "InvalidRequest", Message: "Subscription validation request timed out."}},
		"forbidden":          {403, "", graphError("Forbidden", "quota"), graph.Error{Code: "Forbidden", Message: "quota"}},
		"gone":               {404, "", graphError("ResourceNotFound", "The object was not found."), graph.Error{Code: "ResourceNotFound", Message: "The object was not found."}},
		"exists":             {409, "", graphError("ExtensionError", "Subscription Id <"+strings.ToUpper(subID)+"> already exists for the requested combination"), graph.Error{Code: "ExtensionError", Message: "Subscription Id <" + strings.ToUpper(subID) + "> already exists for the requested combination", ExistingID: subID}},
		"exists, no GUID":    {409, "", graphError("Conflict", "Subscription Id ../../me already exists"), graph.Error{Code: "Conflict", Message: "Subscription Id ../../me already exists"}},
		"throttled":          {429, "5", graphError("TooManyRequests", "Too many requests"), graph.Error{Code: "TooManyRequests", Message: "Too many requests", RetryAfter: 5 * time.Second}},
		"throttled for ever": {429, "99999999999", "", graph.Error{RetryAfter: time.Hour}},
		"until a date":       {503, "Tue, 01 Dec 2026 11:02:00 GMT", "", graph.Error{RetryAfter: 2 * time.Minute}},
		"a proxy's page":     {502, "soon", "<html>\r\n<b>Bad\x00 Gateway</b>", graph.Error{Message: "no error of Graph's, but <html> <b>Bad Gateway</b>"}},
		"nothing":            {500, "", "", graph.Error{}},
		"Entra's form":       {400, "", `{"error":"invalid_request","error_description":"no"}`, graph.Error{Code: "invalid_request", Message: "no"}},
		"wrong types":        {400, "", `{"error":{"code":7,"message":{"lang":"en"}}}`, graph.Error{}},
		"error in a 200":     {200, "", graphError("ServiceUnavailable", "try later"), graph.Error{Code: "ServiceUnavailable", Message: "try later"}},
		"secrets echoed":     {400, "", graphError("InvalidRequest", "clientState "+clientState+" is bad"), graph.Error{Code: "InvalidRequest", Message: "clientState … is bad"}},
		"redirect":           {307, "", "", graph.Error{Message: "a redirect, which is not followed"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			f.graph = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", f.URL+"/v1.0/elsewhere")
				w.Header().Set("Date", "Tue, 01 Dec 2026 11:00:00 GMT")
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				answer(w, tt.status, tt.body)
			}
			_, err := f.client(t).Create(t.Context(), graph.V1, wanted())
			var got *graph.Error
			if !errors.As(err, &got) {
				t.Fatalf("error %v is no *graph.Error", err)
			}
			want := tt.want
			want.Op, want.Status, want.RequestID = graph.OpCreate, tt.status, "93b6f17e-c05d-4f45-ad2a-6665c708d8a0"
			want.ClientRequestID = f.requests()[0].header.Get("client-request-id")
			if *got != want {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
			if n := len(f.requests()); n != 1 {
				t.Errorf("%d requests, want 1: the renewer decides when to come back", n)
			}
			if strings.Contains(err.Error(), clientState) || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("error %q", err)
			}
		})
	}
}

// A success that makes no sense is an error of its own, and may have happened.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "OK", "cut off": answered[:len(answered)/2], "no object": `[` + answered + `]`,
		"no id": `{"resource":"chats"}`, "a path for an id": `{"id":"../users/x"}`, "id is null": `{"id":null}`, "id is a number": `{"id":7}`,
		"two ids": `{"id":"a","id":"b"}`, "more behind it": answered + "x", "deep": strings.Repeat(`{"a":`, 20000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			f.graph = func(w http.ResponseWriter, _ *http.Request) { answer(w, 201, body) }
			_, err := f.client(t).Create(t.Context(), graph.V1, wanted())
			var got *graph.Error
			if !errors.As(err, &got) || got.Status != 201 || got.Code != graph.CodeUnreadable {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Answers are bounded, also those that unpack to more, and those that end early
// are no answers (I11).
func TestAnswerBounds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		write func(http.ResponseWriter)
		large bool
	}{
		"huge":     {func(w http.ResponseWriter) { answer(w, 200, `{"id":"`+strings.Repeat("x", 1<<16)) }, true},
		"huge 404": {func(w http.ResponseWriter) { answer(w, 404, strings.Repeat("x", 1<<16)) }, true},
		"cut off": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "500")
			answer(w, 200, answered[:100])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			f.graph = func(w http.ResponseWriter, _ *http.Request) { tt.write(w) }
			client := f.client(t, func(c *graph.Config) { c.MaxBody = 4096 })
			_, err := client.Get(t.Context(), graph.V1, subID)
			if err == nil || errors.Is(err, graph.ErrAnswerTooLarge) != tt.large {
				t.Errorf("error %v", err)
			}
			if n := len(f.requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// An id is one plain segment of a path or is not used at all.
func TestBadIDs(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	client := f.client(t)
	for _, id := range []string{"", ".", "..", "a/b", "../users/x", `a\b`, "a%2fb", "a?b", "a#b", "a b", "é", "a\n", strings.Repeat("a", 129)} {
		if _, err := client.Get(t.Context(), graph.V1, id); !errors.Is(err, graph.ErrBadID) {
			t.Errorf("get %q: %v", id, err)
		}
		if err := client.Delete(t.Context(), graph.V1, id); !errors.Is(err, graph.ErrBadID) {
			t.Errorf("delete %q: %v", id, err)
		}
		results, err := client.Batch(t.Context(), graph.V1, []graph.Call{{Op: graph.OpDelete, ID: id}})
		if err != nil || !errors.Is(results[0].Err, graph.ErrBadID) {
			t.Errorf("batch with %q: %v, %v", id, results, err)
		}
	}
	if _, err := client.Get(t.Context(), "v1.0/../me", subID); err == nil {
		t.Error("an API version with a path was taken")
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// What Graph would not understand is not sent.
func TestNotSent(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	client := f.client(t)
	for name, patch := range map[string]graph.Patch{
		"empty": {}, "certificate alone": {EncryptionCertificate: "TUlJ", EncryptionCertificateID: "k"},
		"far future": {ExpirationDateTime: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := client.Update(t.Context(), graph.V1, subID, patch); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	s := wanted()
	s.ExpirationDateTime = time.Time{}
	if _, err := client.Create(t.Context(), graph.V1, s); err == nil {
		t.Error("create without an expiration: no error")
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// Before is asked before each request, also before one that is sent again, and
// its word is final.
func TestBefore(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	deposed := errors.New("no longer the leader")
	var ops []graph.Op
	client := f.client(t, func(c *graph.Config) {
		c.Before = func(_ context.Context, op graph.Op) error {
			if ops = append(ops, op); len(ops) > 2 {
				return deposed
			}
			return nil
		}
	})
	if err := client.Delete(t.Context(), graph.V1, subID); err != nil {
		t.Fatal(err)
	}
	f.revokeAll()
	client.Invalidate()
	if err := client.Reauthorize(t.Context(), graph.V1, subID); err != nil {
		t.Fatal(err)
	}
	if _, err := client.List(t.Context(), graph.V1); !errors.Is(err, deposed) {
		t.Errorf("error %v, want that of Before", err)
	}
	if got := fmt.Sprint(ops); got != "[delete reauthorize list]" {
		t.Errorf("asked before %s", got)
	}
	if n := len(f.requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// Logs say which request it was, and hold no token, secret or clientState (I4).
func TestLog(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.graph = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, 201, answered)
	}
	var buf bytes.Buffer
	log := slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cred := f.credentialOf(t, graph.CredentialConfig{SecretFile: writeFile(t, "secret", goodSecret), Log: log})
	client := f.client(t, func(c *graph.Config) { c.Log, c.Credential = log, cred })
	s, err := client.Create(t.Context(), graph.V1, wanted())
	if err != nil {
		t.Fatal(err)
	}
	log.Info("made", "subscription", s)
	log.Info("made", "subscription", s.String())
	out := buf.String()
	for _, want := range []string{"op=create", "status=201", "request_id=93b6f17e-", "client_request_id=" + f.requests()[0].header.Get("client-request-id"), "tenant_id=" + tenantID} {
		if !strings.Contains(out, want) {
			t.Errorf("log lacks %q", want)
		}
	}
	for _, secret := range []string{clientState, goodSecret, "eyJ", "TUlJ"} {
		if strings.Contains(out, secret) {
			t.Errorf("log holds %q:\n%s", secret, out)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	cred, _ := f.credential(t)
	for _, base := range []string{"http://graph.microsoft.com", "graph.microsoft.com", "https://", "https://u:p@graph.microsoft.com", "https://graph.microsoft.com?x", "https://graph.microsoft.com#x", "https:graph", "\x00"} {
		_, err := graph.New(graph.Config{BaseURL: base, Credential: cred})
		if err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("base URL %q: error %v", base, err)
		}
	}
	if _, err := graph.New(graph.Config{}); err == nil {
		t.Error("no credential: no error")
	}
	if _, err := graph.New(graph.Config{Credential: cred}); err != nil {
		t.Errorf("the global cloud by default: %v", err)
	}
}
