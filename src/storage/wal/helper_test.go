package wal

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

func entry(index, term uint64, data string) *raftpb.Entry {
	return &raftpb.Entry{Index: new(index), Term: new(term), Data: []byte(data)}
}

func entries(from, to, term uint64) []*raftpb.Entry {
	var out []*raftpb.Entry
	for i := from; i <= to; i++ {
		out = append(out, entry(i, term, fmt.Sprintf("entry %d of term %d", i, term)))
	}
	return out
}

func state(term, vote, commit uint64) *raftpb.HardState {
	return hardState{term, vote, commit}.message()
}

func mark(index, term uint64) Mark {
	return Mark{index, term, &raftpb.ConfState{Voters: []uint64{1}}}
}

// must stops the test at the first error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, fsys vfs.FS, o Options) *WAL {
	t.Helper()
	o.FS = fsys
	must(t, vfs.MkdirAll(fsys, "/member", 0o700))
	w, err := Create("/member/wal", []byte("metadata"), o)
	must(t, err)
	return w
}

func read(t testing.TB, fsys vfs.FS, from Mark) *Contents {
	t.Helper()
	c, err := Read("/member/wal", from, Options{FS: fsys})
	must(t, err)
	return c
}

func summary(c *Contents) string {
	out := fmt.Sprintf("%v", hardStateOf(c.HardState))
	for _, e := range c.Entries {
		out += fmt.Sprintf(" %d/%d", e.GetIndex(), e.GetTerm())
	}
	return out
}

// segmentNames returns the names in the log's directory.
func names(t testing.TB, fsys vfs.FS, dir string) []string {
	t.Helper()
	list, err := fsys.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func overwrite(t testing.TB, fsys vfs.FS, name string, offset int64, data []byte) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(data, offset)
	must(t, err, f.Close())
}
