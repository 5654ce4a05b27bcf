package migrate

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"go.etcd.io/raft/v3/raftpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/versionpb"
)

// Needs is the oldest version that understands an entry: the newest version that one of its messages, fields or values was
// brought by, as their options say.
func Needs(e *raftpb.Entry) (Version, error) {
	if e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 {
		return Version{}, nil // etcd has had these for ever
	}
	var request pb.InternalRaftRequest
	if err := proto.Unmarshal(e.GetData(), &request); err != nil {
		return Version{}, fmt.Errorf("entry %d does not decode: %w", e.GetIndex(), err)
	}
	if test := request.GetDowngradeVersionTest(); test != nil {
		// A request of etcd's own tests, which says what it needs.
		return ParseFull(test.GetVer())
	}
	return needsOf(request.ProtoReflect())
}

func needsOf(m protoreflect.Message) (Version, error) {
	needed, err := option(m.Descriptor().Options(), versionpb.E_EtcdVersionMsg)
	if err != nil {
		return needed, err
	}
	if len(m.GetUnknown()) > 0 {
		return Version{newest.Major, newest.Minor + 1}, nil // whatever it is, this version does not know it
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		var of Version
		if of, err = needsOfField(field, value); err != nil {
			return false
		}
		needed = needed.max(of)
		return true
	})
	return needed, err
}

func needsOfField(field protoreflect.FieldDescriptor, value protoreflect.Value) (Version, error) {
	needed, err := option(field.Options(), versionpb.E_EtcdVersionField)
	if err != nil || field.Message() == nil && field.Enum() == nil || field.IsMap() {
		return needed, err
	}
	values := []protoreflect.Value{value}
	if field.IsList() {
		values = values[:0]
		for i := range value.List().Len() {
			values = append(values, value.List().Get(i))
		}
	}
	for _, v := range values {
		var of Version
		if field.Enum() != nil {
			of, err = needsOfEnum(field.Enum(), v.Enum())
		} else {
			of, err = needsOf(v.Message())
		}
		if err != nil {
			return needed, err
		}
		needed = needed.max(of)
	}
	return needed, nil
}

func needsOfEnum(enum protoreflect.EnumDescriptor, number protoreflect.EnumNumber) (Version, error) {
	of, err := option(enum.Options(), versionpb.E_EtcdVersionEnum)
	value := enum.Values().ByNumber(number)
	if err != nil || value == nil {
		return of, err
	}
	ofValue, err := option(value.Options(), versionpb.E_EtcdVersionEnumValue)
	return of.max(ofValue), err
}

// option reads the version in an option, the zero Version if there is none.
func option(options protoreflect.ProtoMessage, which protoreflect.ExtensionType) (Version, error) {
	if options == nil || !proto.HasExtension(options, which) {
		return Version{}, nil
	}
	text, _ := proto.GetExtension(options, which).(string)
	return Parse(text)
}
