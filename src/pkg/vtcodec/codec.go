// Package vtcodec is the gRPC codec of members and clients: protobuf on the wire, without reflection where messages bring
// generated code.
//
// It is given to each connection (grpc.ForceCodecV2, grpc.ForceServerCodecV2) and never registered, so that other users
// of gRPC in the same process keep theirs.
package vtcodec

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// BufferMarshaler is a message that brings its encoding as ready buffers, spliced from bytes that exist already.
//
// The codec hands the buffers on as they are; gRPC frees them when they are sent. Together they must hold one encoded
// message of the type that the method declares.
type BufferMarshaler interface {
	MarshalBuffers() (mem.BufferSlice, error)
}

// marshaler and unmarshaler are what vtprotobuf generates. The size is passed between the two calls through the length
// of the buffer, which is why SizeVT must be called first and the message must not change in between.
type (
	marshaler interface {
		SizeVT() int
		MarshalToSizedBufferVT([]byte) (int, error)
	}
	unmarshaler interface {
		proto.Message
		UnmarshalVT([]byte) error
	}
)

// Codec implements encoding.CodecV2. The zero value works.
type Codec struct{}

// Name is the content-subtype: the bytes are those of the standard protobuf codec, so peers with either understand both.
func (Codec) Name() string { return "proto" }

// Marshal encodes a BufferMarshaler, a message with generated code, or any other protobuf message.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case BufferMarshaler:
		return m.MarshalBuffers()
	case marshaler:
		return encode(m.SizeVT(), func(b []byte) error {
			n, err := m.MarshalToSizedBufferVT(b)
			if err == nil && n != len(b) {
				err = fmt.Errorf("vtcodec: %T wrote %d bytes where its size is %d: it was changed while it was encoded", v, n, len(b))
			}
			return err
		})
	case proto.Message:
		return encode(proto.Size(m), func(b []byte) error {
			_, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b[:0], m)
			return err
		})
	}
	return nil, fmt.Errorf("vtcodec: can not encode %T: it is no protobuf message", v)
}

// Unmarshal decodes into a protobuf message and replaces what it held. The message keeps no reference to data.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("vtcodec: can not decode into %T: it is no protobuf message", v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	if u, ok := v.(unmarshaler); ok && fast(u.ProtoReflect().Descriptor(), buf.Len()) {
		proto.Reset(u)
		return u.UnmarshalVT(buf.ReadOnlyData())
	}
	return proto.Unmarshal(buf.ReadOnlyData(), m)
}

// encode lets write fill a buffer of size bytes, taken from the pool where gRPC gives buffers back to it.
func encode(size int, write func([]byte) error) (mem.BufferSlice, error) {
	if mem.IsBelowBufferPoolingThreshold(size) {
		b := make([]byte, size)
		if err := write(b); err != nil {
			return nil, err
		}
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	pool := mem.DefaultBufferPool()
	b := pool.Get(size)
	if err := write((*b)[:size]); err != nil {
		pool.Put(b)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
}
