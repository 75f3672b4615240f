package ingest

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// tracing returns what wraps the public handler in a span per POST, and how to
// end it; without an endpoint both do nothing. Spans carry method, path, status
// and size only: nothing of an item (I4).
func tracing(ctx context.Context, endpoint string) (wrap func(http.Handler) http.Handler, stop func(context.Context) error, err error) {
	if endpoint == "" {
		return func(h http.Handler) http.Handler { return h }, func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, fmt.Errorf("use --otlp-endpoint %q: %w", endpoint, err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "meetbridge-ingest"))),
	)
	wrap = func(h http.Handler) http.Handler {
		return otelhttp.NewHandler(h, "POST notifications",
			otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{}))
	}
	return wrap, provider.Shutdown, nil
}
