package graph_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph"
)

// page returns one page of a list, as Graph writes it.
func page(next string, items ...string) string {
	link := ""
	if next != "" {
		link = fmt.Sprintf(`,"@odata.nextLink":%q`, next)
	}
	return `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#subscriptions","value":[` + strings.Join(items, ",") + `]` + link + `}`
}

func item(id string) string {
	return fmt.Sprintf(`{"id":%q,"clientState":null,"changeType":"created","resource":"chats","expirationDateTime":"2026-12-01T11:00:00Z"}`, id)
}

func TestList(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.graph = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("$skiptoken") {
		case "":
			answer(w, 200, page(f.URL+"/v1.0/subscriptions?$skiptoken=a%2Fb", item("1"), `{"resource":"chats"}`, `7`, item("a/b"), item("2")))
		case "a/b":
			answer(w, 200, page("?$skiptoken=last")) // an empty page, and a relative link
		default:
			answer(w, 200, page("", item("3")))
		}
	}
	got, err := f.client(t).List(t.Context(), graph.V1)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].ID != "1" || got[1].ID != "2" || got[2].ID != "3" || got[2].ClientState != "" {
		t.Errorf("listed %v", got)
	}
	if n := len(f.requests()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

// A link to the next page takes the token nowhere but to the same list.
func TestListLinks(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]string{
		"another host":    "https://evil.example/v1.0/subscriptions?$skiptoken=1",
		"another host //": "//evil.example/v1.0/subscriptions",
		"a host like it":  "https://127.0.0.1.evil.example/v1.0/subscriptions?a",
		"a user":          "https://127.0.0.1:443@evil.example/v1.0/subscriptions?a",
		"own user":        "https://u:p@127.0.0.1/v1.0/subscriptions?a",
		"plain http":      "http://127.0.0.1:443/v1.0/subscriptions?a",
		"another scheme":  "file:///v1.0/subscriptions?a",
		"another port":    "https://127.0.0.1:444/v1.0/subscriptions?a",
		"another path":    "https://127.0.0.1:443/v1.0/me/messages?a",
		"dots":            "https://127.0.0.1:443/v1.0/subscriptions/../users?a",
		"another version": "https://127.0.0.1:443/beta/subscriptions?a",
		"no URL":          "https://127.0.0.1:x/%zz",
		"backslash":       `https://127.0.0.1\@evil.example/v1.0/subscriptions?a`,
		"itself":          "https://127.0.0.1:443/v1.0/subscriptions",
		"a long one":      "https://127.0.0.1:443/v1.0/subscriptions?" + strings.Repeat("a", 1<<14),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			f.graph = func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, page(link, item("1"))) }
			got, err := f.client(t).List(t.Context(), graph.V1)
			if !errors.Is(err, graph.ErrBadList) || got != nil {
				t.Errorf("listed %v, error %v", got, err)
			}
			if n := len(f.requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// Every request is for one host, so the network of the test proves that no
// token went to another: it would have got there all the same.
func TestListLoops(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	f.graph = func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "1", "1": "2", "2": "1"}[r.URL.RawQuery]
		answer(w, 200, page("?"+next, item("1")))
	}
	pages := 0
	for _, err := range f.client(t).Pages(t.Context(), graph.V1) {
		if err != nil && !errors.Is(err, graph.ErrBadList) {
			t.Fatal(err)
		}
		pages++
	}
	if pages != 3 || len(f.requests()) != 3 { // two good ones, then the error
		t.Errorf("%d pages from %d requests, want 3 and 3", pages, len(f.requests()))
	}
}

// A list without end ends.
func TestListIsBounded(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	n := 0
	f.graph = func(w http.ResponseWriter, _ *http.Request) {
		n++
		answer(w, 200, page(fmt.Sprint("?", n)))
	}
	if _, err := f.client(t).List(t.Context(), graph.Beta); !errors.Is(err, graph.ErrBadList) {
		t.Errorf("error %v", err)
	}
	if n != 1000 {
		t.Errorf("%d pages, want 1000", n)
	}
}

func TestListUnreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", `{"value":null}`, `{"value":{}}`, `[]`, `{"value":[`, `{"value":[],"@odata.nextLink":7}`, "<html>"} {
		f := newFar(t)
		f.graph = func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, body) }
		_, err := f.client(t).List(t.Context(), graph.V1)
		var got *graph.Error
		if !errors.As(err, &got) || got.Code != graph.CodeUnreadable || got.Op != graph.OpList {
			t.Errorf("%q: error %v", body, err)
		}
	}
}

// A page that Graph is too busy for is asked for again when Graph says, and the
// pages before it are not lost.
func TestListWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t)
		n := 0
		f.graph = func(w http.ResponseWriter, r *http.Request) {
			n++
			switch {
			case r.URL.RawQuery == "":
				answer(w, 200, page("?2", item("1")))
			case n < 4:
				w.Header().Set("Retry-After", "17")
				answer(w, 429, `{"error":{"code":"TooManyRequests","message":""}}`)
			default:
				answer(w, 200, page("", item("2")))
			}
		}
		start := time.Now()
		got, err := f.client(t).List(t.Context(), graph.V1)
		if took := time.Since(start); err != nil || len(got) != 2 || took != 34*time.Second {
			t.Errorf("listed %v, error %v, after %s", got, err, took)
		}
		// It gives up in the end, with what Graph said.
		f.set(func(f *far) {
			f.graph = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "5")
				answer(w, 429, "")
			}
		})
		start = time.Now()
		_, err = f.client(t).List(t.Context(), graph.V1)
		var e *graph.Error
		if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter != 5*time.Second || time.Since(start) != 20*time.Second {
			t.Errorf("error %v after %s", err, time.Since(start))
		}
	})
}
