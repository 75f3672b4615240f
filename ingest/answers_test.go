//go:build synctests

package ingest_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/ingest"
)

// basicOnly makes a rig for notifications that are not sealed: it needs no key
// sets.
func basicOnly(c *ingest.Config) { c.DecryptionKeys, c.AppIDs = "", nil }

// basic returns a genuine basic item.
func basic(n int) string {
	return fmt.Sprintf(`{"subscriptionId":"s1","tenantId":"t1","changeType":"created","clientState":%q,
		"resource":"chats('19:meeting_abc@thread.v2')/messages('%d')","resourceData":{"@odata.type":"#Microsoft.Graph.chatMessage","@odata.id":"chats('19:meeting_abc@thread.v2')/messages('%d')","id":"%d"}}`,
		bridgetest.LiteralState, n, n, n)
}

func post(items ...string) string { return `{"value":[` + strings.Join(items, ",") + `]}` }

type answer struct {
	code   int
	header http.Header
	body   string
	took   time.Duration
}

func send(t *testing.T, r *bridgetest.Rig, method, url, contentType, body string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	start := time.Now()
	resp, err := r.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), time.Since(start)}
}

// The answers of DESIGN §3 to whatever comes, with Kafka there.
func TestAnswers(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), basicOnly)
		r.Ready()
		url, js := r.NotificationURL(), "application/json"
		for _, c := range []struct {
			name, method, url, contentType, body string
			code                                 int
			answer                               string
		}{
			{"genuine", "POST", url, js, post(basic(1)), 202, ""},
			{"genuine, on the lifecycle path", "POST", r.LifecycleURL(), js, post(basic(2)), 202, ""},
			{"several", "POST", url, "application/json; charset=utf-8", post(basic(3), basic(4)), 202, ""},
			{"none", "POST", url, js, post(), 202, ""},
			{"not genuine", "POST", url, js, post(strings.Replace(basic(5), bridgetest.LiteralState, "guess", 1)), 202, ""},
			{"no item", "POST", url, js, post("null", "7", `"x"`, "{}", basic(6)), 202, ""},
			{"lifecycle notice", "POST", url, js, post(fmt.Sprintf(`{"subscriptionId":"s1","tenantId":"t1","clientState":%q,"lifecycleEvent":"missed","subscriptionExpirationDateTime":"2026-01-01T00:00:00Z"}`, bridgetest.LiteralState)), 202, ""},
			{"handshake", "POST", url + "?validationToken=a%20b%2Bc", "text/plain", "", 200, "a b+c"},
			{"handshake, lifecycle", "POST", r.LifecycleURL() + "?x=y&validationToken=z", "text/plain; charset=utf-8", "", 200, "z"},
			{"handshake with markup", "POST", url + "?validationToken=%3Cscript%3E", "text/plain", "", 400, ""},
			{"handshake, empty", "POST", url + "?validationToken=", "text/plain", "", 400, ""},
			{"handshake, too long", "POST", url + "?validationToken=" + strings.Repeat("x", 2049), "text/plain", "", 400, ""},
			{"not JSON", "POST", url, js, "hello", 400, ""},
			{"truncated", "POST", url, js, `{"value":[{}`, 400, ""},
			{"no collection", "POST", url, js, `{"values":[]}`, 400, ""},
			{"too deep", "POST", url, js, `{"value":[` + strings.Repeat("[", 20_000), 400, ""},
			{"nothing", "POST", url, js, "", 400, ""},
			{"another method", "GET", url, "", "", 405, ""},
			{"another method, handshake", "GET", url + "?validationToken=x", "", "", 405, ""},
			{"another path", "POST", strings.TrimSuffix(url, "s"), js, post(), 404, ""},
			{"wrong content type", "POST", url, "text/xml", post(), 415, ""},
			{"no content type", "POST", url, "", post(), 415, ""},
			{"too large", "POST", url, js, post(`"` + strings.Repeat("x", 17<<20) + `"`), 413, ""},
			{"too many items", "POST", url, js, post(strings.Repeat("0,", 40_000) + "0"), 413, ""},
		} {
			got := send(t, r, c.method, c.url, c.contentType, c.body)
			if got.code != c.code || got.body != c.answer {
				t.Errorf("%s: answered %d %.60q, want %d %q", c.name, got.code, got.body, c.code, c.answer)
			}
		}
		counts := map[string]int{}
		for _, s := range r.Records() {
			counts[s.Topic+" "+s.Text("reason")]++
		}
		want := map[string]int{"chat-messages ": 5, "lifecycle ": 1, "quarantine malformed_item": 4, "quarantine client_state_mismatch": 1}
		if fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("in Kafka: %v, want %v", counts, want)
		}
	})
}

// I5, I1: while Kafka is away every answer is 503 with Retry-After, within the
// budget at first and at once soon after; when it is back everything flows
// without a restart, and what Graph repeats is there once (I8).
func TestKafkaAway(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), basicOnly)
		r.Ready()
		url, js := r.NotificationURL(), "application/json"
		if got := send(t, r, "POST", url, js, post(basic(0))); got.code != 202 {
			t.Fatalf("before: %d", got.code)
		}
		for _, addr := range r.Kafka.KafkaAddrs() {
			r.Net.Cut(addr)
		}
		for n := 1; n <= 20; n++ {
			got := send(t, r, "POST", url, js, post(basic(n)))
			if got.code != 503 || got.header.Get("Retry-After") == "" {
				t.Fatalf("%d while away: %d, Retry-After %q", n, got.code, got.header.Get("Retry-After"))
			}
			if limit := 2600 * time.Millisecond; got.took > limit || n > 1 && got.took > 50*time.Millisecond {
				t.Errorf("%d while away: answered after %s", n, got.took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if r.Net.Refused() == 0 {
			t.Fatal("the cut was never felt")
		}
		for _, addr := range r.Kafka.KafkaAddrs() {
			r.Net.Heal(addr)
		}
		back := time.Now()
		for n := 1; n <= 20; n++ {
			for send(t, r, "POST", url, js, post(basic(n))).code != 202 {
				if time.Since(back) > 5*time.Second {
					t.Fatalf("%d: not taken 5 s after Kafka's return", n)
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		t.Logf("flowing again %s after Kafka's return", time.Since(back))
		once := map[string]int{}
		for _, s := range r.Records() {
			once[s.Text("id")]++
		}
		for n := range 21 {
			if once[fmt.Sprint(n)] != 1 {
				t.Errorf("message %d is stored %d times", n, once[fmt.Sprint(n)])
			}
		}
	})
}

// A POST of a thousand items of many subscriptions and tenants, one of them bad,
// becomes records but for that one; its repetition adds nothing (I8), and one
// bad item never fails its neighbours.
func TestThousandItems(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), basicOnly)
		r.Ready()
		var items []string
		for n := range 1000 {
			it := strings.NewReplacer(`"s1"`, fmt.Sprintf(`"s%d"`, n%7), `"t1"`, fmt.Sprintf(`"t%d"`, n%3)).Replace(basic(n))
			if n == 500 {
				it = strings.Replace(it, bridgetest.LiteralState, "guess", 1)
			}
			items = append(items, it)
		}
		for range 3 {
			if got := send(t, r, "POST", r.NotificationURL(), "application/json", post(items...)); got.code != 202 {
				t.Fatalf("answered %d", got.code)
			}
		}
		counts := map[string]int{}
		last := map[int32]int{}
		for _, s := range r.Records() {
			counts[s.Topic]++
			// I6: one key, so one partition, in the order of the POST.
			var n int
			if _, err := fmt.Sscan(s.Text("id"), &n); err == nil && s.Topic == "chat-messages" {
				if before, again := last[s.Partition]; again && n <= before {
					t.Errorf("message %d stands after %d", n, before)
				}
				last[s.Partition] = n
			}
		}
		if counts["chat-messages"] != 999 || counts["quarantine"] != 1 || len(last) != 1 {
			t.Errorf("in Kafka: %v on %d partitions", counts, len(last))
		}
	})
}

// What is over the bounds gets 503 at once, and memory stays bounded while Kafka
// is away (I11).
func TestBounds(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), func(c *ingest.Config) { basicOnly(c); c.MaxInFlight = 5 })
		r.Ready()
		for _, addr := range r.Kafka.KafkaAddrs() {
			r.Net.Cut(addr)
		}
		answers := make(chan answer, 20)
		for n := range 20 {
			go func() { answers <- send(t, r, "POST", r.NotificationURL(), "application/json", post(basic(n))) }()
		}
		quick := 0
		for range 20 {
			a := <-answers
			if a.code != 503 {
				t.Errorf("answered %d", a.code)
			}
			if a.took < 50*time.Millisecond {
				quick++
			}
		}
		if quick != 15 {
			t.Errorf("%d were sent away at once, want the 15 beyond the bound of 5", quick)
		}
	})
}

// A graceful stop answers what was accepted and refuses what comes new; the next
// process takes it.
func TestDrain(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), basicOnly)
		r.Ready()
		body, feed := io.Pipe()
		got := make(chan int, 1)
		go func() {
			req, _ := http.NewRequest(http.MethodPost, r.NotificationURL(), body)
			req.Header.Set("Content-Type", "application/json")
			resp, err := r.HTTP.Do(req)
			if err != nil {
				got <- 0
				return
			}
			_ = resp.Body.Close()
			got <- resp.StatusCode
		}()
		whole := []byte(post(basic(1)))
		_, _ = io.Copy(feed, bytes.NewReader(whole[:20]))
		go func() {
			time.Sleep(time.Second)
			_, _ = io.Copy(feed, bytes.NewReader(whole[20:]))
			_ = feed.Close()
		}()
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		r.StopIngest()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if code := <-got; code != 202 {
			t.Errorf("the POST that was under way was answered %d", code)
		}
		r.StartIngest()
		r.Ready()
		if a := send(t, r, "POST", r.NotificationURL(), "application/json", post(basic(2))); a.code != 202 {
			t.Errorf("the next process answered %d", a.code)
		}
		if n := len(r.Records()); n != 2 {
			t.Errorf("%d records, want 2", n)
		}
	})
}
