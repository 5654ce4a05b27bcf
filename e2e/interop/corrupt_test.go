package interop

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// checks make a member of either kind compare the hashes of compactions every few seconds; quoin does it anyway. It asks a member that
// does not answer twice more, at this interval, which has to be longer than a busy machine keeps a member from answering.
var checks = []string{"--feature-gates=CompactHashCheck=true", "--compact-hash-check-time=5s"}

func alarmsOf(t *testing.T, m *lab.Member) []*pb.AlarmMember {
	t.Helper()
	r := must[*pb.AlarmResponse](t)(pb.NewMaintenanceClient(m.Conn(t)).Alarm(deadline(t), &pb.AlarmRequest{}))
	return r.Alarms
}

func idOf(t *testing.T, m *lab.Member) uint64 {
	t.Helper()
	return must[*pb.StatusResponse](t)(pb.NewMaintenanceClient(m.Conn(t)).Status(deadline(t), &pb.StatusRequest{})).Header.MemberId
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// damage changes a text in the database of a member that runs, once the last thing that was written is in the file.
func damage(t *testing.T, m *lab.Member, last, from, to string) {
	t.Helper()
	var data []byte
	eventually(t, m.Name+" has written everything", func() bool {
		before := data
		data, _ = os.ReadFile(m.DB()) // maybe in the middle of a commit, unless it is the same as before
		return bytes.Equal(data, before) && bytes.Contains(data, []byte(last)) && bytes.Contains(data, []byte(from))
	})
	f, err := os.OpenFile(m.DB(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], []byte(from))
		if i < 0 {
			return
		}
		at += i
		if _, err := f.WriteAt([]byte(to), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMixedClustersCompareTheirCompactions lets members of both kinds ask each other for hashes: while all is well nobody is
// accused, through changes of leaders, leases, deletes and compactions; when the database of one is damaged, that one is.
func TestMixedClustersCompareTheirCompactions(t *testing.T) {
	t.Parallel()
	for _, kinds := range [][]lab.Kind{{lab.Etcd, lab.Quoin, lab.Etcd}, {lab.Quoin, lab.Etcd, lab.Quoin}} {
		for damaged := range 2 {
			t.Run(fmt.Sprintf("%s-%s-%s, %s is damaged", kinds[0], kinds[1], kinds[2], kinds[damaged]), func(t *testing.T) {
				t.Parallel()
				cluster := lab.PrepareCluster(t, len(kinds), append(slices.Clone(checks), patient...)...)
				cluster.Start(t, kinds...)
				c := lab.Client(t, cluster.Members...)
				for round := range 4 {
					changeALot(t, c, round)
					head := must[*clientv3.GetResponse](t)(c.Get(deadline(t), "x")).Header.Revision
					must[*clientv3.CompactResponse](t)(c.Compact(deadline(t), head-int64(round)))
					for _, m := range cluster.Members {
						if m.Kind == lab.Quoin {
							compared := fmt.Sprintf(`"finished compaction hash check","compact-revision":%d,"number-of-peers-checked":2`, head-int64(round))
							eventually(t, m.Name+" has compared "+compared, func() bool { return strings.Contains(m.Log(t), compared) })
						}
					}
				}
				if alarms := alarmsOf(t, cluster.Members[1]); len(alarms) > 0 {
					t.Fatalf("all is well, but there are alarms: %v", alarms)
				}

				victim := cluster.Members[damaged]
				must[*clientv3.PutResponse](t)(c.Put(deadline(t), "victim", "this-was-right"))
				last := must[*clientv3.PutResponse](t)(c.Put(deadline(t), "zzz", "the-last-thing-written"))
				damage(t, victim, "the-last-thing-written", "this-was-right", "this-was-wrong")
				must[*clientv3.CompactResponse](t)(c.Compact(deadline(t), last.Header.Revision))
				id := idOf(t, victim)
				eventually(t, "the alarm is raised", func() bool {
					alarms := alarmsOf(t, cluster.Members[(damaged+1)%3])
					return len(alarms) == 1 && alarms[0].MemberID == id && alarms[0].Alarm == pb.AlarmType_CORRUPT
				})
			})
		}
	}
}

// changeALot leaves behind what a hash may stumble over: overwritten, deleted and leased keys, and transactions.
func changeALot(t *testing.T, c *clientv3.Client, round int) {
	t.Helper()
	lease := must[*clientv3.LeaseGrantResponse](t)(c.Grant(deadline(t), 1000))
	for i := range 40 {
		key := fmt.Sprint("k", i%13)
		must[*clientv3.PutResponse](t)(c.Put(deadline(t), key, fmt.Sprint(round, "/", i)))
		switch i % 4 {
		case 0:
			must[*clientv3.PutResponse](t)(c.Put(deadline(t), fmt.Sprint("leased", round, i), "v", clientv3.WithLease(lease.ID)))
		case 1:
			must[*clientv3.TxnResponse](t)(c.Txn(deadline(t)).Then(clientv3.OpPut("t", key), clientv3.OpDelete(key), clientv3.OpPut("u", key)).Commit())
		case 2:
			must[*clientv3.DeleteResponse](t)(c.Delete(deadline(t), "k1", clientv3.WithPrefix()))
		}
	}
	if round%2 == 0 {
		must[*clientv3.LeaseRevokeResponse](t)(c.Revoke(deadline(t), lease.ID))
	}
}
