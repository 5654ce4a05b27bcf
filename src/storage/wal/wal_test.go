package wal

import (
	"bytes"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/walpb"
	"quoin.dev/pkg/vfs"
)

// TestFrameTwin compares frames with what generated code makes of walpb.Record.
func TestFrameTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var enc encoder
	for range 2000 {
		e := &raftpb.Entry{Term: new(rng.Uint64() >> rng.IntN(64)), Index: new(rng.Uint64() >> rng.IntN(64)), Data: make([]byte, rng.IntN(700))}
		if rng.IntN(2) == 0 {
			e.Type = raftpb.EntryConfChange.Enum()
		}
		if rng.IntN(4) == 0 {
			e.Data = nil
		}
		for i := range e.Data {
			e.Data[i] = byte(rng.Uint32())
		}
		if rng.IntN(4) == 0 {
			enc.crc = rng.Uint32() >> rng.IntN(32) // short checksums are rare by themselves
		}
		enc.buf = enc.buf[:0]
		enc.entry(e)

		data, err := proto.Marshal(e)
		must(t, err)
		record, err := (&walpb.Record{Type: new(int64(typeEntry)), Crc: new(enc.crc), Data: data}).MarshalVT()
		must(t, err)
		recordBytes, err := parseLength(uint64(enc.buf[0]) | uint64(enc.buf[1])<<8 | uint64(enc.buf[7])<<56)
		must(t, err)
		if int(recordBytes) != len(record) || !bytes.Equal(enc.buf[lengthBytes:lengthBytes+recordBytes], record) || len(enc.buf)%8 != 0 {
			t.Fatalf("entry %v: frame %x, record %x", e, enc.buf, record)
		}
		h, err := parseHead(record)
		must(t, err)
		if h.recordBytes() != recordBytes || h.crc != enc.crc || !bytes.Equal(record[h.bytes:], data) {
			t.Fatalf("head %+v of %x", h, record)
		}
	}
}

func TestReopenAppend(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	m := NewMeter()
	w := create(t, mem, Options{Meter: m})
	g.Expect(Exists("/member/wal", mem)).To(BeTrue())
	_, err := Create("/member/wal", nil, Options{FS: mem})
	g.Expect(err).To(MatchError(ErrExists))
	_, _, err = Open("/member/wal", Mark{}, Options{FS: mem})
	g.Expect(err).To(MatchError(vfs.ErrLocked))

	must(t, w.Append(state(1, 1, 2), entries(1, 3, 1)), w.Append(nil, entries(4, 5, 1)), w.Sync(), w.Sync())
	g.Expect(m.Fsync.Snapshot().Count).To(BeEquivalentTo(1), "one sync for two batches, none when nothing is new")
	g.Expect(m.Write.Snapshot().Count).To(BeEquivalentTo(2))
	g.Expect(m.WrittenBytes.Load()).To(BeNumerically(">", 100))
	must(t, w.Close(), w.Close())
	g.Expect(w.Append(nil, entries(6, 6, 1))).To(MatchError(ErrClosed))
	g.Expect(names(t, mem, "/member")).To(Equal([]string{"wal"}))
	g.Expect(names(t, mem, "/member/wal")).To(Equal([]string{"0000000000000000-0000000000000000.wal"}), "a clean stop removes the spare")

	w, c, err := Open("/member/wal", Mark{}, Options{FS: mem})
	must(t, err)
	g.Expect(string(c.Metadata)).To(Equal("metadata"))
	g.Expect(summary(c)).To(Equal("{1 1 2} 1/1 2/1 3/1 4/1 5/1"))
	must(t, w.Append(state(2, 1, 5), entries(6, 6, 2)), w.Sync(), w.Close())
	g.Expect(summary(read(t, mem, Mark{}))).To(Equal("{2 1 5} 1/1 2/1 3/1 4/1 5/1 6/2"))
}

// TestOverwrite: an entry drops those that stood at its index and after.
func TestOverwrite(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := create(t, mem, Options{})
	must(t, w.Append(state(1, 1, 2), entries(1, 6, 1)), w.Append(state(2, 1, 3), entries(3, 4, 2)), w.Sync())
	g.Expect(summary(read(t, mem, Mark{}))).To(Equal("{2 1 3} 1/1 2/1 3/2 4/2"))
	must(t, w.AppendSnapshot(mark(3, 2)))
	g.Expect(summary(read(t, mem, mark(3, 2)))).To(Equal("{2 1 3} 4/2"))
	must(t, w.Append(state(3, 1, 3), entries(4, 5, 3)), w.Sync(), w.Close())
	g.Expect(summary(read(t, mem, mark(3, 2)))).To(Equal("{3 1 3} 4/3 5/3"))
	g.Expect(summary(read(t, mem, Mark{}))).To(Equal("{3 1 3} 1/1 2/1 3/2 4/3 5/3"))
}

// TestOverwriteBeforeMark: entries after the mark are void when the log was cut before it since.
func TestOverwriteBeforeMark(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := create(t, mem, Options{})
	must(t, w.Append(state(1, 1, 1), entries(1, 6, 1)), w.Append(state(2, 1, 3), entries(2, 3, 2)), w.AppendSnapshot(mark(3, 2)), w.Close())
	g.Expect(summary(read(t, mem, mark(3, 2)))).To(Equal("{2 1 3}"))
}

// TestSnapshotFromLeader: raft drops the log when it takes a snapshot that the log does not lead to.
func TestSnapshotFromLeader(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := create(t, mem, Options{})
	must(t, w.Append(state(1, 1, 2), entries(1, 6, 1)), w.AppendSnapshot(mark(4, 3)))
	g.Expect(Marks("/member/wal", Options{FS: mem})).To(HaveLen(1), "etcd#11888: killed before the hard state that commits it")
	g.Expect(summary(read(t, mem, Mark{}))).To(Equal("{1 1 2} 1/1 2/1 3/1 4/1 5/1 6/1"))

	must(t, w.Append(state(3, 1, 4), nil), w.Sync())
	g.Expect(Marks("/member/wal", Options{FS: mem})).To(HaveLen(2))
	g.Expect(summary(read(t, mem, mark(4, 3)))).To(Equal("{3 1 4}"), "entries 5 and 6 went with the old log")
	_, err := Read("/member/wal", Mark{}, Options{FS: mem})
	g.Expect(err).To(MatchError(ContainSubstring("replaced the log")))

	must(t, w.AppendSnapshot(mark(100, 3)), w.Append(state(3, 1, 100), entries(101, 102, 3)), w.Sync(), w.Close())
	g.Expect(summary(read(t, mem, mark(100, 3)))).To(Equal("{3 1 100} 101/3 102/3"))
	w, c, err := Open("/member/wal", mark(100, 3), Options{FS: mem})
	must(t, err)
	g.Expect(c.Entries).To(HaveLen(2))
	must(t, w.Append(nil, entries(103, 103, 3)), w.Close())
}

func TestMarks(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := create(t, mem, Options{SegmentBytes: 300})
	g.Expect(w.AppendSnapshot(Mark{Index: 3, Term: 1})).To(MatchError(ErrNoConfState))
	for i := uint64(1); i <= 20; i++ {
		must(t, w.Append(state(1, 1, i), entries(i, i, 1)), w.Sync())
		if i%5 == 0 {
			must(t, w.AppendSnapshot(mark(i, 1)))
		}
	}
	must(t, w.AppendSnapshot(mark(21, 1)), w.Close())
	marks, err := Marks("/member/wal", Options{FS: mem})
	must(t, err)
	var indexes []uint64
	for _, m := range marks {
		indexes = append(indexes, m.Index)
		c := read(t, mem, m)
		g.Expect(c.Entries).To(HaveLen(int(20 - m.Index)))
	}
	g.Expect(indexes).To(Equal([]uint64{0, 5, 10, 15, 20}), "21 is not committed")
	_, err = Read("/member/wal", mark(7, 1), Options{FS: mem})
	g.Expect(err).To(MatchError(ErrMarkNotFound))
	_, err = Read("/member/wal", mark(21, 1), Options{FS: mem})
	g.Expect(err).To(MatchError(ErrMarkNotFound))
	_, err = Read("/member/wal", mark(10, 2), Options{FS: mem})
	g.Expect(err).To(MatchError(ContainSubstring("term 1, the snapshot term 2")))
	_, err = Marks("/nowhere", Options{FS: mem})
	g.Expect(err).To(HaveOccurred())
	_, err = Read("/nowhere", Mark{}, Options{FS: mem})
	g.Expect(err).To(MatchError(ErrNotFound))
}

// TestAppendRefuses what a later start could not read.
func TestAppendRefuses(t *testing.T) {
	for name, try := range map[string]func(*WAL) error{
		"hole":              func(w *WAL) error { return w.Append(nil, entries(4, 4, 1)) },
		"hole in the batch": func(w *WAL) error { return w.Append(nil, []*raftpb.Entry{entry(3, 1, ""), entry(5, 1, "")}) },
		"no term":           func(w *WAL) error { return w.Append(nil, entries(3, 3, 0)) },
		"term back":         func(w *WAL) error { return w.Append(state(1, 1, 1), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := create(t, vfs.NewMem(), Options{})
			must(t, w.Append(state(2, 1, 1), entries(1, 2, 1)))
			err := try(w)
			g.Expect(err).To(HaveOccurred())
			g.Expect(w.Append(nil, entries(3, 3, 2))).To(Equal(err), "errors are final")
			g.Expect(w.Sync()).To(Equal(err))
			g.Expect(w.AppendSnapshot(mark(1, 1))).To(Equal(err))
			g.Expect(w.Close()).To(MatchError(err))
		})
	}
}
