package wal

import (
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

// life is that of one process with a log: it opens or makes one, and appends entries from there on. It returns how many were synced
// in the end, and ends at the first error, like a member.
func life(fsys vfs.FS, o Options, entriesToAppend int) (synced uint64, err error) {
	o.FS = fsys
	var w *WAL
	if Exists("/member/wal", fsys) {
		var c *Contents
		if w, c, err = Open("/member/wal", Mark{}, o); err == nil {
			synced = uint64(len(c.Entries))
		}
	} else {
		w, err = Create("/member/wal", []byte("metadata"), o)
	}
	if err != nil {
		return 0, err
	}
	defer w.Close()
	for range entriesToAppend {
		next := synced + 1
		one := entry(next, 1, strings.Repeat("x", 3000)) // so that there are pages with nothing of its neighbours
		if err := w.Append(state(1, 1, next), []*raftpb.Entry{one}); err != nil {
			return synced, err
		}
		if err := w.Sync(); err != nil {
			return synced, err
		}
		synced = next
	}
	return synced, nil
}

// expectSynced cuts the power, and looks for the entries that were synced.
func expectSynced(t *testing.T, step int, mem *vfs.Mem, o Options, synced uint64) {
	t.Helper()
	o.FS = mem.PowerCut(nil)
	w, c, err := Open("/member/wal", Mark{}, o)
	if err != nil {
		t.Fatalf("step %d: %v", step, err)
	}
	defer w.Close()
	if found := uint64(len(c.Entries)); found < synced {
		t.Fatalf("step %d: %d entries are there, %d were synced", step, found, synced)
	}
}

// TestPowerCutAfterAKill: a process is killed at any operation, and the next one reads what it has written and named, synced or not.
// What is synced then must not rest on anything that was not.
func TestPowerCutAfterAKill(t *testing.T) {
	o := Options{SegmentBytes: 15_000}
	for step := 0; ; step++ {
		mem := vfs.NewMem()
		must(t, vfs.MkdirAll(mem, "/member", 0o700))
		before, killed := life(vfs.NewFault(mem, vfs.Rule{Skip: step, Err: errDisk}), o, 20)
		mem.Kill()
		synced, err := life(mem, o, 1)
		must(t, err)
		if synced <= before {
			t.Fatalf("step %d: the second process has %d entries, %d were synced by the first", step, synced, before)
		}
		expectSynced(t, step, mem, o, synced)
		if killed == nil {
			if step < 100 {
				t.Fatalf("only %d steps: the test has lost its grip", step)
			}
			return
		}
	}
}

// TestPowerCutAfterAFailedSync: a sync fails, and with it what was written is lost, though the next process reads it from the memory of
// the kernel, which takes it for written. What is synced then must not rest on it.
func TestPowerCutAfterAFailedSync(t *testing.T) {
	o := Options{SegmentBytes: 15_000}
	for step := 0; ; step++ {
		mem := vfs.NewMem()
		must(t, vfs.MkdirAll(mem, "/member", 0o700))
		failing := vfs.NewFault(mem, vfs.Rule{Op: vfs.OpSync, Skip: step, Times: 1, Do: mem.LoseWrites, Err: errDisk})
		_, failed := life(failing, o, 20)
		mem.Kill()
		synced, err := life(mem, o, 3)
		must(t, err)
		expectSynced(t, step, mem, o, synced)
		if failed == nil {
			if step < 20 {
				t.Fatalf("only %d steps: the test has lost its grip", step)
			}
			return
		}
	}
}
