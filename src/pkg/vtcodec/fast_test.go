package vtcodec

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// types has one message per case: bytes only, a string further down, and one that holds itself.
func types(t *testing.T) protoreflect.MessageDescriptors {
	t.Helper()
	field := func(name string, kind descriptorpb.FieldDescriptorProto_Type, message string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: proto.Int32(1), Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if message != "" {
			f.TypeName = &message
		}
		return f
	}
	message := func(name string, f *descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: []*descriptorpb.FieldDescriptorProto{f}}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			message("Bytes", field("b", descriptorpb.FieldDescriptorProto_TYPE_BYTES, "")),
			message("Text", field("s", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")),
			message("HoldsBytes", field("m", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".t.Bytes")),
			message("HoldsText", field("m", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".t.Text")),
			message("HoldsItself", field("m", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".t.HoldsItself")),
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages()
}

func TestFast(t *testing.T) {
	all := types(t)
	for name, want := range map[protoreflect.Name][2]bool{ // for a small message, for a large one
		"Bytes":       {true, true},
		"HoldsBytes":  {true, true},
		"Text":        {false, false},
		"HoldsText":   {false, false},
		"HoldsItself": {true, false},
	} {
		got := [2]bool{fast(all.ByName(name), longest-1), fast(all.ByName(name), longest)}
		if got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
