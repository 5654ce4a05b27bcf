package wal

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

func benchLog(b *testing.B) *WAL {
	b.Helper()
	w, err := Create(b.TempDir()+"/wal", []byte("metadata"), Options{})
	must(b, err)
	b.Cleanup(func() { must(b, w.Close()) })
	return w
}

// BenchmarkAppend writes batches of 100 entries of 300 bytes with their hard state, without a sync in between.
func BenchmarkAppend(b *testing.B) {
	w := benchLog(b)
	batch := make([]*raftpb.Entry, 100)
	for i := range batch {
		batch[i] = &raftpb.Entry{Term: new(uint64(1)), Index: new(uint64(0)), Data: make([]byte, 300)}
	}
	hs := state(1, 1, 1)
	index := uint64(0)
	b.SetBytes(100 * 300)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range batch {
			index++
			*e.Index = index
		}
		must(b, w.Append(hs, batch))
		if w.offset > w.options.SegmentBytes {
			must(b, w.Sync())
		}
	}
}

// BenchmarkSync writes one entry of 300 bytes per sync.
func BenchmarkSync(b *testing.B) {
	w := benchLog(b)
	hs := state(1, 1, 1)
	index := uint64(0)
	e := &raftpb.Entry{Term: new(uint64(1)), Index: &index, Data: make([]byte, 300)}
	b.ReportAllocs()
	for b.Loop() {
		index++
		must(b, w.Append(hs, []*raftpb.Entry{e}), w.Sync())
	}
}

// BenchmarkRead reads a full segment of entries of 300 bytes, as a start does, and scans it for marks.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir() + "/wal"
	w, err := Create(dir, []byte("metadata"), Options{})
	must(b, err)
	index := uint64(0)
	for w.offset < w.options.SegmentBytes {
		index++
		must(b, w.Append(state(1, 1, index), []*raftpb.Entry{{Term: new(uint64(1)), Index: new(index), Data: make([]byte, 300)}}))
	}
	must(b, w.Close())
	for name, run := range map[string]func() error{
		"contents": func() error { _, err := Read(dir, Mark{}, Options{}); return err },
		"marks":    func() error { _, err := Marks(dir, Options{FS: vfs.OS()}); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(DefaultSegmentBytes)
			b.ReportAllocs()
			for b.Loop() {
				must(b, run())
			}
		})
	}
}
