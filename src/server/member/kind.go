package member

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "quoin.dev/api/etcdserverpb"
)

// Kinds of requests that are answered without the log.
const (
	KindRange       = "Range"
	KindRangeStream = "RangeStream"
	KindReadonlyTxn = "ReadonlyTxn"
)

// kindOf names what a request asks for, by the field that says it: the common ones first, since every entry is looked at.
func kindOf(r *pb.InternalRaftRequest) string {
	switch {
	case r.Put != nil:
		return "Put"
	case r.Txn != nil:
		return "Txn"
	case r.DeleteRange != nil:
		return "DeleteRange"
	case r.LeaseGrant != nil:
		return "LeaseGrant"
	case r.LeaseRevoke != nil:
		return "LeaseRevoke"
	case r.LeaseCheckpoint != nil:
		return "LeaseCheckpoint"
	case r.Compaction != nil:
		return "Compaction"
	}
	kind := "Unknown"
	r.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.Kind() == protoreflect.MessageKind && f.Name() != "header" {
			kind = camelCase(string(f.Name()))
		}
		return true
	})
	return kind
}

// camelCase makes AuthUserAdd of auth_user_add.
func camelCase(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
