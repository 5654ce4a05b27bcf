package wal

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

var errDisk = errors.New("the disk is on fire")

// TestFailureIsFinal: after one failed write, sync or cut the log takes nothing more, though the disk works again, and a
// start finds everything that was synced before.
func TestFailureIsFinal(t *testing.T) {
	for name, rule := range map[string]vfs.Rule{
		"write":        {Op: vfs.OpWrite},
		"torn write":   {Op: vfs.OpWrite, ShortBytes: 700},
		"sync":         {Op: vfs.OpSync, Name: "*.wal"},
		"cut truncate": {Op: vfs.OpTruncate},
		"cut rename":   {Op: vfs.OpRename},
		"cut dir sync": {Op: vfs.OpSyncDir},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			mem := vfs.NewMem()
			faulty := vfs.NewFault(mem)
			w := create(t, faulty, Options{SegmentBytes: 2000})
			must(t, w.Append(state(1, 1, 3), entries(1, 3, 1)), w.Sync())
			rule.Err, rule.Times = errDisk, 1
			faulty.Add(rule)
			big := []*raftpb.Entry{entry(4, 1, strings.Repeat("x", 2500))}
			err := w.Append(nil, big)
			if err == nil {
				err = w.Sync()
			}
			g.Expect(err).To(MatchError(errDisk))
			g.Expect(w.Append(nil, entries(5, 5, 1))).To(Equal(err))
			g.Expect(w.Sync()).To(Equal(err))
			g.Expect(w.AppendSnapshot(mark(1, 1))).To(Equal(err))
			g.Expect(w.Close()).To(MatchError(errDisk))

			w, c, err := Open("/member/wal", Mark{}, Options{FS: mem, SegmentBytes: 2000})
			must(t, err)
			g.Expect(len(c.Entries)).To(BeNumerically(">=", 3))
			next := uint64(len(c.Entries)) + 1
			must(t, w.Append(nil, entries(next, next, 1)), w.Sync(), w.Close())
			g.Expect(read(t, mem, Mark{}).Entries).To(HaveLen(int(next)))
		})
	}
}

// TestFullDisk: no space for the next segment ends the log at the cut, not before.
func TestFullDisk(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	faulty := vfs.NewFault(mem, vfs.Rule{Op: vfs.OpPreallocate, Name: "?.tmp", Err: errDisk})
	w := create(t, faulty, Options{SegmentBytes: 2000})
	must(t, w.Append(state(1, 1, 1), entries(1, 1, 1)), w.Sync())
	must(t, w.Append(nil, entries(2, 60, 1)))
	g.Expect(w.Sync()).To(MatchError(errDisk))
	g.Expect(w.Close()).To(MatchError(errDisk))
	g.Expect(read(t, mem, Mark{}).Entries).To(HaveLen(60))
	g.Expect(names(t, mem, "/member/wal")).To(HaveLen(1))
}

// TestCreateFails: a failed creation leaves no log, and the next one works.
func TestCreateFails(t *testing.T) {
	for op := range 12 {
		mem := vfs.NewMem()
		must(t, mem.MkdirAll("/member", 0o700))
		faulty := vfs.NewFault(mem, vfs.Rule{Skip: op, Times: 1, Err: errDisk})
		w, err := Create("/member/wal", nil, Options{FS: faulty, SegmentBytes: 2000})
		if err == nil {
			must(t, w.Close())
			continue
		}
		if !errors.Is(err, errDisk) {
			t.Fatalf("operation %d: %v", op, err)
		}
		if Exists("/member/wal", mem) {
			w, _, err = Open("/member/wal", Mark{}, Options{FS: mem, SegmentBytes: 2000})
		} else {
			w, err = Create("/member/wal", nil, Options{FS: mem, SegmentBytes: 2000})
		}
		must(t, err, w.Close())
	}
}
