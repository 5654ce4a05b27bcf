package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// putUntil puts a key through the given members, again as long as there is no leader. Doing it twice does no harm here,
// since every key is written with one value only.
func putUntil(t *testing.T, c *clientv3.Client, key string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := c.Put(ctx, key, "value of "+key)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("put %s: %v", key, err)
		}
	}
}

// expectEqualMembers waits until all members have applied the same revision, and compares their hashes there.
func expectEqualMembers(t *testing.T, members []*lab.Member, prefix string, keys int) {
	t.Helper()
	hashes := map[uint32][]string{}
	for _, m := range members {
		r := &pb.RangeRequest{Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)), CountOnly: true}
		got := succeeding(t, func() (*pb.RangeResponse, error) { return pb.NewKVClient(m.Conn(t)).Range(deadline(t), r) })
		if got.Count != int64(keys) {
			t.Errorf("%s (%s) has %d keys, expected %d", m.Name, m.Kind, got.Count, keys)
		}
	}
	revision := headOf(t, members)
	for _, m := range members {
		hash := must[*pb.HashKVResponse](t)(pb.NewMaintenanceClient(m.Conn(t)).HashKV(deadline(t), &pb.HashKVRequest{Revision: revision}))
		hashes[hash.Hash] = append(hashes[hash.Hash], m.Name+" "+string(m.Kind))
	}
	if len(hashes) != 1 {
		t.Errorf("hashes at revision %d differ: %v", revision, hashes)
	}
}

// TestClusterSurvivesKills kills each of three members in turn, so the leader too, while etcd's client writes.
func TestClusterSurvivesKills(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{
		{subject, subject, subject},
		{lab.Etcd, subject, lab.Etcd}, // one member swapped in
		{subject, lab.Etcd, subject},
	} {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = string(k)
		}
		t.Run(strings.Join(names, "-"), func(t *testing.T) {
			t.Parallel()
			cluster := lab.StartCluster(t, kinds...)
			keys := 0
			for _, m := range cluster.Members {
				var others []*lab.Member
				for _, o := range cluster.Members {
					if o != m {
						others = append(others, o)
					}
				}
				kind := m.Kind
				m.Kill(t)
				c := lab.Client(t, others...)
				for range 30 {
					putUntil(t, c, fmt.Sprintf("kills/%03d", keys))
					keys++
				}
				m.Start(t, kind)
				expectEqualMembers(t, cluster.Members, "kills/", keys)
			}
		})
	}
}
