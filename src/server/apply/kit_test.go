package apply

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"

	"quoin.dev/server/alarm"
	"quoin.dev/server/auth"
	"quoin.dev/server/lease"
	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
)

// machine is a State over a real store, with the part of the applier that closes batches.
type machine struct {
	*State
	b     *backend.Backend
	index uint64
	tokens
}

// newMachine opens a State in a directory of its own.
func newMachine(t testing.TB) *machine {
	t.Helper()
	return openMachine(t, filepath.Join(t.TempDir(), "db"), backend.Options{})
}

// openMachine opens the State of a file the way a member does.
func openMachine(t testing.TB, path string, o backend.Options) *machine {
	t.Helper()
	o.Path = path
	b, err := backend.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{b: b}
	t.Cleanup(m.close)
	view := b.View()
	defer view.Close()
	leases, err := lease.Load(view, b, lease.Options{MinTTL: 2})
	if err != nil {
		t.Fatal(err)
	}
	members, err := membership.Load(view, b, membership.Options{MaxLearners: 1, Version: "3.7.3"})
	if err != nil {
		t.Fatal(err)
	}
	alarms, err := alarm.Load(view, b)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := mvcc.Open(b, mvcc.Options{Leases: leases})
	if err != nil {
		t.Fatal(err)
	}
	users := auth.New(m.tokens)
	if err := users.Load(view, b); err != nil {
		t.Fatal(err)
	}
	m.State = &State{KV: kv, Leases: leases, Members: members, Alarms: alarms, Auth: users, Rows: b}
	m.index, _ = b.Applied()
	return m
}

// close stops the machine; the second call does nothing.
func (m *machine) close() {
	if m.State == nil {
		return
	}
	m.KV.Close()
	_ = m.b.Close()
	m.State = nil
}

// apply applies requests, each in a batch of its own, and returns the result of the last.
func (m *machine) apply(requests ...*pb.InternalRaftRequest) (last Result) {
	for _, r := range requests {
		last = m.Apply(r, m.index+1, true)
		m.commit()
	}
	return last
}

func (m *machine) commit() {
	m.index++
	m.b.Commit(backend.Applied{Index: m.index, Term: 1})
}

// must is apply for a request that is meant to succeed; it returns its response.
func must[T any](t testing.TB, m *machine, r *pb.InternalRaftRequest) *T {
	t.Helper()
	result := m.apply(r)
	if result.Err != nil {
		t.Fatalf("%v: %v", r, result.Err)
	}
	return result.Response.(*T)
}

// all returns every key as of revision, 0 for now.
func (m *machine) all(t testing.TB, revision int64) []*mvccpb.KeyValue {
	t.Helper()
	var kvs []*mvccpb.KeyValue
	_, err := m.KV.Range(context.Background(), []byte{0}, []byte{0}, mvcc.RangeOptions{Revision: revision}, appendTo(&kvs))
	if err != nil {
		t.Fatal(err)
	}
	return kvs
}

// values is what all keys hold now.
func (m *machine) values(t testing.TB) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, kv := range m.all(t, 0) {
		values[string(kv.Key)] = string(kv.Value)
	}
	return values
}

// removed waits for a compaction to have removed what it compacted.
func removed(t testing.TB, result Result) {
	t.Helper()
	NewWithT(t).Eventually(result.Physical, 10*time.Second).Should(BeClosed())
}

// Short forms of requests.

func put(key, value string) *pb.PutRequest {
	return &pb.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func del(key string) *pb.DeleteRangeRequest { return &pb.DeleteRangeRequest{Key: []byte(key)} }

func get(key string, revision int64) *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte(key), Revision: revision}
}

func txn(success ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: success} }

// op is an operation of a transaction.
func op(request any) *pb.RequestOp {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	case *pb.PutRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}}
	case *pb.DeleteRangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	case *pb.TxnRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: r}}
	}
	panic("not an operation")
}

// entry is a request as the log carries it.
func entry(request any) *pb.InternalRaftRequest {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return &pb.InternalRaftRequest{Range: r}
	case *pb.PutRequest:
		return &pb.InternalRaftRequest{Put: r}
	case *pb.DeleteRangeRequest:
		return &pb.InternalRaftRequest{DeleteRange: r}
	case *pb.TxnRequest:
		return &pb.InternalRaftRequest{Txn: r}
	case *pb.CompactionRequest:
		return &pb.InternalRaftRequest{Compaction: r}
	case *pb.LeaseGrantRequest:
		return &pb.InternalRaftRequest{LeaseGrant: r}
	case *pb.LeaseRevokeRequest:
		return &pb.InternalRaftRequest{LeaseRevoke: r}
	case *pb.LeaseCheckpointRequest:
		return &pb.InternalRaftRequest{LeaseCheckpoint: r}
	case *pb.AlarmRequest:
		return &pb.InternalRaftRequest{Alarm: r}
	}
	panic("not a request of the log")
}

func (m *machine) putAll(t testing.TB, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		must[pb.PutResponse](t, m, entry(put(pairs[i], pairs[i+1])))
	}
}
