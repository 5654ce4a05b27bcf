package rpc

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"quoin.dev/api/rpctypes"
	"quoin.dev/pkg/meter"

	"quoin.dev/server/watch"
)

// Meter is what is counted of calls. It is made by NewMeter; the server that it is given to makes it know its methods.
type Meter struct {
	ReceivedBytes, SentBytes meter.Counter // of messages, as they are encoded
	Watch                    WatchMeter

	extensive bool
	// methods is set once, before the first call.
	methods  map[string]*Method
	clients  [2]sync.Map // *meter.Counter by the version of the client; unary calls, streams
	versions atomic.Int32
	failures sync.Map // *meter.Counter by streamFailure
}

// Method is what is counted of one method.
type Method struct {
	Service, Name, Type     string
	Started, Received, Sent meter.Counter
	Handled                 [codes.Unauthenticated + 1]meter.Counter // by code
	Handling                *meter.Histogram                         // nil unless the meter is extensive
}

// handlingLayout is for calls: from 5 ms to 10 s.
var handlingLayout = meter.Layout{
	Ends:    []int64{5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9},
	PerUnit: float64(time.Second),
}

// NewMeter returns a meter that has counted nothing. One that is extensive has the latencies of every method.
func NewMeter(extensive bool) *Meter { return &Meter{extensive: extensive, Watch: newWatchMeter()} }

// know makes the methods of a server known.
func (m *Meter) know(services map[string]grpc.ServiceInfo) {
	methods := map[string]*Method{}
	for service, info := range services {
		for _, in := range info.Methods {
			c := &Method{Service: service, Name: in.Name, Type: methodType(in)}
			if m.extensive {
				c.Handling = meter.New(handlingLayout)
			}
			methods["/"+service+"/"+in.Name] = c
		}
	}
	m.methods = methods
}

func methodType(i grpc.MethodInfo) string {
	switch {
	case i.IsClientStream && i.IsServerStream:
		return "bidi_stream"
	case i.IsClientStream:
		return "client_stream"
	case i.IsServerStream:
		return "server_stream"
	}
	return "unary"
}

// Methods calls f for every method of the server.
func (m *Meter) Methods(f func(*Method)) {
	for _, method := range m.methods {
		f(method)
	}
}

// maxClientVersions bounds the versions that are counted apart: clients say them, and may say anything.
const (
	maxClientVersions    = 32
	maxVersionBytes      = 32
	versionUnknown       = "unknown" // says nothing
	versionOther         = "other"
	unaryCalls, streamed = 0, 1
)

// came counts a call of a client.
func (m *Meter) came(ctx context.Context, kind int) {
	version := versionUnknown
	if said := metadata.ValueFromIncomingContext(ctx, rpctypes.MetadataClientAPIVersionKey); len(said) > 0 && said[0] != "" {
		version = said[0]
	}
	c, known := m.clients[kind].Load(version)
	if !known {
		if len(version) > maxVersionBytes || !isPrintable(version) ||
			m.versions.Load() >= maxClientVersions || m.versions.Add(1) > maxClientVersions {
			version = versionOther
		}
		c, _ = m.clients[kind].LoadOrStore(version, new(meter.Counter))
	}
	c.(*meter.Counter).Inc()
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// Clients calls f for each type of call, unary or stream, and each version that clients said.
func (m *Meter) Clients(f func(kind, version string, n uint64)) {
	for i, kind := range []string{"unary", "stream"} {
		m.clients[i].Range(func(version, c any) bool {
			f(kind, version.(string), c.(*meter.Counter).Load())
			return true
		})
	}
}

// streamFailure is where a stream broke.
type streamFailure struct{ api, way string }

// StreamFailures calls f for each API whose streams broke, and whether that was while sending or while receiving.
func (m *Meter) StreamFailures(f func(api, way string, n uint64)) {
	m.failures.Range(func(at, c any) bool {
		f(at.(streamFailure).api, at.(streamFailure).way, c.(*meter.Counter).Load())
		return true
	})
}

// WatchMeter is how long it took to hand replies of watches over to gRPC: those that say that a watcher was created or
// canceled, those that tell how far nothing has happened, those with events, and those again by event.
type WatchMeter struct{ Control, Progress, Events, PerEvent *meter.Histogram }

func newWatchMeter() WatchMeter {
	l := meter.Seconds(time.Millisecond, 14)
	return WatchMeter{Control: meter.New(l), Progress: meter.New(l), Events: meter.New(l), PerEvent: meter.New(l)}
}

func (m *WatchMeter) sent(r *watch.Reply, took time.Duration) {
	switch events := len(r.Frames); {
	case events > 0:
		m.Events.Observe(took)
		m.PerEvent.Observe(took / time.Duration(events))
	case r.Created || r.Canceled:
		m.Control.Observe(took)
	default:
		m.Progress.Observe(took)
	}
}
