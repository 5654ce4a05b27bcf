package api_test

import (
	"path"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"quoin.dev/api/authpb"
	"quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/api/membershippb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/snappb"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/api/versionpb"
	"quoin.dev/api/walpb"
)

// linked are the descriptors of every .proto file of the API, ours and that of raft.
var linked = []protoreflect.FileDescriptor{
	authpb.File_authpb_auth_proto,
	etcdserverpb.File_etcdserverpb_etcdserver_proto,
	etcdserverpb.File_etcdserverpb_raft_internal_proto,
	etcdserverpb.File_etcdserverpb_rpc_proto,
	leasepb.File_leasepb_lease_proto,
	membershippb.File_membershippb_membership_proto,
	mvccpb.File_mvccpb_kv_proto,
	raftpb.File_raft_proto,
	snappb.File_snappb_snap_proto,
	v3electionpb.File_v3electionpb_v3election_proto,
	v3lockpb.File_v3lockpb_v3lock_proto,
	versionpb.File_versionpb_version_proto,
	walpb.File_walpb_record_proto,
}

func protoFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/*.proto")
	if err != nil || len(files)+1 != len(linked) {
		t.Fatalf("%d .proto files (error %v), while the test compares %d and that of raft", len(files), err, len(linked)-1)
	}
	return files
}

// compiled describes the linked files in the form of the reference.
func compiled() []wireFile {
	var out []wireFile
	for _, fd := range linked {
		f := wireFile{
			File: path.Base(fd.Path()), Package: string(fd.Package()), Syntax: fd.Syntax().String(),
			Enums: enums(fd.Enums()),
		}
		for i := range fd.Messages().Len() {
			f.Messages = append(f.Messages, message(fd.Messages().Get(i))...)
		}
		for i := range fd.Services().Len() {
			f.Services = append(f.Services, service(fd.Services().Get(i)))
		}
		for i := range fd.Extensions().Len() {
			x := fd.Extensions().Get(i)
			f.Extensions = append(f.Extensions, wireExtension{
				Name: string(x.FullName()), Number: int(x.Number()), Extends: string(x.ContainingMessage().FullName()),
				Label: x.Cardinality().String(), Type: typeName(x),
			})
		}
		out = append(out, f)
	}
	return out
}

// message returns a message and those declared within it.
func message(d protoreflect.MessageDescriptor) []wireMessage {
	m := wireMessage{Name: string(d.FullName()), Enums: enums(d.Enums()), Annotations: versions(d)}
	for i := range d.ReservedRanges().Len() {
		r := d.ReservedRanges().Get(i)
		m.ReservedRanges = append(m.ReservedRanges, [2]int{int(r[0]), int(r[1]) - 1}) // the end is exclusive in Go
	}
	for i := range d.ReservedNames().Len() {
		m.ReservedNames = append(m.ReservedNames, string(d.ReservedNames().Get(i)))
	}
	for i := range d.Fields().Len() {
		x := d.Fields().Get(i)
		f := wireField{
			Name: string(x.Name()), Number: int(x.Number()), Kind: x.Kind().String(), Label: x.Cardinality().String(),
			Type: typeName(x), JSONName: x.JSONName(), Presence: x.HasPresence(), Packed: x.IsPacked(), Annotations: versions(x),
		}
		if o := x.ContainingOneof(); o != nil {
			f.Oneof = string(o.Name())
		}
		m.Fields = append(m.Fields, f)
	}
	out := []wireMessage{m}
	for i := range d.Messages().Len() {
		out = append(out, message(d.Messages().Get(i))...)
	}
	return out
}

func enums(list protoreflect.EnumDescriptors) (out []wireEnum) {
	for i := range list.Len() {
		d := list.Get(i)
		e := wireEnum{Name: string(d.FullName()), Annotations: versions(d)}
		for j := range d.Values().Len() {
			v := d.Values().Get(j)
			e.Values = append(e.Values, wireValue{Name: string(v.Name()), Number: int(v.Number()), Annotations: versions(v)})
		}
		out = append(out, e)
	}
	return out
}

func service(d protoreflect.ServiceDescriptor) wireService {
	s := wireService{Name: string(d.FullName())}
	for i := range d.Methods().Len() {
		m := d.Methods().Get(i)
		s.Methods = append(s.Methods, wireMethod{
			Name: string(m.Name()), FullMethod: "/" + string(d.FullName()) + "/" + string(m.Name()),
			Request: string(m.Input().FullName()), Response: string(m.Output().FullName()),
			ClientStreaming: m.IsStreamingClient(), ServerStreaming: m.IsStreamingServer(), HTTP: routes(m),
		})
	}
	return s
}

func routes(m protoreflect.MethodDescriptor) (out []wireHTTP) {
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule == nil {
		return nil
	}
	for _, r := range append([]*annotations.HttpRule{rule}, rule.AdditionalBindings...) {
		h := wireHTTP{Body: r.Body}
		r.ProtoReflect().Range(func(x protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if o := x.ContainingOneof(); o != nil && o.Name() == "pattern" {
				h.Verb, h.Path = strings.ToUpper(string(x.Name())), v.String()
			}
			return true
		})
		out = append(out, h)
	}
	return out
}

// versions returns the annotations that say in which version something joined the API.
func versions(d protoreflect.Descriptor) map[string]string {
	out := map[string]string{}
	options := d.Options()
	if options == nil || !options.ProtoReflect().IsValid() {
		return nil
	}
	options.ProtoReflect().Range(func(x protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if x.ParentFile().Package() == "versionpb" {
			out[string(x.FullName())] = v.String()
		}
		return true
	})
	return out
}

func typeName(x protoreflect.FieldDescriptor) string {
	switch {
	case x.Message() != nil:
		return string(x.Message().FullName())
	case x.Enum() != nil:
		return string(x.Enum().FullName())
	}
	return x.Kind().String()
}
