//go:build synctests

package ingest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The handshake echoes text as text and nothing else: no header can be made of
// it, and no markup comes back.
func TestHostileHandshake(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	q := url.QueryEscape
	genuine := post(item("s", 1).String())
	for _, c := range []struct {
		name, method, query, body string
		code                      int
		want                      string
	}{
		{"plain", "POST", "validationToken=abc", "", 200, "abc"},
		{"decoded once", "POST", "validationToken=a%2520b%2Bc+d", "", 200, "a%20b+c d"},
		{"HTML", "POST", "validationToken=" + q("<b>x</b>"), "", 400, ""},
		{"half of a tag", "POST", "validationToken=" + q("x>"), "", 400, ""},
		{"an HTML entity", "POST", "validationToken=" + q("&lt;script&gt;"), "", 200, "&lt;script&gt;"},
		{"newlines", "POST", "validationToken=" + q("a\nb\r\nc"), "", 200, "a\nb\r\nc"},
		{"header injection", "POST", "validationToken=" + q("x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK"), "", 200, "x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK"},
		{"a NUL", "POST", "validationToken=%00", "", 200, "\x00"},
		{"not UTF-8", "POST", "validationToken=%ff%fe", "", 200, "\xff\xfe"},
		{"a template", "POST", "validationToken=" + q("{{7*7}}${7*7}%s%n"), "", 200, "{{7*7}}${7*7}%s%n"},
		{"2 KiB", "POST", "validationToken=" + strings.Repeat("x", 2048), "", 200, strings.Repeat("x", 2048)},
		{"3 KB", "POST", "validationToken=" + strings.Repeat("x", 3000), "", 400, ""},
		{"empty", "POST", "validationToken=", "", 400, ""},
		{"without a value", "POST", "validationToken", "", 400, ""},
		{"twice: the first", "POST", "validationToken=a&validationToken=b", "", 200, "a"},
		{"twice, the second markup", "POST", "validationToken=a&validationToken=%3Cb%3E", "", 200, "a"},
		{"in other case: none", "POST", "validationtoken=a", "", 400, ""},
		{"broken escapes: none", "POST", "validationToken=%zz", "", 400, ""},
		{"with a body", "POST", "validationToken=a", genuine, 200, "a"},
		{"on GET", "GET", "validationToken=a", "", 405, ""},
		{"on PUT", "PUT", "validationToken=a", "", 405, ""},
	} {
		got := send(t, e.Rig, c.method, e.NotificationURL()+"?"+c.query, js, c.body)
		if got.code != c.code || got.body != c.want {
			t.Errorf("%s: answered %d %.80q, want %d %.80q", c.name, got.code, got.body, c.code, c.want)
		}
		delete(got.header, "Date")
		delete(got.header, "Content-Length")
		delete(got.header, "Connection")
		delete(got.header, "Allow")
		want := "map[]"
		if c.code == http.StatusOK {
			want = "map[Content-Type:[text/plain; charset=utf-8] X-Content-Type-Options:[nosniff]]"
		}
		if fmt.Sprint(got.header) != want {
			t.Errorf("%s: answered with %v, want %s", c.name, got.header, want)
		}
	}
	if n := len(e.Records()); n != 0 {
		t.Errorf("%d records, want none", n)
	}
}

// The handshake is answered in the middle of a flood of forged POSTs: Graph
// makes and renews subscriptions with it.
func TestHostileHandshakeInAFlood(t *testing.T) {
	t.Parallel()
	f := newFlooded(t, nil)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 50 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Post("http://"+f.addr+"/graph/notifications", js, strings.NewReader(post(item("flood", 1).with(object{"clientState": "guess"}).String())))
				if err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}
	for n := range 50 {
		start := time.Now()
		resp, err := f.client.Post(fmt.Sprintf("http://%s/graph/lifecycle?validationToken=t%d", f.addr, n), "text/plain", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || time.Since(start) > 2*time.Second {
			t.Errorf("handshake %d: answered %d after %s", n, resp.StatusCode, time.Since(start))
		}
	}
	close(stop)
	wg.Wait()
}
