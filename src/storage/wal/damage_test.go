package wal

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

// content returns all files of the log.
func content(t testing.TB, fsys vfs.FS) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range names(t, fsys, "/member/wal") {
		b, err := vfs.ReadFile(fsys, "/member/wal/"+name)
		must(t, err)
		out[name] = string(b)
	}
	return out
}

// TestFlippedBits flips every bit of a small log: reading finds it, or finds the same log. (etcd#11918)
func TestFlippedBits(t *testing.T) {
	mem := vfs.NewMem()
	w := create(t, mem, Options{SegmentBytes: 640})
	confChange := entry(1, 1, "change")
	confChange.Type = raftpb.EntryConfChange.Enum()
	leaderEntry := &raftpb.Entry{Term: new(uint64(2)), Index: new(uint64(2))}
	oldLeaderEntry := &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(2)), Index: new(uint64(3))} // as etcd 3.6 writes it
	must(t, w.Append(state(1, 7, 1), []*raftpb.Entry{confChange}), w.Sync(),
		w.Append(state(2, 7, 1), []*raftpb.Entry{leaderEntry, oldLeaderEntry}), w.Append(state(2, 7, 3), entries(4, 9, 2)), w.Sync(),
		w.AppendSnapshot(mark(3, 2)), w.Append(state(3, 7, 8), entries(9, 12, 3)), w.Sync(), w.Append(state(4, 7, 12), entries(13, 14, 4)), w.Close())
	want := summary(read(t, mem, Mark{}))
	wantMarks, err := Marks("/member/wal", Options{FS: mem})
	must(t, err)
	original := content(t, mem)
	if len(original) != 2 {
		t.Fatalf("%d segments", len(original))
	}
	found, harmless := 0, 0
	for name, bytes := range original {
		for i := range bytes {
			for bit := range 8 {
				overwrite(t, mem, "/member/wal/"+name, int64(i), []byte{bytes[i] ^ 1<<bit})
				c, err := Read("/member/wal", Mark{}, Options{FS: mem})
				var damage *DamageError
				switch {
				case errors.As(err, &damage):
					found++
					if damage.Path != "/member/wal/"+name && !strings.HasSuffix(damage.Path, ".wal") || !strings.Contains(err.Error(), "restore this member") {
						t.Fatalf("unclear: %v", err)
					}
				case err != nil:
					found++
				case summary(c) == want:
					harmless++
				default:
					t.Fatalf("bit %d of byte %d of %s: read %s, want %s", bit, i, name, summary(c), want)
				}
				if err != nil {
					continue
				}
				if marks, err := Marks("/member/wal", Options{FS: mem}); err != nil || len(marks) != len(wantMarks) {
					t.Fatalf("bit %d of byte %d of %s: marks %v, %v", bit, i, name, marks, err)
				}
			}
			overwrite(t, mem, "/member/wal/"+name, int64(i), []byte{bytes[i]})
		}
	}
	t.Logf("%d flips found, %d harmless", found, harmless)
}

// TestDamageUntouched: opening a damaged log changes nothing and says what to do.
func TestDamageUntouched(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := filled(t, mem, 20)
	must(t, w.Close())
	list, err := listSegments("/member/wal", mem)
	must(t, err)
	for _, s := range []segment{list[1], list[len(list)-1]} {
		original := content(t, mem)
		overwrite(t, mem, s.path, 140, []byte{0xff})
		damaged := content(t, mem)
		_, _, err = Open("/member/wal", Mark{}, Options{FS: mem, SegmentBytes: 400})
		g.Expect(err).To(MatchError(And(ContainSubstring(s.path), ContainSubstring("damaged at byte"), ContainSubstring("nothing was changed"))))
		g.Expect(content(t, mem)).To(Equal(damaged))
		overwrite(t, mem, s.path, 0, []byte(original[s.path[len("/member/wal/"):]]))
	}
	w, _, err = Open("/member/wal", Mark{}, Options{FS: mem, SegmentBytes: 400})
	must(t, err, w.Close())
}

// TestForeignSegment: a segment of another log does not pass.
func TestForeignSegment(t *testing.T) {
	g := NewWithT(t)
	mem, other := vfs.NewMem(), vfs.NewMem()
	must(t, filled(t, mem, 20).Close())
	must(t, other.MkdirAll("/member", 0o700))
	w, err := Create("/member/wal", []byte("other"), Options{FS: other, SegmentBytes: 400})
	must(t, err, w.Append(state(1, 1, 1), entries(1, 40, 1)), w.Sync(), w.Append(nil, entries(41, 42, 1)), w.Close())
	list, err := listSegments("/member/wal", other)
	must(t, err)
	foreign, err := vfs.ReadFile(other, list[1].path)
	must(t, err)
	mine, err := listSegments("/member/wal", mem)
	must(t, err)
	overwrite(t, mem, mine[1].path, 0, foreign)
	_, err = Read("/member/wal", Mark{}, Options{FS: mem})
	g.Expect(err).To(MatchError(ContainSubstring("continues a log with checksum")))
}

// TestImpossibleLengths: no length field makes the reader panic or allocate more than the file holds. (CVE-2020-15106,
// CVE-2020-15112, CVE-2022-34038)
func TestImpossibleLengths(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := create(t, mem, Options{SegmentBytes: 4096})
	must(t, w.Append(nil, entries(1, 3, 1)))
	at := w.offset
	must(t, w.Append(nil, entries(4, 6, 1)), w.Close())
	for _, field := range []uint64{1 << 55, 1<<56 - 1, 1<<63 - 1, 1 << 63, 1<<64 - 1, 0x84<<56 | 1<<40, 5000, 0x80 << 56, 1} {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], field)
		overwrite(t, mem, "/member/wal/0000000000000000-0000000000000000.wal", at, b[:])
		_, err := Read("/member/wal", Mark{}, Options{FS: mem})
		var damage *DamageError
		g.Expect(errors.As(err, &damage)).To(BeTrue(), "length %x: %v", field, err)
		g.Expect(damage.Offset).To(Equal(at))
	}
}

// TestNotALog: records with good checksums that no log has.
func TestNotALog(t *testing.T) {
	mark0, err := Mark{}.marshal()
	must(t, err)
	lateMark, err := mark(1, 0).marshal()
	must(t, err)
	start := func(enc *encoder) {
		enc.checksum()
		enc.record(typeMetadata, []byte("m"))
		enc.record(typeSnapshot, mark0)
	}
	for name, test := range map[string]struct {
		fill func(enc *encoder)
		want string
	}{
		"empty":           {func(*encoder) {}, "ends before its metadata"},
		"no metadata":     {func(enc *encoder) { enc.checksum() }, "ends before its metadata"},
		"wrong head":      {func(enc *encoder) { enc.record(typeMetadata, nil) }, "record 1 of the segment has type 1"},
		"two heads":       {func(enc *encoder) { start(enc); enc.checksum() }, "has type 4"},
		"two metadatas":   {func(enc *encoder) { start(enc); enc.record(typeMetadata, []byte("m")) }, "has type 1"},
		"wrong chain":     {func(enc *encoder) { enc.crc = 7; start(enc) }, "continues a log"},
		"no mark":         {func(enc *encoder) { enc.checksum(); enc.record(typeMetadata, nil) }, ErrMarkNotFound.Error()},
		"hole":            {func(enc *encoder) { start(enc); enc.entry(entry(2, 1, "")) }, "entry 2 follows entry 0"},
		"huge index":      {func(enc *encoder) { start(enc); enc.entry(entry(1<<63, 1, "")) }, "follows entry 0"},
		"index 0":         {func(enc *encoder) { start(enc); enc.entry(entry(0, 1, "")) }, "index 0"},
		"entry":           {func(enc *encoder) { start(enc); enc.record(typeEntry, []byte{0xff}) }, "damaged"},
		"term back":       {func(enc *encoder) { start(enc); enc.entry(entry(1, 2, "")); enc.entry(entry(2, 1, "")) }, "term 1, the one before it 2"},
		"state term back": {func(enc *encoder) { start(enc); enc.state(hardState{2, 0, 0}); enc.state(hardState{1, 0, 0}) }, "goes back from 2 to 1"},
		"state":           {func(enc *encoder) { start(enc); enc.record(typeState, []byte{8, 1}) }, "not a hard state"},
		"commit":          {func(enc *encoder) { start(enc); enc.state(hardState{1, 0, 9}) }, "up to index 9 are committed, but the log ends with entry 0"},
		"mark":            {func(enc *encoder) { start(enc); enc.record(typeSnapshot, []byte{8, 1}) }, "not a snapshot record"},
		"mark term":       {func(enc *encoder) { start(enc); enc.record(typeSnapshot, lateMark) }, "not a snapshot record"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			mem := vfs.NewMem()
			var enc encoder
			test.fill(&enc)
			must(t, mem.MkdirAll("/member/wal", 0o700))
			f, err := vfs.Create(mem, "/member/wal/0000000000000000-0000000000000000.wal", 0o600)
			must(t, err)
			_, err = f.Write(enc.buf)
			must(t, err, f.Preallocate(2048), f.Close())
			_, err = Read("/member/wal", Mark{}, Options{FS: mem})
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
		})
	}
}

// FuzzSegment: no bytes make the reader panic, and what it reads it can write and read again.
func FuzzSegment(f *testing.F) {
	var enc encoder
	mark0, err := Mark{}.marshal()
	must(f, err)
	enc.checksum()
	enc.record(typeMetadata, []byte("m"))
	enc.record(typeSnapshot, mark0)
	enc.entry(entry(1, 1, "a"))
	enc.state(hardState{1, 1, 1})
	f.Add(enc.buf)
	f.Add(append(enc.buf[:len(enc.buf):len(enc.buf)], make([]byte, 1024)...))
	f.Add(binary.LittleEndian.AppendUint64(enc.buf[:len(enc.buf):len(enc.buf)], 1<<40))
	f.Fuzz(func(t *testing.T, data []byte) {
		mem := vfs.NewMem()
		must(t, mem.MkdirAll("/member/wal", 0o700))
		file, err := vfs.Create(mem, "/member/wal/0000000000000000-0000000000000000.wal", 0o600)
		must(t, err)
		_, err = file.Write(data)
		must(t, err, file.Close())
		o := Options{FS: mem, SegmentBytes: 4096}
		_, marksErr := Marks("/member/wal", o)
		c, err := Read("/member/wal", Mark{}, o)
		if err != nil {
			return
		}
		if marksErr != nil {
			t.Fatalf("readable, but %v", marksErr)
		}
		w, _, err := Open("/member/wal", Mark{}, o)
		must(t, err)
		last := uint64(len(c.Entries))
		must(t, w.Append(nil, []*raftpb.Entry{entry(last+1, 1<<63, "next")}), w.Close())
		again := read(t, mem, Mark{})
		if got := len(again.Entries); got != len(c.Entries)+1 {
			t.Fatalf("%d entries, then %d", len(c.Entries), got)
		}
	})
}
