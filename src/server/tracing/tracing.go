// Package tracing sends spans about the requests of one member to an OpenTelemetry collector.
//
// A request that comes with a trace context (W3C) is traced when its caller says so, others by chance. Nothing here is global: the
// provider, and with it the tracer of every span, belongs to one server.
package tracing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
	"google.golang.org/grpc/stats"

	"quoin.dev/api/version"
	"quoin.dev/server/config"
)

// Provider collects finished spans and sends them in batches. It holds at most 2048 of them; what comes while the collector does
// not take any is lost, and no request waits.
type Provider struct {
	spans *trace.TracerProvider
	stop  context.CancelFunc // ends what is being sent
}

// New returns a provider for settings that ask for one. It does not wait for the collector, which may come and go.
func New(ctx context.Context, o config.Tracing, logger *zap.Logger) (*Provider, error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(o.Address), otlptracegrpc.WithInsecure())
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about := []attribute.KeyValue{attribute.String("service.name", o.ServiceName), attribute.String("service.version", version.Product)}
	if o.InstanceID != "" {
		about = append(about, attribute.String("service.instance.id", o.InstanceID))
	}
	sending, stop := context.WithCancel(context.Background())
	return &Provider{stop: stop, spans: trace.NewTracerProvider(
		trace.WithBatcher(&quiet{SpanExporter: exporter, logger: logger, sending: sending}),
		trace.WithResource(resource.NewSchemaless(about...)),
		trace.WithSampler(trace.ParentBased(byChance(o.SamplingRate))),
	)}, nil
}

// byChance takes so many of a million requests of callers who do not say whether they want a trace.
func byChance(perMillion int) trace.Sampler {
	if perMillion == 0 {
		return trace.NeverSample()
	}
	return trace.TraceIDRatioBased(float64(perMillion) / 1e6)
}

// Handler begins and ends a span for every call of a gRPC server.
func (p *Provider) Handler() stats.Handler {
	return otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(p.spans),
		otelgrpc.WithMeterProvider(noop.NewMeterProvider()), // not that of the program
		otelgrpc.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
	)
}

// Close sends what is left, until ctx ends.
func (p *Provider) Close(ctx context.Context) error {
	defer p.stop()
	return p.spans.Shutdown(ctx)
}

// quiet tells the log of the member about a collector that can not be reached, and not everybody else on stderr, as OpenTelemetry
// would.
type quiet struct {
	trace.SpanExporter
	logger  *zap.Logger
	sending context.Context // ended by Close, which does not wait for a collector that is away

	mu   sync.Mutex // guards told
	told time.Time
}

// toldEvery is how often the log hears of a collector that is away.
const toldEvery = time.Minute

// ExportSpans implements trace.SpanExporter.
func (q *quiet) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.sending, cancel)()
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if err == nil || q.sending.Err() != nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.told) >= toldEvery {
		q.told = time.Now()
		q.logger.Warn("lost spans, since the collector does not take them", zap.Int("spans", len(spans)), zap.Error(err))
	}
	return nil
}
