package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"quoin.dev/server/rpc"
)

var (
	callFamilies catalog

	methodLabels = []string{"grpc_type", "grpc_service", "grpc_method"}

	callsStarted  = callFamilies.counter("grpc_server_started_total", "Calls that began.", methodLabels...)
	callsHandled  = callFamilies.counter("grpc_server_handled_total", "Calls that ended, by their outcome.", append([]string{"grpc_code"}, methodLabels...)...)
	callsReceived = callFamilies.counter("grpc_server_msg_received_total", "Messages that clients sent.", methodLabels...)
	callsSent     = callFamilies.counter("grpc_server_msg_sent_total", "Messages that clients were sent.", methodLabels...)
	callsHandling = callFamilies.histogram("grpc_server_handling_seconds", "How long calls took, with --metrics=extensive.", methodLabels...)

	clientRequests = callFamilies.counter("etcd_server_client_requests_total",
		"Calls by their type, unary or stream, and the version that the client says to speak.", "type", "client_api_version")
	clientReceived = callFamilies.counter("etcd_network_client_grpc_received_bytes_total", "Bytes of messages from clients.")
	clientSent     = callFamilies.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes of messages to clients.")
	streamFailures = callFamilies.counter("etcd_network_server_stream_failures_total",
		"Streams that broke for another reason than that their client left.", "Type", "API")

	sendLoop        = "etcd_debugging_server_watch_send_loop_"
	watchSent       = callFamilies.histogram(sendLoop+"watch_stream_duration_seconds", "How long it took to hand over a reply with events.")
	watchSentEach   = callFamilies.histogram(sendLoop+"watch_stream_duration_per_event_seconds", "The same for each of the events.")
	watchControlled = callFamilies.histogram(sendLoop+"control_stream_duration_seconds", "How long it took to hand over that a watch was created or canceled.")
	watchProgressed = callFamilies.histogram(sendLoop+"progress_duration_seconds", "How long it took to hand over up to which revision there was nothing.")
)

// calls collects what rpc counts.
type calls struct {
	from *rpc.Meter
	live []prometheus.Metric
}

func newCalls(from *rpc.Meter) *calls {
	c := &calls{from: from}
	from.Methods(func(m *rpc.Method) {
		labels := []string{"grpc_type", m.Type, "grpc_service", m.Service, "grpc_method", m.Name}
		c.live = append(c.live, newLive(callsStarted, &m.Started, labels...),
			newLive(callsReceived, &m.Received, labels...), newLive(callsSent, &m.Sent, labels...))
		for code := range m.Handled {
			c.live = append(c.live, newLive(callsHandled, &m.Handled[code], append([]string{"grpc_code", codes.Code(code).String()}, labels...)...))
		}
	})
	return c
}

// Describe implements prometheus.Collector.
func (c *calls) Describe(ch chan<- *prometheus.Desc) { callFamilies.describe(ch) }

// Collect implements prometheus.Collector.
func (c *calls) Collect(ch chan<- prometheus.Metric) {
	o := out(ch)
	for _, m := range c.live {
		o <- m
	}
	c.from.Methods(func(m *rpc.Method) {
		// A method that nobody has called has no latency, and a histogram is a dozen lines.
		if m.Handling != nil {
			if s := m.Handling.Snapshot(); s.Count > 0 {
				o.snapshot(callsHandling, s, m.Type, m.Service, m.Name)
			}
		}
	})
	c.from.Clients(func(kind, version string, n uint64) { o.count(clientRequests, n, kind, version) })
	c.from.StreamFailures(func(api, way string, n uint64) { o.count(streamFailures, n, way, api) })
	o.count(clientReceived, c.from.ReceivedBytes.Load())
	o.count(clientSent, c.from.SentBytes.Load())
	w := &c.from.Watch
	o.spread(watchSent, w.Events)
	o.spread(watchSentEach, w.PerEvent)
	o.spread(watchControlled, w.Control)
	o.spread(watchProgressed, w.Progress)
}
