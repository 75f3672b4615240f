package ingest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// tracing returns what wraps the public handler in a span per POST, and how to
// end it; without an endpoint both do nothing. Spans carry method, path, status
// and size only: nothing of an item or of a header (I4).
//
// Whoever knows the URL can send trace headers, so they are not followed: each
// POST begins a trace of its own, whose id its records carry.
func tracing(ctx context.Context, endpoint string) (wrap func(http.Handler) http.Handler, stop func(context.Context) error, err error) {
	if endpoint == "" {
		return func(h http.Handler) http.Handler { return h }, func(context.Context) error { return nil }, nil
	}
	if err := checkEndpoint(endpoint); err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, fmt.Errorf("use --otlp-endpoint %q: %w", endpoint, err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(sparing{exporter}),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "meetbridge-ingest"))),
	)
	wrap = func(h http.Handler) http.Handler {
		return otelhttp.NewHandler(h, "POST notifications",
			otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()))
	}
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

// sparing exports spans with the attributes of a closed list: the others are
// what a sender wrote, such as its agent, the host that it asked for, and the
// client whom it says it forwards.
type sparing struct{ trace.SpanExporter }

// ExportSpans exports the spans without what a sender wrote.
func (s sparing) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	plain := make([]trace.ReadOnlySpan, len(spans))
	for i := range spans {
		plain[i] = plainSpan{spans[i]}
	}
	return s.SpanExporter.ExportSpans(ctx, plain)
}

type plainSpan struct{ trace.ReadOnlySpan }

// Attributes returns those of the closed list.
func (s plainSpan) Attributes() []attribute.KeyValue {
	var kept []attribute.KeyValue
	for _, a := range s.ReadOnlySpan.Attributes() {
		switch a.Key {
		case "http.request.method", "http.response.status_code", "http.request.body.size", "http.response.body.size",
			"http.route", "url.path", "url.scheme", "network.protocol.version":
			kept = append(kept, a)
		}
	}
	return kept
}
