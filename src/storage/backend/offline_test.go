package backend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"go.etcd.io/raft/v3/raftpb"
)

// emptied is a file with rows, and with more free pages.
func emptied(t *testing.T) (path string, hash uint32) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "db")
	b := open(t, Options{Path: path})
	var old [][]byte
	for i := range 2000 {
		r := Revision{Main: int64(i + 1)}
		b.PutRevision(r, false, make([]byte, 1000))
		if i%10 > 0 {
			old = append(old, AppendRevisionKey(nil, r, false))
		}
	}
	b.Put(Meta, []byte("storageVersion"), []byte("3.7.0"))
	b.Commit(Applied{Index: 7, Term: 2})
	check(t, b.Flush())
	b.DeleteLater(Key, old...)
	check(t, b.FlushLater())
	hash, err := b.Hash(nil)
	check(t, err)
	check(t, b.Close())
	return path, hash
}

func TestDefragmentFile(t *testing.T) {
	path, hash := emptied(t)
	temp := filepath.Join(filepath.Dir(path), "db.tmp.1")
	check(t, os.WriteFile(temp, []byte("what a crash left"), 0o600))
	before, after, err := DefragmentFile(Options{Path: path}, temp, nil)
	check(t, err)
	if after.Bytes >= before.Bytes/2 || after.InUseBytes > before.InUseBytes || before.InUseBytes >= before.Bytes {
		t.Errorf("from %+v to %+v", before, after)
	}
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the work file is still there: %v", err)
	}
	b := open(t, Options{Path: path, ReadOnly: true})
	got, err := b.Hash(nil)
	check(t, err)
	if index, term := b.Durable(); got != hash || index != 7 || term != 2 || b.Size() != after.Bytes {
		t.Errorf("hash %08x, expected %08x; applied %d in term %d; %d bytes", got, hash, index, term, b.Size())
	}
}

// A disk that fills up during the copy leaves the file as it was.
func TestDefragmentFileFails(t *testing.T) {
	path, hash := emptied(t)
	temp := filepath.Join(filepath.Dir(path), "db.tmp.1")
	_, _, err := DefragmentFile(Options{Path: path, OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
		if name == temp {
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				return nil, err
			}
			flag = os.O_RDONLY // nothing can be written
		}
		return os.OpenFile(name, flag, perm)
	}}, temp, nil)
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the work file is still there: %v", err)
	}
	b := open(t, Options{Path: path, ReadOnly: true})
	if got, err := b.Hash(nil); err != nil || got != hash {
		t.Errorf("hash %08x, expected %08x, error %v", got, hash, err)
	}
}

func TestDefragmentFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	open(t, Options{Path: path})
	if _, _, err := DefragmentFile(Options{Path: path}, path+".tmp", nil); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
}

// Who waits for the lock of a file must not go on with it when another has taken its name meanwhile.
func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	check(t, open(t, Options{Path: path}).Close())
	_, err := Open(Options{Path: path, OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, perm)
		if err == nil {
			err = os.WriteFile(name+".new", nil, 0o600)
		}
		if err == nil {
			err = os.Rename(name+".new", name)
		}
		return f, err
	}})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
}

func TestWalk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	b := open(t, Options{Path: path})
	b.Put(Lease, []byte("b"), []byte("2"))
	b.Put(Lease, []byte("a"), []byte("1"))
	b.Commit(Applied{Index: 1, Term: 1})
	check(t, b.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	check(t, err)
	check(t, db.Update(func(tx *bbolt.Tx) error {
		in, err := tx.CreateBucket([]byte("of a newer version"))
		if err != nil {
			return err
		}
		return in.Put([]byte("k"), []byte("v"))
	}))
	check(t, db.Close())
	var got []string
	check(t, open(t, Options{Path: path, ReadOnly: true}).Walk(func(bucket, key, value []byte) error {
		if string(bucket) == Lease.Name() || strings.Contains(string(bucket), "newer") {
			got = append(got, fmt.Sprintf("%s/%s=%s", bucket, key, value))
		}
		return nil
	}))
	if want := "lease/=|lease/a=1|lease/b=2|of a newer version/=|of a newer version/k=v"; strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
}

// A file that begins a new log goes back to its first entries, together with its rows.
func TestCommitNewLog(t *testing.T) {
	path, _ := emptied(t)
	b := open(t, Options{Path: path})
	b.Put(Lease, []byte("a"), []byte("1"))
	b.CommitNewLog(Applied{Index: 3, Term: 1, ConfState: &raftpb.ConfState{Voters: []uint64{5}}})
	b.Commit(Applied{Index: 4, Term: 1})
	check(t, b.Close())
	b = open(t, Options{Path: path, ReadOnly: true})
	v := b.View()
	defer v.Close()
	a, err := v.Applied()
	if check(t, err); a.Index != 4 || a.Term != 1 || a.ConfState.GetVoters()[0] != 5 || string(v.Get(Lease, []byte("a"))) != "1" {
		t.Errorf("got %+v", a)
	}
	if b.SizeInUse() >= b.Size() {
		t.Errorf("%d of %d bytes in use: a file that is only read has free pages, too", b.SizeInUse(), b.Size())
	}
}
