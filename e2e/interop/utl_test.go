package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"quoin.dev/quoin/e2e/interop/lab"
)

// utl runs etcdutl on a copy of the store, since `etcdutl hashkv` writes to the file that it opens.
func utl(t *testing.T, db string, into any, args ...string) {
	t.Helper()
	data, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	o := lab.Run(t, "etcdutl", "", append(args, "-w", "json", file)...)
	if o.Exit != 0 {
		t.Fatalf("etcdutl %q ends with %d: %s", args, o.Exit, o.Stderr)
	}
	if err := json.Unmarshal([]byte(o.Stdout), into); err != nil {
		t.Fatalf("etcdutl %q prints %q: %v", args, o.Stdout, err)
	}
}

// fileStatus is what `etcdutl snapshot status` prints.
type fileStatus struct {
	Revision  int64  `json:"revision"`
	TotalKey  int64  `json:"totalKey"`
	TotalSize int64  `json:"totalSize"`
	Version   string `json:"version"`
}

// TestStoreFile reads the file of a stopped member with etcdutl: its hashes are those that the member told, and its
// numbers those of a file that etcd wrote from the same requests.
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
		for rev, want := range s.hashes {
			var got struct{ Hash uint32 }
			utl(t, m.DB(), &got, "hashkv", fmt.Sprintf("--rev=%d", rev))
			if got.Hash != want {
				t.Errorf("%s: etcdutl hashkv at revision %d is %d, HashKV was %d", kind, rev, got.Hash, want)
			}
		}
		utl(t, m.DB(), &statuses[i], "snapshot", "status")
		if statuses[i].Revision != s.revision || statuses[i].TotalSize <= 0 {
			t.Errorf("%s: status %+v, the revision was %d", kind, statuses[i], s.revision)
		}
	}
	statuses[0].TotalSize, statuses[1].TotalSize = 0, 0 // of the file, which grows by each server's own habits
	if statuses[0] != statuses[1] {
		t.Errorf("status %+v, etcd's %+v", statuses[0], statuses[1])
	}
}
