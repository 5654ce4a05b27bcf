package embed

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"quoin.dev/server/config"
)

// receiver is an OpenTelemetry collector that keeps what it gets.
type receiver struct {
	collector.UnimplementedTraceServiceServer

	mu       sync.Mutex // guards what follows
	spans    []*spans.Span
	resource map[string]string
}

func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range request.ResourceSpans {
		for _, a := range of.GetResource().GetAttributes() {
			r.resource[a.Key] = a.GetValue().GetStringValue()
		}
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// named are the spans of a name.
func (r *receiver) named(name string) (list []*spans.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name {
			list = append(list, s)
		}
	}
	return list
}

func newReceiver(t *testing.T) (r *receiver, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	r = &receiver{resource: map[string]string{}}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		NewWithT(t).Expect(<-ended).To(Succeed())
	})
	return r, l.Addr().String()
}

func traced(dir, collector string, perMillion int) *config.Config {
	cfg := Private(dir)
	cfg.Tracing = config.Tracing{Enabled: true, Address: collector, ServiceName: "store", InstanceID: "one", SamplingRate: perMillion}
	return cfg
}

// A request is a span, in which it says for how long it was in the log and in being applied.
func TestRequestsAreTraced(t *testing.T) {
	w := NewWithT(t)
	r, address := newReceiver(t)
	s := start(t, traced(t.TempDir(), address, 1_000_000))
	c := inProcess(t, s)
	_, err := c.Put(t.Context(), "k", "v")
	w.Expect(err).NotTo(HaveOccurred())
	_, err = c.Get(t.Context(), "k")
	w.Expect(err).NotTo(HaveOccurred())
	s.Stop() // sends what is left

	put := r.named("etcdserverpb.KV/Put")
	w.Expect(put).To(HaveLen(1))
	within := func(inner, outer *spans.Span) {
		t.Helper()
		w.Expect(inner.ParentSpanId).To(Equal(outer.SpanId))
		w.Expect(inner.StartTimeUnixNano).To(BeNumerically(">=", outer.StartTimeUnixNano))
		w.Expect(inner.EndTimeUnixNano).To(BeNumerically("<=", outer.EndTimeUnixNano))
	}
	var log, apply *spans.Span
	for _, span := range append(r.named("log"), r.named("apply")...) {
		if string(span.ParentSpanId) != string(put[0].SpanId) {
			continue
		}
		if span.Name == "log" {
			log = span
		} else {
			apply = span
		}
	}
	w.Expect(log).NotTo(BeNil())
	w.Expect(apply).NotTo(BeNil())
	within(log, put[0])
	within(apply, put[0])
	w.Expect(apply.StartTimeUnixNano).To(Equal(log.EndTimeUnixNano), "nothing is in between")
	get, read := r.named("etcdserverpb.KV/Range"), r.named("read index")
	w.Expect(get).To(HaveLen(1))
	w.Expect(read).To(HaveLen(1))
	within(read[0], get[0])
	w.Expect(r.resource).To(And(HaveKeyWithValue("service.name", "store"), HaveKeyWithValue("service.instance.id", "one"), HaveKey("service.version")))
}

// With a rate of 0 only those are traced who come with a trace.
func TestCallersDecideAboutTraces(t *testing.T) {
	w := NewWithT(t)
	r, address := newReceiver(t)
	s := start(t, traced(t.TempDir(), address, 0))
	c := inProcess(t, s)
	_, err := c.Put(t.Context(), "k", "v")
	w.Expect(err).NotTo(HaveOccurred())
	const trace = "0af7651916cd43dd8448eb211c80319c"
	with := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	_, err = c.Put(with, "k", "w")
	w.Expect(err).NotTo(HaveOccurred())
	s.Stop()
	put := r.named("etcdserverpb.KV/Put")
	w.Expect(put).To(HaveLen(1))
	w.Expect(put[0].TraceId).To(BeEquivalentTo([]byte{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c}))
	w.Expect(r.named("log")).To(HaveLen(1))
}

// A collector that is away costs nobody anything, not even a stop.
func TestCollectorThatIsAway(t *testing.T) {
	w := NewWithT(t)
	l := listenLoopback(t)
	address := l.Addr().String()
	w.Expect(l.Close()).To(Succeed())
	s := start(t, traced(t.TempDir(), address, 1_000_000))
	c := inProcess(t, s)
	for range 10 {
		_, err := c.Put(t.Context(), "k", "v")
		w.Expect(err).NotTo(HaveOccurred())
	}
	begun := time.Now()
	s.Stop()
	w.Expect(time.Since(begun)).To(BeNumerically("<", 30*time.Second))
	w.Eventually(running, "30s").Should(BeEmpty())
}
