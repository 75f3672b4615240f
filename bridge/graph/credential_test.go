package graph_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"meetbridge/bridge/graph"
)

func getToken(t *testing.T, c azcore.TokenCredential) (string, error) {
	t.Helper()
	token, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
	return token.Token, err
}

// A token is kept, and replaced when half of its life is over, so that a
// subscription is never tied to one that is about to end.
func TestTokenIsReplacedAtHalfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		cred, _ := f.credential(t)
		for range 3 * 24 * 12 { // three days, every five minutes
			token, err := getToken(t, cred)
			if err != nil {
				t.Fatal(err)
			}
			grant, err := graph.TokenRoles(token)
			if left := time.Until(grant.Expires); err != nil || left < 29*time.Minute {
				t.Fatalf("a token with %s left, error %v", left, err)
			}
			time.Sleep(5 * time.Minute)
		}
		if made, _ := f.tokens(); made < 120 || made > 145 {
			t.Errorf("%d tokens in three days, want two an hour", made)
		}
	})
}

// While the authority is away, a token that still works stays in use; after it,
// the error says why there is none, and all is well once it is back.
func TestAuthorityAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		cred, _ := f.credential(t)
		first, err := getToken(t, cred)
		if err != nil {
			t.Fatal(err)
		}
		f.set(func(f *far) {
			f.token = func(w http.ResponseWriter) { answer(w, 503, "<html>busy</html>") }
		})
		for range 58 {
			time.Sleep(time.Minute)
			if token, err := getToken(t, cred); err != nil || token != first {
				t.Fatalf("another token, or error %v", err)
			}
		}
		time.Sleep(2 * time.Minute)
		_, err = getToken(t, cred)
		var e *graph.CredentialError
		if !errors.As(err, &e) || e.Reason != graph.ReasonUnavailable || e.Status != 503 {
			t.Errorf("error %v", err)
		}
		f.set(func(f *far) { f.token = nil })
		time.Sleep(time.Second)
		if token, err := getToken(t, cred); err != nil || token == first {
			t.Errorf("no fresh token: %v", err)
		}
	})
}

// Many calls without a token make one request for one, and those that wait give
// up when their own time is over.
func TestOneRequestForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		f.delay = 3 * time.Second
		cred, _ := f.credential(t)
		all := func(want func(error) bool) {
			t.Helper()
			var calls sync.WaitGroup
			for i := range 50 {
				calls.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if i == 49 {
						ctx, cancel = context.WithTimeout(t.Context(), time.Second)
					}
					defer cancel()
					time.Sleep(time.Duration(i) * time.Millisecond)
					_, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"s"}})
					if i == 49 && !errors.Is(err, context.DeadlineExceeded) || i < 49 && !want(err) {
						t.Errorf("call %d: %v", i, err)
					}
				})
			}
			calls.Wait()
		}
		all(func(err error) bool { return err == nil })
		if _, asked := f.tokens(); asked != 1 {
			t.Errorf("%d requests, want 1", asked)
		}
		// Failures are shared as well, for a second.
		cred, _ = f.credential(t)
		f.set(func(f *far) { f.secret = "another" })
		all(func(err error) bool {
			var e *graph.CredentialError
			return errors.As(err, &e)
		})
		if _, asked := f.tokens(); asked != 2 {
			t.Errorf("%d requests in all, want 2", asked)
		}
	})
}

// The authority's Retry-After holds for everybody who wants a token.
func TestAuthorityThrottles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		f.token = func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "40")
			answer(w, 429, "")
		}
		cred, _ := f.credential(t)
		for range 35 {
			_, err := getToken(t, cred)
			var e *graph.CredentialError
			if !errors.As(err, &e) || e.Reason != graph.ReasonThrottled || e.RetryAfter != 40*time.Second {
				t.Fatalf("error %v", err)
			}
			time.Sleep(time.Second)
		}
		if _, asked := f.tokens(); asked != 1 {
			t.Errorf("%d requests, want 1", asked)
		}
	})
}

// A 401 means a token that is truly fresh, one for all who were refused; and no
// storm where Graph refuses every token.
func TestFreshTokenAfter401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		client := f.client(t)
		if err := client.Delete(t.Context(), graph.V1, subID); err != nil {
			t.Fatal(err)
		}
		f.revokeAll()
		time.Sleep(time.Minute)
		f.set(func(f *far) { f.delay = 2 * time.Second })
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := client.Create(t.Context(), graph.V1, wanted()); err != nil {
					var e *graph.Error
					if !errors.As(err, &e) || e.Code != graph.CodeUnreadable { // the far side answers 204
						t.Errorf("create: %v", err)
					}
				}
			})
		}
		calls.Wait()
		if made, _ := f.tokens(); made != 2 {
			t.Errorf("%d tokens made, want 2", made)
		}
		// Who comes when the old token is gone already is not refused at all.
		asked := f.requests()
		if n := len(asked); n < 22 || n > 41 {
			t.Errorf("%d requests, want 1, then up to 20 refused, then 20 sent again", n)
		}
		for _, a := range asked[1:] {
			if a.body == "" {
				t.Error("a request was sent again without its body")
			}
		}

		f.set(func(f *far) { f.delay = 0 })
		for range 50 { // every token is refused, 5 s apart
			f.revokeAll()
			var e *graph.Error
			if err := client.Delete(t.Context(), graph.V1, subID); err != nil && (!errors.As(err, &e) || e.Status != 401) {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		if made, _ := f.tokens(); made > 28 {
			t.Errorf("%d tokens made in 250 s of refusals", made)
		}
	})
}

// Invalidate makes the next call ask for a token at once.
func TestInvalidate(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	client := f.client(t)
	for range 3 {
		if err := client.Delete(t.Context(), graph.V1, subID); err != nil {
			t.Fatal(err)
		}
		client.Invalidate()
	}
	asked := f.requests()
	if made, _ := f.tokens(); made != 3 || asked[0].header.Get("Authorization") == asked[1].header.Get("Authorization") {
		t.Errorf("%d tokens made, want 3 different ones", made)
	}
}

// A credential that is not ours is asked each time, and a 401 is final.
func TestForeignCredential(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	client := f.client(t, func(c *graph.Config) { c.Credential = fixed("eyJ-a-token") })
	if err := client.Delete(t.Context(), graph.V1, subID); err != nil {
		t.Fatal(err)
	}
	f.revokeAll()
	var e *graph.Error
	if err := client.Delete(t.Context(), graph.V1, subID); !errors.As(err, &e) || e.Status != 401 {
		t.Errorf("error %v", err)
	}
	client.Invalidate()
	if _, err := client.Grant(t.Context()); err == nil || strings.Contains(err.Error(), "eyJ") {
		t.Errorf("error %v", err)
	}
}

type fixed string

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// What the token says is what the application may do.
func TestGrant(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	g, err := f.client(t).Grant(t.Context())
	if err != nil || g.AppID != clientID || g.TenantID != tenantID || strings.Join(g.Roles, " ") != "CallRecords.Read.All Chat.Read.All" || time.Until(g.Expires) < 59*time.Minute {
		t.Errorf("grant %+v, error %v", g, err)
	}
	for _, token := range []string{"", "a.b", "a.b.c.d", "a.!.c", "a.bm8.c", "a.eyJyb2xlcyI6N30.c", strings.Repeat("a.", 40000)} {
		if _, err := graph.TokenRoles(token); err == nil {
			t.Errorf("%.20q: no error", token)
		}
	}
}
