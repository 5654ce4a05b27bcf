package rpc

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"quoin.dev/pkg/meter"
	"quoin.dev/pkg/vtcodec"
)

// unary is a grpc.UnaryServerInterceptor. It is the first one, so that it sees what the others refuse.
func (m *Meter) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	method := m.methods[info.FullMethod]
	m.came(ctx, unaryCalls)
	begun := method.begin()
	method.Received.Inc()
	response, err := handler(ctx, request)
	if err == nil {
		method.Sent.Inc()
	}
	method.end(begun, err)
	return response, err
}

// stream is a grpc.StreamServerInterceptor.
func (m *Meter) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	method := m.methods[info.FullMethod]
	m.came(stream.Context(), streamed)
	begun := method.begin()
	err := handler(server, &countedStream{ServerStream: stream, m: m, method: method})
	method.end(begun, err)
	return err
}

// begin looks at the clock only if somebody wants to know.
func (c *Method) begin() (begun time.Time) {
	c.Started.Inc()
	if c.Handling != nil {
		begun = time.Now()
	}
	return begun
}

func (c *Method) end(begun time.Time, err error) {
	code := codeOf(err)
	if int(code) >= len(c.Handled) {
		code = codes.Unknown
	}
	c.Handled[code].Inc()
	if c.Handling != nil {
		c.Handling.Since(begun)
	}
}

// codeOf is the code with which an error leaves.
func codeOf(err error) codes.Code {
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return status.FromContextError(err).Code()
}

// countedStream counts the messages of a stream.
type countedStream struct {
	grpc.ServerStream
	m      *Meter
	method *Method
}

// SendMsg implements grpc.ServerStream.
func (s *countedStream) SendMsg(message any) error {
	err := s.ServerStream.SendMsg(message)
	if err == nil {
		s.method.Sent.Inc()
	} else {
		s.m.broke(s.method, "send", err)
	}
	return err
}

// RecvMsg implements grpc.ServerStream.
func (s *countedStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err == nil {
		s.method.Received.Inc()
	} else {
		s.m.broke(s.method, "receive", err)
	}
	return err
}

// countingCodec counts the bytes of messages.
type countingCodec struct {
	vtcodec.Codec
	m *Meter
}

// Marshal implements encoding.CodecV2.
func (c countingCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, err := c.Codec.Marshal(v)
	c.m.SentBytes.Add(uint64(data.Len()))
	return data, err
}

// Unmarshal implements encoding.CodecV2.
func (c countingCodec) Unmarshal(data mem.BufferSlice, v any) error {
	c.m.ReceivedBytes.Add(uint64(data.Len()))
	return c.Codec.Unmarshal(data, v)
}

// broke counts a stream that broke for another reason than that its client left, or that it ended.
func (m *Meter) broke(method *Method, way string, err error) {
	if code := codeOf(err); errors.Is(err, io.EOF) || code == codes.Canceled || code == codes.DeadlineExceeded {
		return
	}
	api := map[string]string{"Watch": "watch", "LeaseKeepAlive": "lease-keepalive"}[method.Name]
	if api == "" {
		api = strings.ToLower(method.Name)
	}
	c, _ := m.failures.LoadOrStore(streamFailure{api, way}, new(meter.Counter))
	c.(*meter.Counter).Inc()
}
