package check

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/history"
)

// at is a time of the run in words.
func at(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// who is an operation in words.
func (e *evidence) who(i int) string {
	if i < 0 {
		return "nobody"
	}
	op := &e.Operations[i]
	text := fmt.Sprintf("operation %d, %s of client %d at %s", i, kind(op.Request), op.Client, op.Member)
	if op.User != "" {
		text += " as " + op.User
	}
	return fmt.Sprintf("%s, %s to %s", text, at(op.Call), at(op.Return))
}

// whichWatch is a watch in words.
func (e *evidence) whichWatch(i int) string {
	w := &e.Watches[i]
	return fmt.Sprintf("watch %d of client %d at %s", i, w.Client, w.Member)
}

// kind is the name of a request.
func kind(m any) string {
	if p, ok := m.(interface{ ProtoReflect() protoreflect.Message }); ok {
		return strings.TrimSuffix(string(p.ProtoReflect().Descriptor().Name()), "Request")
	}
	return "nothing"
}

// describe shows a request in short.
func describe(m any) string {
	switch r := m.(type) {
	case *pb.PutRequest:
		text := fmt.Sprintf("put(%q, %.24q", r.Key, r.Value)
		if r.Lease != 0 {
			text += fmt.Sprintf(", lease %x", uint64(r.Lease))
		}
		return text + ")"
	case *pb.RangeRequest:
		text := "range(" + keysOf(r.Key, r.RangeEnd)
		if r.Revision != 0 {
			text += fmt.Sprintf(", revision %d", r.Revision)
		}
		return text + ")"
	case *pb.DeleteRangeRequest:
		return "delete(" + keysOf(r.Key, r.RangeEnd) + ")"
	case *pb.TxnRequest:
		return fmt.Sprintf("txn(if %s then %s else %s)", all(r.Compare, describeCompare), all(r.Success, describeOp), all(r.Failure, describeOp))
	case *pb.LeaseGrantRequest:
		return fmt.Sprintf("grant(lease %x, %d s)", uint64(r.ID), r.TTL)
	case *pb.LeaseRevokeRequest:
		return fmt.Sprintf("revoke(lease %x)", uint64(r.ID))
	case *pb.LeaseKeepAliveRequest:
		return fmt.Sprintf("keepalive(lease %x)", uint64(r.ID))
	case *pb.LeaseTimeToLiveRequest:
		return fmt.Sprintf("timetolive(lease %x)", uint64(r.ID))
	case *pb.CompactionRequest:
		return fmt.Sprintf("compact(%d)", r.Revision)
	}
	return strings.ToLower(kind(m))
}

func keysOf(key, end []byte) string {
	if len(end) == 0 {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q to %q", key, end)
}

func all[T any](list []T, f func(T) string) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = f(item)
	}
	return "[" + strings.Join(texts, "; ") + "]"
}

func describeCompare(c *pb.Compare) string {
	return fmt.Sprintf("%s of %s %s", strings.ToLower(c.Target.String()), keysOf(c.Key, c.RangeEnd), strings.ToLower(c.Result.String()))
}

func describeOp(op *pb.RequestOp) string {
	switch o := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return describe(o.RequestRange)
	case *pb.RequestOp_RequestPut:
		return describe(o.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		return describe(o.RequestDeleteRange)
	case *pb.RequestOp_RequestTxn:
		return describe(o.RequestTxn)
	}
	return "nothing"
}

// describeEvents shows changes in short.
func describeEvents(events []*mvccpb.Event) string {
	const most = 6
	more := ""
	if len(events) > most {
		events, more = events[:most], fmt.Sprintf(" and %d more", len(events)-most)
	}
	return all(events, func(e *mvccpb.Event) string {
		if e.Type == mvccpb.Event_DELETE {
			return fmt.Sprintf("delete %q", e.Kv.GetKey())
		}
		return fmt.Sprintf("put %q = %.24q", e.Kv.GetKey(), e.Kv.GetValue())
	}) + more
}

// since says which fault was the last one before a time.
func (e *evidence) since(t time.Duration) string {
	var last *history.Fault
	what, when := "", time.Duration(-1)
	for i := range e.Faults {
		f := &e.Faults[i]
		if f.Injected <= t && f.Injected > when {
			last, what, when = f, "began", f.Injected
		}
		if f.Healed > 0 && f.Healed <= t && f.Healed > when {
			last, what, when = f, "was healed", f.Healed
		}
	}
	if last == nil {
		return "before any fault"
	}
	return fmt.Sprintf("%s after %s of %s %s", at(t-when), last.Kind, strings.Join(last.Members, ", "), what)
}

// describeResponse shows an answer in short.
func describeResponse(m any) string {
	switch r := m.(type) {
	case *pb.RangeResponse:
		return fmt.Sprintf("%d keys %s at revision %d", r.Count, all(r.Kvs[:min(len(r.Kvs), 5)], describeKV), r.GetHeader().GetRevision())
	case *pb.PutResponse:
		return fmt.Sprintf("revision %d", r.GetHeader().GetRevision())
	case *pb.DeleteRangeResponse:
		return fmt.Sprintf("%d deleted, revision %d", r.Deleted, r.GetHeader().GetRevision())
	case *pb.TxnResponse:
		return fmt.Sprintf("%v, revision %d", r.Succeeded, r.GetHeader().GetRevision())
	case *pb.LeaseKeepAliveResponse:
		return fmt.Sprintf("%d s", r.TTL)
	case *pb.LeaseTimeToLiveResponse:
		return fmt.Sprintf("%d of %d s", r.TTL, r.GrantedTTL)
	}
	return "ok"
}

func describeKV(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return "none"
	}
	return fmt.Sprintf("%q = %.24q (%d)", kv.Key, kv.Value, kv.ModRevision)
}
