package member

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// tracerName says in spans who made them.
const tracerName = "quoin.dev/server/member"

// stages are when an entry was begun to be applied, and when that was done.
type stages struct{ begun, done time.Time }

// tracer returns the tracer of the request that ctx belongs to; nil if it is not traced. Where no member traces, which the settings
// tell, ctx is not even asked.
func (m *Member) tracer(ctx context.Context) trace.Tracer {
	if !m.cfg.Tracing.Enabled {
		return nil
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return nil
	}
	return span.TracerProvider().Tracer(tracerName)
}

// traceProposal adds where a request has spent its time: in the log, which is written here and by a majority, and in being applied
// here.
func (m *Member) traceProposal(ctx context.Context, p pending, s stages) {
	t := m.tracer(ctx)
	if t == nil || s.begun.IsZero() {
		return
	}
	kind := trace.WithAttributes(attribute.String("quoin.request", p.kind))
	_, span := t.Start(ctx, "log", trace.WithTimestamp(p.start), kind)
	span.End(trace.WithTimestamp(s.begun))
	_, span = t.Start(ctx, "apply", trace.WithTimestamp(s.begun), kind)
	span.End(trace.WithTimestamp(s.done))
}
