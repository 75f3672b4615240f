//go:build synctests

package ingest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"

	"meetbridge/ingest"
)

// Bodies that are no notification collection get the answer of DESIGN §3 and
// leave nothing in Kafka.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	genuine := item("whole", 1).String()
	for _, c := range []struct {
		name, body string
		code       int
	}{
		{"not JSON", "hello", 400},
		{"HTML", "<html>", 400},
		{"nothing", "", 400},
		{"a NUL", "\x00", 400},
		{"a byte order mark", "\xef\xbb\xbf" + post(genuine), 400},
		{"UTF-16", "{\x00}\x00", 400},
		{"null", "null", 400},
		{"a string", `"value"`, 400},
		{"an array", "[" + post(genuine) + "]", 400},
		{"truncated in an item", post(genuine)[:100], 400},
		{"truncated before the end", strings.TrimSuffix(post(genuine), "}"), 400},
		{"something after it", post(genuine) + "{}", 400},
		{"two collections", post(genuine) + post(genuine), 400},
		{"a comment", "/**/" + post(genuine), 400},
		{"a comma too many", `{"value":[` + genuine + `,]}`, 400},
		{"single quotes", `{'value':[]}`, 400},
		{"value missing", `{}`, 400},
		{"value null", `{"value":null}`, 400},
		{"value an object", `{"value":` + genuine + `}`, 400},
		{"value a string", `{"value":"[]"}`, 400},
		{"value twice", `{"value":[],"value":[` + genuine + `]}`, 400},
		{"value twice, in other case", `{"value":[` + genuine + `],"Value":[]}`, 400},
		{"value escaped, twice", `{"value":[],"\u0076alue":[` + genuine + `]}`, 400},
		{"10,000 levels deep", strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000), 400},
		{"10,000 levels deep in an item", `{"value":[` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `]}`, 400},
		{"10,000 objects deep", strings.Repeat(`{"value":`, 10_000), 400},
		{"a million brackets", strings.Repeat(`[`, 1_000_000), 400},
		{"a million tiny items", post(strings.Repeat("0,", 999_999) + "0"), 413},
		{"a million tokens", `{"value":[` + genuine + `],"validationTokens":[` + strings.Repeat(`"",`, 999_999) + `""]}`, 413},
		{"a control character", "{\"value\":[\x01]}", 400},
		{"a number of 10,000 digits and a letter", `{"value":[` + strings.Repeat("9", 10_000) + `x]}`, 400},
		{"value empty", `{"value":[]}`, 202},
		{"value empty, among others", `{"@odata.context":"x","value":[ ],"validationTokens":7}`, 202},
	} {
		if got := e.post(c.body); got.code != c.code || got.body != "" {
			t.Errorf("%s: answered %d %.60q, want %d", c.name, got.code, got.body, c.code)
		}
	}
	for _, s := range e.Records() {
		t.Errorf("a record on %s: %.100v", s.Topic, s.Value)
	}
}

// One bad item never fails its neighbour, whatever is wrong with it.
func TestHostileItems(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	good := item("@@", 7)
	changed := func(changes object) string { return good.with(changes).String() }
	raw := func(from, to string) string { return strings.Replace(good.String(), from, to, 1) }
	const malformed = "malformed_item"
	attacks := []attack{
		{"genuine", good.String(), nil, ""},
		{"a string", `"@@"`, nil, malformed},
		{"an array", `["@@",{}]`, nil, malformed},
		{"without subscriptionId", changed(object{"subscriptionId": nil, "id": "@@"}), nil, malformed},
		{"subscriptionId empty", changed(object{"subscriptionId": "", "id": "@@"}), nil, malformed},
		{"subscriptionId null", changed(object{"subscriptionId": null{}, "id": "@@"}), nil, malformed},
		{"a member twice", raw(`{`, `{"changeType":"deleted",`), nil, malformed},
		{"a member twice, in other case", raw(`{`, `{"CHANGETYPE":"deleted",`), nil, malformed},
		{"clientState twice", raw(`{`, `{"clientState":"guess",`), nil, malformed},
		{"an unknown member twice", raw(`{`, `{"x":1,"x":2,`), nil, malformed},
		{"a member twice, deeper", raw(`"resourceData":{`, `"resourceData":{"id":"8",`), nil, malformed},
		{"invalid UTF-8", raw(`"changeType":"created"`, "\"changeType\":\"cre\xffated\""), nil, malformed},
		{"invalid UTF-8 in resourceData", raw(`"resourceData":{`, "\"resourceData\":{\"x\":\"\xc3\x28\","), nil, malformed},
		{"an overlong encoding", raw(`"created"`, "\"\xc0\xae\""), nil, malformed},
		{"a lone surrogate", raw(`"created"`, `"\ud83d"`), nil, malformed},
		{"a lone surrogate in resourceData", raw(`"resourceData":{`, `"resourceData":{"x":"\udc00\ud800",`), nil, malformed},
		{"resourceData a string", changed(object{"resourceData": "x"}), nil, ""},
		{"encryptedContent null, as seen", changed(object{"encryptedContent": null{}}), nil, ""},
		{"no clientState", changed(object{"clientState": nil}), nil, "client_state_missing"},
		{"a clientState of 1 MB", changed(object{"clientState": strings.Repeat("x", 1<<20)}), nil, "client_state_mismatch"},
		{"our clientState of 1 MB", changed(object{"clientState": "mb1." + strings.Repeat("x", 1<<20)}), nil, "client_state_malformed"},
		{"a number of 10,000 digits", changed(object{"resourceData": object{"n": 1}, "x": 0, "resource": "chats('1')/messages('@@')"}), nil, ""},
		{"10,000 digits", raw(`"resourceData":{`, `"resourceData":{"n":`+strings.Repeat("9", 10_000)+`,`), nil, ""},
		{"an exponent of 10,000 digits", raw(`"resourceData":{`, `"resourceData":{"n":1e`+strings.Repeat("9", 10_000)+`,`), nil, ""},
		{"9,900 levels deep", raw(`"resourceData":{`, `"resourceData":{"n":`+strings.Repeat("[", 9_900)+strings.Repeat("]", 9_900)+`,`), nil, ""},
		{"control characters, escaped", raw(`"created"`, `"created","note":"\u0000\r\n\u001b[2J"`), nil, ""},
		{"a resource of control characters", changed(object{"resource": "chats('a\x00\r\nb')/messages('@@')"}), nil, ""},
		{"a resource of 1 MB", changed(object{"resource": "chats('" + strings.Repeat("x", 1<<20) + "')/messages('1')"}), nil, ""},
		{"a resource of percent signs", changed(object{"resource": "chats('" + strings.Repeat("%25", 100_000) + "')/messages('1')"}), nil, ""},
		{"a million members", changed(object{"x": nil})[:1] + strings.TrimSuffix(strings.Repeat(`"a":1,`, 3), ",") + `,"s":"@@"}`, nil, malformed},
	}
	for _, member := range []string{"subscriptionId", "tenantId", "clientState", "changeType", "resource", "id", "subscriptionExpirationDateTime", "lifecycleEvent", "organizationId"} {
		for _, v := range []any{7, true, []string{"x"}, object{"x": "y"}} {
			attacks = append(attacks, attack{fmt.Sprintf("%s is %v", member, v), changed(object{member: v, "note": "@@"}), nil, malformed})
		}
	}
	for _, v := range []any{7, "x", []string{"x"}} {
		attacks = append(attacks, attack{fmt.Sprintf("encryptedContent is %v", v), changed(object{"encryptedContent": v}), nil, malformed})
	}
	e.run(attacks)
}

// What names nothing is set aside once, however often it comes.
func TestHostileNothings(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	for range 3 {
		if got := e.post(post("null", "null", "true", "{}", "[]", `""`, item("s", 1).String(), "0", "-0", "1e999")); got.code != http.StatusAccepted {
			t.Errorf("answered %d", got.code)
		}
	}
	counts := map[string]int{}
	for _, s := range e.Records() {
		counts[s.Topic]++
	}
	if want := map[string]int{"chat-messages": 1, "quarantine": 8}; fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("in Kafka: %v, want %v", counts, want)
	}
}

// An item whose texts are as large as a body may be is set aside or becomes a
// record; it is never answered with a 5xx, which Graph would repeat for hours.
func TestHostileLargeItems(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, basicOnly)
	large := 15 << 20
	if raceDetector {
		large = 1 << 20
	}
	for name, it := range map[string]object{
		"subscriptionId":                 item(strings.Repeat("s", large), 1),
		"subscriptionId, unproven":       item(strings.Repeat("s", large), 2).with(object{"clientState": "guess"}),
		"tenantId":                       item("s", 3).with(object{"tenantId": strings.Repeat("t", large)}),
		"tenantId, unproven":             item("s", 4).with(object{"tenantId": strings.Repeat("t", large), "clientState": "guess"}),
		"resource":                       item("s", 5).with(object{"resource": "chats('" + strings.Repeat("c", large) + "')"}),
		"resource, unproven":             item("s", 6).with(object{"resource": strings.Repeat("r", large), "clientState": "guess"}),
		"resourceData":                   item("s", 7).with(object{"resourceData": object{"x": strings.Repeat("d", large)}}),
		"changeType, and a lot to quote": item("s", 8).with(object{"changeType": strings.Repeat("\"", large/2-1)}),
		"lifecycleEvent":                 item("s", 9).with(object{"lifecycleEvent": strings.Repeat("l", large)}),
	} {
		if got := e.post(post(it.String())); got.code != http.StatusAccepted {
			t.Errorf("%s of %d bytes: answered %d", name, large, got.code)
		}
	}
	if n := len(e.Records()); n != 9 {
		t.Errorf("%d records, want 9", n)
	}
}

// Compressed bodies are refused unread, bombs among them, and a body that is
// longer than the limit is not read to its end.
func TestHostileSizes(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, func(c *ingest.Config) {
		basicOnly(c)
		c.MaxBody = units.MiB // that the limit comes before the budget, however busy the machine is
	})
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 64<<20))
	_ = z.Close()
	endless := func(n int64) io.Reader {
		return io.MultiReader(strings.NewReader(`{"value":["`), io.LimitReader(forever('x'), n))
	}
	for _, c := range []struct {
		name   string
		header http.Header
		body   io.Reader
		code   int
	}{
		{"gzip", http.Header{"Content-Type": {js}, "Content-Encoding": {"gzip"}}, &bomb, 415},
		{"deflate", http.Header{"Content-Type": {js}, "Content-Encoding": {"deflate"}}, strings.NewReader(post()), 415},
		{"br, twice", http.Header{"Content-Type": {js}, "Content-Encoding": {"identity, br"}}, strings.NewReader(post()), 415},
		{"compressed behind identity", http.Header{"Content-Type": {js}, "Content-Encoding": {"identity", "gzip"}}, strings.NewReader("\x1f\x8b"), 415},
		{"text", http.Header{"Content-Type": {"text/plain"}}, strings.NewReader(post()), 415},
		{"a form", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, strings.NewReader("a=b"), 415},
		{"multipart", http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, strings.NewReader("--x--"), 415},
		{"another charset", http.Header{"Content-Type": {"application/json; charset=utf-7"}}, strings.NewReader(post()), 415},
		{"no type", http.Header{"Content-Type": {""}}, strings.NewReader(post()), 415},
		{"two types", http.Header{"Content-Type": {"text/plain", js}}, strings.NewReader(post()), 415},
		{"100 MB, chunked", http.Header{"Content-Type": {js}}, endless(100 << 20), 413},
		{"10 GB, chunked", http.Header{"Content-Type": {js}}, endless(10 << 30), 413},
	} {
		req, err := http.NewRequest(http.MethodPost, e.NotificationURL(), c.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = c.header
		start := time.Now()
		resp, err := e.HTTP.Do(req)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.code || time.Since(start) > 3*time.Second {
			t.Errorf("%s: answered %d after %s, want %d", c.name, resp.StatusCode, time.Since(start), c.code)
		}
	}
	if got := e.post(post(item("after", 1).String())); got.code != http.StatusAccepted {
		t.Errorf("after all that: %d", got.code)
	}
	if n := len(e.Records()); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// forever is a reader of one byte without end.
type forever byte

func (f forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(f)
	}
	return len(p), nil
}
