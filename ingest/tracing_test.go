//go:build synctests

package ingest_test

import (
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"meetbridge/ingest"
)

// A span says of its POST what docs/security.md lists, in the form that a
// collector reads, under the trace id that the records carry.
func TestSpans(t *testing.T) {
	t.Parallel()
	got := make(chan *otlp.Span, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data otlp.TracesData
		if err != nil || proto.Unmarshal(body, &data) != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s of %d bytes is no export of spans: %v", r.Header.Get("Content-Type"), len(body), err)
		}
		for _, s := range data.ResourceSpans[0].ScopeSpans[0].Spans {
			got <- s
		}
	}))
	defer server.Close()
	e := newEdge(t, slog.New(slog.DiscardHandler), func(c *ingest.Config) { c.OTLPEndpoint = server.URL + "/v1/traces" })
	body := post(item("s", 1).String())
	resp, err := e.HTTP.Post(e.NotificationURL()+"?a=b", js, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	records := e.Records()
	e.StopIngest() // which sends what waits
	if len(got) != 1 || len(records) != 1 {
		t.Fatalf("%d spans, %d records", len(got), len(records))
	}
	span := <-got
	want := []string{
		"http.request.body.size=" + strconv.Itoa(len(body)), "http.request.method=POST", "http.response.body.size=0", "http.response.status_code=202",
		"network.protocol.version=1.1", "url.path=/graph/notifications", "url.scheme=http",
	}
	var have []string
	for _, a := range span.Attributes {
		v := a.Value.GetStringValue()
		if v == "" {
			v = strconv.Itoa(int(a.Value.GetIntValue()))
		}
		have = append(have, a.Key+"="+v)
	}
	if slices.Sort(have); !slices.Equal(have, want) {
		t.Errorf("a span says\n%v, not\n%v", have, want)
	}
	if id := hex.EncodeToString(span.TraceId); !strings.Contains(records[0].Headers["traceparent"], id) || span.Kind != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("trace %s, its record's is %s; kind %v", id, records[0].Headers["traceparent"], span.Kind)
	}
}
