package words

import (
	"bytes"
	"fmt"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// Interval shows which keys are meant: one, a prefix ("k*"), an interval, all from one on, or all.
func Interval(key, end []byte) string {
	first := bytes.Equal(key, []byte{0}) || len(key) == 0
	switch {
	case len(end) == 0:
		return Bytes(key)
	case bytes.Equal(end, []byte{0}) && first:
		return "all keys"
	case bytes.Equal(end, []byte{0}):
		return "[" + Bytes(key) + ", …)"
	case bytes.Equal(end, after(key)):
		return Bytes(key) + "*"
	}
	return "[" + Bytes(key) + ", " + Bytes(end) + ")"
}

// after is where the keys with a prefix end; nil if nothing comes behind them.
func after(prefix []byte) []byte {
	end := bytes.TrimRight(prefix, "\xff")
	if len(end) == 0 {
		return nil
	}
	end = bytes.Clone(end)
	end[len(end)-1]++
	return end
}

func put(r *pb.PutRequest) string {
	text := "put " + Bytes(r.Key)
	if !r.IgnoreValue {
		text += "=" + Bytes(r.Value)
	}
	if r.Lease != 0 {
		text += fmt.Sprintf(" on lease %x", r.Lease)
	}
	return text + word(r.IgnoreValue, "keeping its value") + word(r.IgnoreLease, "keeping its lease") + word(r.PrevKv, "with what was there")
}

func get(r *pb.RangeRequest) string {
	text := word(r.KeysOnly, "keys of") + word(r.CountOnly, "number of") + " " + Interval(r.Key, r.RangeEnd)
	text += number(" at rev %d", r.Revision) + number(", first %d", r.Limit)
	if r.SortOrder != pb.RangeRequest_NONE {
		text += fmt.Sprintf(", by %s %s", strings.ToLower(r.SortTarget.String()), strings.ToLower(r.SortOrder.String()))
	}
	text += number(", mod ≥ %d", r.MinModRevision) + number(", mod ≤ %d", r.MaxModRevision)
	text += number(", create ≥ %d", r.MinCreateRevision) + number(", create ≤ %d", r.MaxCreateRevision)
	return "get" + text + word(r.Serializable, "(serializable)")
}

func txn(r *pb.TxnRequest) string {
	var ifs []string
	for _, c := range r.Compare {
		ifs = append(ifs, compare(c))
	}
	text := "do " + ops(r.Success)
	if len(ifs) > 0 {
		text = "if " + strings.Join(ifs, " and ") + " then " + ops(r.Success)
	}
	if len(r.Failure) > 0 {
		text += " else " + ops(r.Failure)
	}
	return text
}

func compare(c *pb.Compare) string {
	sign := map[pb.Compare_CompareResult]string{
		pb.Compare_EQUAL: "=", pb.Compare_GREATER: ">", pb.Compare_LESS: "<", pb.Compare_NOT_EQUAL: "≠",
	}[c.Result]
	to := ""
	switch c.Target {
	case pb.Compare_VALUE:
		to = Bytes(c.GetValue())
	case pb.Compare_LEASE:
		to = fmt.Sprintf("%x", c.GetLease())
	case pb.Compare_VERSION:
		to = fmt.Sprint(c.GetVersion())
	case pb.Compare_CREATE:
		to = fmt.Sprint(c.GetCreateRevision())
	default:
		to = fmt.Sprint(c.GetModRevision())
	}
	return fmt.Sprintf("%s(%s) %s %s", strings.ToLower(c.Target.String()), Interval(c.Key, c.RangeEnd), sign, to)
}

func ops(list []*pb.RequestOp) string {
	if len(list) == 0 {
		return "nothing"
	}
	var texts []string
	for _, op := range list {
		switch r := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			texts = append(texts, put(r.RequestPut))
		case *pb.RequestOp_RequestRange:
			texts = append(texts, get(r.RequestRange))
		case *pb.RequestOp_RequestDeleteRange:
			texts = append(texts, request(r.RequestDeleteRange))
		case *pb.RequestOp_RequestTxn:
			texts = append(texts, "("+txn(r.RequestTxn)+")")
		default:
			texts = append(texts, "an empty operation")
		}
	}
	return strings.Join(texts, "; ")
}

func txnDone(r *pb.TxnResponse) string {
	var texts []string
	for _, op := range r.Responses {
		switch o := op.Response.(type) {
		case *pb.ResponseOp_ResponsePut:
			texts = append(texts, join("put", was(o.ResponsePut.GetPrevKv())))
		case *pb.ResponseOp_ResponseRange:
			texts = append(texts, found(o.ResponseRange))
		case *pb.ResponseOp_ResponseDeleteRange:
			texts = append(texts, join(fmt.Sprintf("%d deleted", o.ResponseDeleteRange.GetDeleted()), was(o.ResponseDeleteRange.GetPrevKvs()...)))
		case *pb.ResponseOp_ResponseTxn:
			texts = append(texts, "("+txnDone(o.ResponseTxn)+")")
		}
	}
	branch := "else"
	if r.Succeeded {
		branch = "then"
	}
	if len(texts) > 0 {
		branch += ": " + strings.Join(texts, "; ")
	}
	return join(branch, revision(r.Header))
}

func found(r *pb.RangeResponse) string {
	switch {
	case len(r.GetKvs()) == 0 && r.GetCount() > 0:
		return fmt.Sprintf("%d keys", r.Count)
	case len(r.GetKvs()) == 0:
		return "none"
	case int64(len(r.Kvs)) != r.Count && r.Count != 0:
		return fmt.Sprintf("%d of %d: %s", len(r.Kvs), r.Count, pairs(r.Kvs))
	}
	return pairs(r.Kvs)
}

// KeyValue shows a key with its value and the revision it is from, which may be nil: "a=1@5", "none".
func KeyValue(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return "none"
	}
	return pairs([]*mvccpb.KeyValue{kv})
}

// pairs shows keys with their values and the revisions they are from: "a=1@5, b=2@6".
func pairs(kvs []*mvccpb.KeyValue) string {
	var texts []string
	for _, kv := range kvs[:min(len(kvs), listed)] {
		texts = append(texts, fmt.Sprintf("%s=%s@%d", Bytes(kv.Key), Bytes(kv.Value), kv.ModRevision))
	}
	if more := len(kvs) - listed; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}

func was(kvs ...*mvccpb.KeyValue) string {
	if len(kvs) == 0 || kvs[0] == nil {
		return ""
	}
	return "was " + pairs(kvs)
}
