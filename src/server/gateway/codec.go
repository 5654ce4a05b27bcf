package gateway

import (
	"context"
	"errors"
	"io"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// errMessageTooLarge ends a request whose message is larger than Options allow.
var errMessageTooLarge = errors.New("the message is too large")

// codec is JSON as etcd speaks it: names of fields as in the .proto files, 64-bit numbers as strings, bytes as base64; what is unset
// is left out, what is unknown is ignored.
type codec struct {
	runtime.Marshaler
	maxBytes int
}

func newCodec(maxBytes int) codec {
	return codec{maxBytes: maxBytes, Marshaler: &runtime.HTTPBodyMarshaler{Marshaler: &runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
	}}}
}

// NewDecoder reads one message after the other; none may be larger than maxBytes, with all that stands before it, or twice that in a
// stream: what is read ahead counts for the message before. What can not be read ends a stream.
func (c codec) NewDecoder(r io.Reader) runtime.Decoder {
	limited := &messageReader{from: r}
	decoder := c.Marshaler.NewDecoder(limited)
	return runtime.DecoderFunc(func(v any) error {
		limited.left = c.maxBytes
		err := decoder.Decode(v)
		if stream, ok := r.(*streamBody); ok && err != nil && !errors.Is(err, io.EOF) {
			stream.fail()
		}
		return err
	})
}

// streamBody is the body of a request that is many messages. The library stops to read such a body at the first that is wrong, and
// goes on with the response; then nobody would notice when the client leaves.
type streamBody struct {
	io.ReadCloser
	fail context.CancelFunc
}

// messageReader fails once more than left bytes were read.
type messageReader struct {
	from io.Reader
	left int
}

// Read implements io.Reader.
func (m *messageReader) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errMessageTooLarge
	}
	n, err := m.from.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// streamingPaths are those whose request is a stream of messages, by the annotations of the API.
func streamingPaths() map[string]bool {
	paths := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				if rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule); ok && m.IsStreamingClient() {
					paths[rule.GetPost()] = true
				}
			}
		}
		return true
	})
	return paths
}
