package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// apiVersion is what every server of this suite reports as its version.
const apiVersion = "3.7.3"

// must returns the value of a call that has to succeed.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// patient are flags of clusters in which nobody has to become leader: members that a busy machine does not let run for seconds go on
// under the leader that they have.
var patient = []string{"--heartbeat-interval=500", "--election-timeout=5000"}

// TestPublishedClient runs one program with etcd's own client against one member and against three.
func TestPublishedClient(t *testing.T) {
	t.Parallel()
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprintf("members=%d", members), func(t *testing.T) {
			t.Parallel()
			kinds := make([]lab.Kind, members)
			for i := range kinds {
				kinds[i] = lab.Subject(t)
			}
			cluster := lab.PrepareCluster(t, members, patient...)
			cluster.Start(t, kinds...)
			client := lab.Client(t, cluster.Members...)
			keyValues(t, client, cluster)
			transactions(t, client)
			compactions(t, client)
			clusterFacts(t, client, cluster)
		})
	}
}

func keyValues(t *testing.T, c *clientv3.Client, cluster *lab.Cluster) {
	ctx := deadline(t)
	first := must[*clientv3.PutResponse](t)(c.Put(ctx, "kv/a", "1"))
	if first.Header.Revision != 2 || first.Header.MemberId == 0 || first.Header.ClusterId == 0 || first.Header.RaftTerm == 0 {
		t.Errorf("header of the first put = %v", first.Header)
	}
	put := must[*clientv3.PutResponse](t)(c.Put(ctx, "kv/a", "2", clientv3.WithPrevKV()))
	if put.PrevKv == nil || string(put.PrevKv.Value) != "1" {
		t.Errorf("previous value = %v", put.PrevKv)
	}
	for _, k := range []string{"b", "c", "d"} {
		must[*clientv3.PutResponse](t)(c.Put(ctx, "kv/"+k, k))
	}
	get := must[*clientv3.GetResponse](t)(c.Get(ctx, "kv/a"))
	if len(get.Kvs) != 1 || get.Kvs[0].Version != 2 || get.Kvs[0].CreateRevision != 2 || get.Kvs[0].ModRevision != 3 {
		t.Errorf("get = %v", get)
	}
	get = must[*clientv3.GetResponse](t)(c.Get(ctx, "kv/", clientv3.WithPrefix(), clientv3.WithLimit(2),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)))
	if len(get.Kvs) != 2 || string(get.Kvs[0].Key) != "kv/d" || !get.More || get.Count != 4 {
		t.Errorf("the two newest = %v", get)
	}
	headOf(t, cluster.Members) // any of them may answer, with what it has applied
	get = must[*clientv3.GetResponse](t)(c.Get(ctx, "kv/a", clientv3.WithRev(2), clientv3.WithSerializable()))
	if len(get.Kvs) != 1 || string(get.Kvs[0].Value) != "1" {
		t.Errorf("at revision 2 = %v", get)
	}
	del := must[*clientv3.DeleteResponse](t)(c.Delete(ctx, "kv/c", clientv3.WithFromKey(), clientv3.WithPrevKV()))
	if del.Deleted != 2 || len(del.PrevKvs) != 2 {
		t.Errorf("delete = %v", del)
	}
	count := must[*clientv3.GetResponse](t)(c.Get(ctx, "kv/", clientv3.WithPrefix(), clientv3.WithCountOnly()))
	if count.Count != 2 || len(count.Kvs) != 0 {
		t.Errorf("count = %v", count)
	}
	if _, err := c.Get(ctx, "kv/a", clientv3.WithRev(1<<40)); !errors.Is(err, rpctypes.ErrFutureRev) {
		t.Errorf("error of a future revision = %v", err)
	}
	if _, err := c.Put(ctx, "", "x"); !errors.Is(err, rpctypes.ErrEmptyKey) {
		t.Errorf("error of an empty key = %v", err)
	}
}

func transactions(t *testing.T, c *clientv3.Client) {
	ctx := deadline(t)
	run := func() *clientv3.TxnResponse {
		return must[*clientv3.TxnResponse](t)(c.Txn(ctx).
			If(clientv3.Compare(clientv3.Version("txn/a"), "=", 0)).
			Then(clientv3.OpPut("txn/a", "made"), clientv3.OpGet("txn/a")).
			Else(clientv3.OpTxn(
				[]clientv3.Cmp{clientv3.Compare(clientv3.Value("txn/a"), "=", "made")},
				[]clientv3.Op{clientv3.OpDelete("txn/a"), clientv3.OpGet("txn/a", clientv3.WithCountOnly())}, nil)).
			Commit())
	}
	made := run()
	if !made.Succeeded || len(made.Responses) != 2 {
		t.Fatalf("first = %v", made)
	}
	if kvs := made.Responses[1].GetResponseRange().Kvs; len(kvs) != 1 || kvs[0].ModRevision != made.Header.Revision {
		t.Errorf("a read after the write in the same transaction = %v", kvs)
	}
	deleted := run()
	nested := deleted.Responses[0].GetResponseTxn()
	if deleted.Succeeded || nested == nil || !nested.Succeeded || nested.Responses[0].GetResponseDeleteRange().Deleted != 1 {
		t.Errorf("second = %v", deleted)
	}
	if deleted.Header.Revision != made.Header.Revision+1 {
		t.Errorf("revisions %d, %d", made.Header.Revision, deleted.Header.Revision)
	}
}

func compactions(t *testing.T, c *clientv3.Client) {
	ctx := deadline(t)
	var revision int64
	for i := range 10 {
		revision = must[*clientv3.PutResponse](t)(c.Put(ctx, "compact", fmt.Sprint(i))).Header.Revision
	}
	must[*clientv3.CompactResponse](t)(c.Compact(ctx, revision-2, clientv3.WithCompactPhysical()))
	if _, err := c.Get(ctx, "compact", clientv3.WithRev(revision-3)); !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("error below the compacted revision = %v", err)
	}
	at := must[*clientv3.GetResponse](t)(c.Get(ctx, "compact", clientv3.WithRev(revision-2)))
	if len(at.Kvs) != 1 || string(at.Kvs[0].Value) != "7" {
		t.Errorf("at the compacted revision = %v", at)
	}
	if _, err := c.Compact(ctx, revision-2); !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("error of the same compaction again = %v", err)
	}
}

func clusterFacts(t *testing.T, c *clientv3.Client, cluster *lab.Cluster) {
	ctx := deadline(t)
	list := must[*clientv3.MemberListResponse](t)(c.MemberList(ctx))
	if len(list.Members) != len(cluster.Members) {
		t.Errorf("members = %v", list.Members)
	}
	// A linearizable read on each member first: then all have applied what the hash is about.
	head := must[*clientv3.GetResponse](t)(c.Get(ctx, "kv/a")).Header.Revision
	leaders, hashes := map[uint64]bool{}, map[uint32]bool{}
	for _, m := range cluster.Members {
		one := lab.Client(t, m)
		must[*clientv3.GetResponse](t)(one.Get(ctx, "kv/a"))
		status := must[*clientv3.StatusResponse](t)(one.Status(ctx, m.Endpoint))
		if status.Version != apiVersion || status.Header.Revision != head || status.IsLearner || len(status.Errors) > 0 || status.DbSize <= 0 ||
			status.RaftIndex == 0 || status.RaftAppliedIndex == 0 {
			t.Errorf("status of %s = %v", m.Name, status)
		}
		leaders[status.Leader] = true
		hash := must[*clientv3.HashKVResponse](t)(one.HashKV(ctx, m.Endpoint, head))
		hashes[hash.Hash] = true
		found := false
		for _, member := range list.Members {
			if member.ID == status.Header.MemberId {
				found = member.Name == m.Name && len(member.ClientURLs) == 1 && member.ClientURLs[0] == "http://"+m.Endpoint
			}
		}
		if !found {
			t.Errorf("%s is not in the member list %v", m.Name, list.Members)
		}
	}
	if len(leaders) != 1 || leaders[0] {
		t.Errorf("leaders = %v", leaders)
	}
	if len(hashes) != 1 {
		t.Errorf("hashes differ: %v", hashes)
	}
}
