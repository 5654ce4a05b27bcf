package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// utl runs etcdutl or quoinutl on a copy of the store, since `etcdutl hashkv` writes to the file that it opens.
func utl(t *testing.T, program, db string, into any, args ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db")
	copyFile(t, db, file)
	o := lab.Run(t, program, "", append(args, "-w", "json", file)...)
	if o.Exit != 0 {
		t.Fatalf("%s %q ends with %d: %s", program, args, o.Exit, o.Stderr)
	}
	if err := json.Unmarshal([]byte(o.Stdout), into); err != nil {
		t.Fatalf("%s %q prints %q: %v", program, args, o.Stdout, err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	check(t, err)
	check(t, os.WriteFile(to, data, 0o600))
}

// fileStatus is what `etcdutl snapshot status` prints.
type fileStatus struct {
	Hash      uint32 `json:"hash"`
	Revision  int64  `json:"revision"`
	TotalKey  int64  `json:"totalKey"`
	TotalSize int64  `json:"totalSize"`
	Version   string `json:"version"`
}

var utls = []string{"etcdutl", "quoinutl"}

// statusOf is what both programs say of a file, which has to be the same.
func statusOf(t *testing.T, file string) fileStatus {
	t.Helper()
	var said [2]fileStatus
	for i, program := range utls {
		utl(t, program, file, &said[i], "snapshot", "status")
	}
	if said[0] != said[1] {
		t.Errorf("etcdutl says %+v, quoinutl %+v", said[0], said[1])
	}
	return said[0]
}

// compareUtlHashes holds the hash that both programs find in a file against what the member told.
func compareUtlHashes(t *testing.T, file string, hashes map[int64]uint32) {
	t.Helper()
	for rev, want := range hashes {
		for _, program := range utls {
			var got struct{ Hash uint32 }
			utl(t, program, file, &got, "hashkv", fmt.Sprintf("--rev=%d", rev))
			if got.Hash != want {
				t.Errorf("%s hashkv at revision %d is %d, HashKV was %d", program, rev, got.Hash, want)
			}
		}
	}
}

// TestStoreFile reads the file of a stopped member with etcdutl and quoinutl: its hashes are those that the member told, and
// its numbers those of a file that etcd wrote from the same requests.
func TestStoreFile(t *testing.T) {
	t.Parallel()
	number := seed(t)
	var statuses [2]fileStatus
	for i, kind := range []lab.Kind{lab.Subject(t), lab.Etcd} {
		m := lab.StartOne(t, kind)
		w := newWriter(number)
		w.write(t, m, 600)
		s := readState(t, m, w.compacted)
		m.Stop(t)
		compareUtlHashes(t, m.DB(), s.hashes)
		statuses[i] = statusOf(t, m.DB())
		if statuses[i].Revision != s.revision || statuses[i].TotalSize <= 0 {
			t.Errorf("%s: status %+v, the revision was %d", kind, statuses[i], s.revision)
		}
		statuses[i].Hash = 0 // of other members' ids and leases, too
	}
	statuses[0].TotalSize, statuses[1].TotalSize = 0, 0 // of the file, which grows by each server's own habits
	if statuses[0] != statuses[1] {
		t.Errorf("status %+v, etcd's %+v", statuses[0], statuses[1])
	}
}

// saved is a snapshot of a member that has written random content, and what the member held.
func saved(t *testing.T, kind lab.Kind) (file string, s *state) {
	t.Helper()
	m := lab.StartOne(t, kind)
	w := newWriter(seed(t))
	w.write(t, m, 400)
	s = readState(t, m, w.compacted)
	file = filepath.Join(t.TempDir(), "snapshot.db")
	if o := lab.Run(t, "etcdctl", "", "--endpoints="+m.Endpoint, "--dial-timeout=30s", "snapshot", "save", file); o.Exit != 0 {
		t.Fatalf("snapshot save ends with %d: %s", o.Exit, o.Stderr)
	}
	return file, s
}

// restored makes the directory of every member of a cluster.
func restored(t *testing.T, program string, c *lab.Cluster, file string, more ...string) {
	t.Helper()
	for _, m := range c.Members {
		o := lab.Run(t, program, "", append([]string{
			"snapshot", "restore", file, "--data-dir", m.Dir, "--name", m.Name, "--initial-cluster", c.Initial,
			"--initial-cluster-token", lab.Token, "--initial-advertise-peer-urls", m.PeerURL,
		}, more...)...)
		if o.Exit != 0 {
			t.Fatalf("%s restore ends with %d: %s", program, o.Exit, o.Stderr)
		}
	}
}

// TestSnapshotTravels saves a snapshot of either server, restores it with either program, and starts either server on it.
func TestSnapshotTravels(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, from := range []lab.Kind{subject, lab.Etcd} {
		file, s := saved(t, from)
		if got := statusOf(t, file); got.Revision != s.revision {
			t.Errorf("%s: status %+v, the revision was %d", from, got, s.revision)
		}
		compareUtlHashes(t, file, s.hashes)
		for _, program := range utls {
			for _, to := range []lab.Kind{subject, lab.Etcd} {
				t.Run(fmt.Sprintf("%s-%s-%s", from, program, to), func(t *testing.T) {
					c := lab.PrepareCluster(t, 1)
					restored(t, program, c, file)
					c.Start(t, to)
					expectState(t, c.Members[0], s)
					goOn(t, c.Members[0], s)
				})
			}
		}
	}
}

// goOn writes to a member that holds a state. The writer is told of it, or most of what it reads could be compacted.
func goOn(t *testing.T, m *lab.Member, s *state) {
	t.Helper()
	w := newWriter(seed(t))
	w.generator.Observe(&pb.CompactionRequest{Revision: s.compacted}, &pb.CompactionResponse{Header: &pb.ResponseHeader{Revision: s.revision}})
	w.write(t, m, 50)
}

// TestRestoredCluster makes a mixed cluster of three out of one snapshot.
func TestRestoredCluster(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	file, s := saved(t, lab.Etcd)
	for name, more := range map[string][]string{"plain": nil, "bumped": {"--bump-revision=1000", "--mark-compacted"}} {
		t.Run(name, func(t *testing.T) {
			c := lab.PrepareCluster(t, 3)
			restored(t, "quoinutl", c, file, more...)
			c.Start(t, subject, lab.Etcd, subject)
			if more == nil {
				for _, m := range c.Members {
					expectState(t, m, s)
				}
			}
			putUntil(t, lab.Client(t, c.Members[1]), "after/0")
			expectEqualMembers(t, c.Members, "after/", 1)
		})
	}
}

// TestBumpedRevision: whoever watches from before the disaster learns that it has to read anew, and every revision that is
// made now is beyond all that were made then (etcd#16028, etcd#16029).
func TestBumpedRevision(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	file, s := saved(t, subject)
	hashes := map[int64]uint32{} // of all, which have to agree
	for _, program := range utls {
		for _, kind := range []lab.Kind{subject, lab.Etcd} {
			t.Run(fmt.Sprintf("%s-%s", program, kind), func(t *testing.T) {
				c := lab.PrepareCluster(t, 1)
				restored(t, program, c, file, "--bump-revision=1000000", "--mark-compacted")
				statusOf(t, c.Members[0].DB())
				c.Start(t, kind)
				client := lab.Client(t, c.Members[0])
				lost := s.revision + 500 // a revision that somebody has seen, and that the snapshot does not hold
				w := <-client.Watch(t.Context(), "", clientv3.WithPrefix(), clientv3.WithRev(lost))
				if w.CompactRevision != s.revision+1_000_000 || w.Err() == nil {
					t.Errorf("the watch from revision %d gets %+v", lost, w)
				}
				if _, err := client.Get(t.Context(), "k", clientv3.WithRev(s.revision)); err == nil || !strings.Contains(err.Error(), "compacted") {
					t.Errorf("a read at revision %d: %v", s.revision, err)
				}
				now, err := client.Put(t.Context(), "k", "v")
				if check(t, err); now.Header.Revision != s.revision+1_000_001 {
					t.Errorf("the next revision is %d, after %d", now.Header.Revision, s.revision+1_000_000)
				}
				all, err := client.Get(t.Context(), "", clientv3.WithPrefix())
				if check(t, err); len(all.Kvs) < len(s.kvs[s.revision].Kvs) {
					t.Errorf("%d keys are left of %d", len(all.Kvs), len(s.kvs[s.revision].Kvs))
				}
				agree(t, hashes, c.Members[0], s.revision+1_000_000, now.Header.Revision)
				_, err = client.Put(t.Context(), "k", "w")
				check(t, err)
				_, err = client.Compact(t.Context(), now.Header.Revision, clientv3.WithCompactPhysical())
				check(t, err)
				agree(t, hashes, c.Members[0], now.Header.Revision+1)
				c.Members[0].Stop(t)
				c.Members[0].Start(t, kind)
				agree(t, hashes, c.Members[0], now.Header.Revision+1)
			})
		}
	}
}

// agree compares the hashes of a member with those that others told, and notes what nobody has told yet.
func agree(t *testing.T, hashes map[int64]uint32, m *lab.Member, revisions ...int64) {
	t.Helper()
	for _, rev := range revisions {
		got, err := pb.NewMaintenanceClient(m.Conn(t)).HashKV(t.Context(), &pb.HashKVRequest{Revision: rev})
		check(t, err)
		if want, ok := hashes[rev]; ok && want != got.Hash {
			t.Errorf("%s: HashKV at revision %d is %d, others say %d", m.Kind, rev, got.Hash, want)
		}
		hashes[rev] = got.Hash
	}
}

// TestDefragmentedDirectory: what quoinutl has written anew, after it was refused on a member that ran, either server opens.
func TestDefragmentedDirectory(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, way := range [][2]lab.Kind{{subject, lab.Etcd}, {lab.Etcd, subject}} {
		t.Run(fmt.Sprintf("%s-%s", way[0], way[1]), func(t *testing.T) {
			m := lab.StartOne(t, way[0])
			w := newWriter(seed(t))
			w.write(t, m, 400)
			s := readState(t, m, w.compacted)
			if o := lab.Run(t, "quoinutl", "", "defrag", "--data-dir", m.Dir, "--timeout=10ms"); o.Exit != 1 || !strings.Contains(o.Stderr, "locked by another process") {
				t.Errorf("on a member that runs: exit code %d, %s", o.Exit, o.Stderr)
			}
			m.Stop(t)
			if o := lab.Run(t, "quoinutl", "", "defrag", "--data-dir", m.Dir); o.Exit != 0 {
				t.Fatalf("defrag ends with %d: %s", o.Exit, o.Stderr)
			}
			statusOf(t, m.DB())
			m.Start(t, way[1])
			expectState(t, m, s)
		})
	}
}

// TestMigratedDirectory takes a directory to the storage versions before and back, in steps by both programs.
func TestMigratedDirectory(t *testing.T) {
	t.Parallel()
	m := lab.StartOne(t, lab.Subject(t))
	w := newWriter(seed(t))
	w.write(t, m, 200)
	s := readState(t, m, w.compacted)
	m.Stop(t)
	for _, step := range []struct{ program, target, version string }{
		{"quoinutl", "3.6", "3.6.0"}, {"etcdutl", "3.5", ""}, {"quoinutl", "3.7", "3.7.0"}, {"quoinutl", "3.5", ""}, {"etcdutl", "3.6", "3.6.0"},
	} {
		o := lab.Run(t, step.program, "", "migrate", "--data-dir", m.Dir, "--target-version", step.target)
		if o.Exit != 0 {
			t.Fatalf("%s migrate to %s ends with %d: %s", step.program, step.target, o.Exit, o.Stderr)
		}
		if got := statusOf(t, m.DB()); got.Version != step.version {
			t.Errorf("after %s migrate to %s the version is %q", step.program, step.target, got.Version)
		}
	}
	m.Start(t, lab.Etcd)
	expectState(t, m, s)
}
