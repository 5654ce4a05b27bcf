package vtcodec_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"quoin.dev/pkg/vtcodec"
)

var _ encoding.CodecV2 = vtcodec.Codec{}

// generated stands for a message with vtprotobuf code: it embeds a real message and counts what is called.
type generated struct {
	*wrapperspb.BytesValue
	encoded, decoded int
	lie              int // makes the size wrong by so much
}

func (g *generated) SizeVT() int { return proto.Size(g.BytesValue) + g.lie }

func (g *generated) MarshalToSizedBufferVT(b []byte) (int, error) {
	g.encoded++
	raw, err := proto.Marshal(g.BytesValue)
	copy(b, raw)
	return len(raw), err
}

func (g *generated) UnmarshalVT(b []byte) error {
	g.decoded++
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(b, g.BytesValue)
}

type spliced struct{ parts []string }

func (s spliced) MarshalBuffers() (mem.BufferSlice, error) {
	var out mem.BufferSlice
	for _, p := range s.parts {
		out = append(out, mem.SliceBuffer(p))
	}
	return out, nil
}

func TestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 5000, 3 << 20} { // on both sides of gRPC's pooling threshold
		value := bytes.Repeat([]byte("v"), size)
		for _, in := range []proto.Message{wrapperspb.Bytes(value), &generated{BytesValue: wrapperspb.Bytes(value)}} {
			t.Run(fmt.Sprintf("%T/%d", in, size), func(t *testing.T) {
				buffers, err := vtcodec.Codec{}.Marshal(in)
				if err != nil {
					t.Fatal(err)
				}
				want, _ := proto.Marshal(wrapperspb.Bytes(value))
				if !bytes.Equal(buffers.Materialize(), want) {
					t.Fatal("not the bytes of the protobuf library")
				}
				out := &generated{BytesValue: wrapperspb.Bytes([]byte("left over"))}
				if err := (vtcodec.Codec{}).Unmarshal(buffers, out); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(out.Value, value) {
					t.Fatalf("decoded %d bytes, want %d", len(out.Value), size)
				}
				if g, ok := in.(*generated); ok && g.encoded != 1 {
					t.Error("the generated encoder was not used")
				}
				if out.decoded != 1 {
					t.Error("the generated decoder was not used")
				}
			})
		}
	}
}

func TestSplicedBuffersPassUntouched(t *testing.T) {
	buffers, err := vtcodec.Codec{}.Marshal(spliced{[]string{"\x0a\x04", "sp", "li"}})
	if err != nil || len(buffers) != 3 {
		t.Fatalf("got %d buffers, error %v", len(buffers), err)
	}
	var out wrapperspb.BytesValue
	if err := (vtcodec.Codec{}).Unmarshal(buffers, &out); err != nil || string(out.Value) != "spli" {
		t.Fatalf("got %q, error %v", out.Value, err)
	}
}

func TestStringsAreChecked(t *testing.T) {
	bad := mem.BufferSlice{mem.SliceBuffer("\x0a\x02\xff\xfe")}
	if err := (vtcodec.Codec{}).Unmarshal(bad, &wrapperspb.StringValue{}); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Fatalf("invalid UTF-8 in a string: error %v", err)
	}
}

func TestRefusals(t *testing.T) {
	if _, err := (vtcodec.Codec{}).Marshal("text"); err == nil {
		t.Error("encoded a string")
	}
	if err := (vtcodec.Codec{}).Unmarshal(nil, new(string)); err == nil {
		t.Error("decoded into a string")
	}
	if _, err := (vtcodec.Codec{}).Marshal(&generated{BytesValue: wrapperspb.Bytes(nil), lie: 1}); err == nil {
		t.Error("a message that changed while it was encoded went out")
	}
	if err := (vtcodec.Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer("\x0a\x7f")}, &wrapperspb.BytesValue{}); err == nil {
		t.Error("decoded a truncated message")
	}
	if _, err := (vtcodec.Codec{}).Marshal(durationpb.New(1)); err != nil {
		t.Error(err)
	}
}
