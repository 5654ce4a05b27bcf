package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

// fenced is a write that was made under a lock: a transaction that compared the create revision of the lock's key, and succeeded.
type fenced struct {
	operation int
	revision  int64 // that it made
	lock      string
	fence     int64
	writes    []string // keys
}

// locks: whoever wrote under a lock was its holder, that is, had the oldest of its keys; and holders follow each other.
func locks(_ context.Context, e *evidence, v *sheet) {
	var all []fenced
	for i := range e.Operations {
		if f, ok := e.fencedWrite(i); ok {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b fenced) int { return cmp.Compare(a.revision, b.revision) })
	held := map[string]fenced{} // the last write for each lock and key
	for _, f := range all {
		for _, key := range f.writes {
			at := lockName(f.lock) + "\x00" + key
			if last, ok := held[at]; ok && last.fence > f.fence {
				v.find(e.lockFinding(f, "expected writes of %q under the lock %q by holders that follow each other, found one of the holder since revision %d after one of the holder since %d (%s)",
					key, lockName(f.lock), f.fence, last.fence, e.who(last.operation)))
			}
			held[at] = f
		}
		if older, ok := e.olderKey(f); ok {
			v.find(e.lockFinding(f, "expected the holder of the lock %q to have its oldest key, found a write under %q, of revision %d, while %q, of revision %d, was there",
				lockName(f.lock), f.lock, f.fence, older.Key, older.CreateRevision))
		}
	}
	if len(all) > 0 {
		v.Judged = fmt.Sprintf("%d writes under locks", len(all))
	}
}

func (e *evidence) lockFinding(f fenced, format string, args ...any) history.Finding {
	op := &e.Operations[f.operation]
	return history.Finding{Text: fmt.Sprintf(format, args...) + "; " + e.who(f.operation), At: op.Return, Operations: []int{f.operation}}
}

// lockName is what a lock's keys have in common.
func lockName(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// fencedWrite recognises a write under a lock.
func (e *evidence) fencedWrite(i int) (fenced, bool) {
	op := &e.Operations[i]
	r, ok := op.Request.(*pb.TxnRequest)
	made, done := e.owners.Made[i]
	if !ok || !done {
		return fenced{}, false
	}
	f := fenced{operation: i, revision: made}
	for _, c := range r.Compare {
		if c.Target == pb.Compare_CREATE && c.Result == pb.Compare_EQUAL && c.GetCreateRevision() > 0 && lockName(string(c.Key)) != "" && len(c.RangeEnd) == 0 {
			f.lock, f.fence = string(c.Key), c.GetCreateRevision()
		}
	}
	if f.lock == "" || !e.succeeded(op, r, made) {
		return fenced{}, false
	}
	for _, o := range r.Success {
		if p := o.GetRequestPut(); p != nil && lockName(string(p.Key)) != lockName(f.lock) {
			f.writes = append(f.writes, string(p.Key))
		}
	}
	return f, len(f.writes) > 0 && e.isLock(f)
}

// succeeded tells whether a transaction took its first branch, also where only the log can tell.
func (e *evidence) succeeded(op *history.Operation, r *pb.TxnRequest, made int64) bool {
	if answer, ok := op.Response.(*pb.TxnResponse); ok {
		return answer.Succeeded
	}
	keys, known := e.log.Keys(made - 1)
	return known && model.Holds(keys, r)
}

// isLock tells whether a key is one of a lock: it hangs on a lease.
func (e *evidence) isLock(f fenced) bool {
	c := e.log.Change(f.fence)
	return c != nil && slices.ContainsFunc(c.Events, func(event *mvccpb.Event) bool { return string(event.Kv.Key) == f.lock && event.Kv.Lease != 0 })
}

// olderKey finds a key of the same lock that was older than the holder's when it wrote. Before that it must have been the holder, since
// a lock is handed on to the next oldest key when one is gone, so an older key means that two hold it.
func (e *evidence) olderKey(f fenced) (*mvccpb.KeyValue, bool) {
	keys, known := e.log.Keys(f.revision - 1)
	if !known || f.revision <= eventlog.First {
		return nil, false
	}
	var older *mvccpb.KeyValue
	prefix := lockName(f.lock)
	keys.From(prefix, func(key string, kv *mvccpb.KeyValue) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		if kv.CreateRevision < f.fence && kv.Lease != 0 {
			older = kv
		}
		return older == nil
	})
	return older, older != nil
}
