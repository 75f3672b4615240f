package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// tracing returns what wraps the public handler in a span per POST, and how to
// end it; without an endpoint both do nothing.
func tracing(ctx context.Context, endpoint string, log *slog.Logger) (wrap func(http.Handler) http.Handler, stop func(context.Context) error, err error) {
	if endpoint == "" {
		return func(h http.Handler) http.Handler { return h }, func(context.Context) error { return nil }, nil
	}
	if err := checkEndpoint(endpoint); err != nil {
		return nil, nil, err
	}
	exporter, err := otlptrace.New(ctx, &collector{endpoint: endpoint, client: &http.Client{Timeout: 10 * time.Second}, log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("use --otlp-endpoint %q: %w", endpoint, err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "meetbridge-ingest"))),
	)
	wrap = func(h http.Handler) http.Handler { return traced(provider.Tracer("meetbridge/ingest"), h) }
	return wrap, provider.Shutdown, nil
}

// checkEndpoint returns what is wrong with --otlp-endpoint; "" is right.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("--otlp-endpoint is %q: must be an http or https URL such as http://127.0.0.1:4318/v1/traces", endpoint)
	}
	return nil
}

// traced gives each request a span of method, path, protocol, status and sizes:
// nothing of an item or of a header (I4), and no path but those that it serves.
//
// Whoever knows the URL can send trace headers, so they are not followed: each
// POST begins a trace of its own, whose id its records carry.
func traced(tracer api.Tracer, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		ctx, span := tracer.Start(r.Context(), "POST notifications", api.WithNewRoot(), api.WithSpanKind(api.SpanKindServer),
			api.WithAttributes(
				attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path), attribute.String("url.scheme", scheme),
				attribute.String("network.protocol.version", strconv.Itoa(r.ProtoMajor)+"."+strconv.Itoa(r.ProtoMinor))))
		defer span.End()
		body, answer := &countedBody{ReadCloser: r.Body}, &countedAnswer{ResponseWriter: w, code: http.StatusOK}
		r = r.WithContext(ctx)
		r.Body = body
		h.ServeHTTP(answer, r)
		span.SetAttributes(attribute.Int("http.response.status_code", answer.code),
			attribute.Int("http.request.body.size", body.n), attribute.Int("http.response.body.size", answer.n))
		if answer.code >= 500 {
			span.SetStatus(codes.Error, "")
		}
	})
}

type countedBody struct {
	io.ReadCloser
	n int
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += n
	return n, err
}

type countedAnswer struct {
	http.ResponseWriter
	code, n int
}

func (a *countedAnswer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

func (a *countedAnswer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.n += n
	return n, err
}

// collector takes spans by OTLP over HTTP, in its binary form. The library's own
// client for that would bring the whole of gRPC. What the collector does not
// take is gone: a trace is worth no queue.
type collector struct {
	endpoint string
	client   *http.Client
	log      *slog.Logger

	away bool // and said so; uploads come one after another
}

// Start has nothing to do: the first spans open the connection.
func (c *collector) Start(context.Context) error { return nil }

// Stop closes the connections.
func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces posts the spans. That they are not taken is said once until some
// are: the library would write each time to standard error.
func (c *collector) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	err := c.post(ctx, spans)
	switch {
	case err == nil:
		c.away = false
	case !c.away:
		c.away = true
		c.log.WarnContext(ctx, "traces are lost: the collector of --otlp-endpoint does not take them", "error", err)
	}
	return nil
}

// post sends the spans; any status but 2xx is an error.
func (c *collector) post(ctx context.Context, spans []*otlp.ResourceSpans) error {
	// An export request of OTLP has the very form of TracesData.
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send spans: the collector answered %d", resp.StatusCode)
	}
	return nil
}
