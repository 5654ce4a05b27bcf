package wal

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/vfs"
)

// The golden logs were written by etcd 3.7.3 (single36: 3.6.16); wal.json is what etcd's own tools read from them. The
// segments are stored up to their used length, and get their zeros back here.

type goldenRecord struct {
	CRC         uint32 `json:"crc"`
	DataLen     int    `json:"data_len"`
	LenFieldHex string `json:"len_field_hex"`
	Offset      int64  `json:"offset"`
	PadBytes    int64  `json:"pad_bytes"`
	RecordBytes int64  `json:"record_bytes"`
	Type        string `json:"type"`
}

type goldenSegment struct {
	FirstRecords []goldenRecord `json:"first_records"`
	Name         string         `json:"name"`
	Records      map[string]int `json:"records"`
	Size         int64          `json:"size"`
	UsedBytes    int64          `json:"used_bytes"`
}

type goldenLog struct {
	Files    []goldenSegment `json:"files"`
	Entries  [][]any         `json:"entries"` // index, term, type, data bytes, request, conf change context, conf change node
	Metadata struct {
		ClusterID, NodeID string
	} `json:"metadata"`
	LastHardState struct {
		Commit, Term uint64
		Vote         string
	} `json:"last_hard_state"`
	SnapshotRecords []struct {
		Index     string `json:"index"`
		Term      string `json:"term"`
		ConfState *struct {
			Voters []string `json:"voters"`
		} `json:"conf_state"`
	} `json:"snapshot_records"`
	RecordCounts map[string]int `json:"record_counts"`
}

var typeNames = map[recordType]string{
	typeMetadata: "metadata", typeEntry: "entry", typeState: "state", typeCRC: "crc", typeSnapshot: "snapshot",
}

var goldenNames = []string{"single37", "single36", "auth37", "cluster37-n1", "cluster37-n2", "cluster37-n3"}

// loadGolden puts a golden log into /wal of a memory file system.
func loadGolden(t *testing.T, name string) (*vfs.Mem, goldenLog) {
	t.Helper()
	dir := filepath.Join("testdata", "golden", name)
	var want goldenLog
	facts, err := os.ReadFile(filepath.Join(dir, "wal.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(facts, &want); err != nil {
		t.Fatal(err)
	}
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/wal", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, segment := range want.Files {
		if err := unpack(mem, filepath.Join(dir, segment.Name+".gz"), "/wal/"+segment.Name, segment.Size); err != nil {
			t.Fatal(err)
		}
	}
	return mem, want
}

func unpack(mem *vfs.Mem, from, to string, size int64) error {
	packed, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	f, err := vfs.Create(mem, to, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, z); err != nil {
		return err
	}
	return errors.Join(f.Preallocate(size), f.Close())
}

// TestGoldenFrames reads every frame of etcd's logs, and writes the same bytes from what it read.
func TestGoldenFrames(t *testing.T) {
	for _, name := range goldenNames {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			mem, want := loadGolden(t, name)
			segments, err := listSegments("/wal", mem)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(segments).To(HaveLen(len(want.Files)))

			counts := map[string]int{}
			var entries [][]any
			var enc encoder
			s := newScanner(mem, segments)
			for i, file := range want.Files {
				g.Expect(filepath.Base(segments[i].path)).To(Equal(file.Name))
				g.Expect(s.openSegment()).To(Succeed())
				g.Expect(s.size).To(Equal(file.Size))
				enc.buf = nil
				perFile := map[string]int{}
				for n := 0; ; n++ {
					offset := s.offset
					h, data, err := s.frame()
					if errors.Is(err, io.EOF) {
						break
					}
					g.Expect(err).NotTo(HaveOccurred())
					_, err = s.checkHead(h, data)
					g.Expect(err).NotTo(HaveOccurred())
					perFile[typeNames[h.typ]]++
					if n < len(file.FirstRecords) {
						var field [8]byte
						_, err := s.file.ReadAt(field[:], offset)
						g.Expect(err).NotTo(HaveOccurred())
						g.Expect(goldenRecord{
							CRC: h.crc, DataLen: len(data), LenFieldHex: hex.EncodeToString(field[:]), Offset: offset,
							PadBytes: padding(h.recordBytes()), RecordBytes: h.recordBytes(), Type: typeNames[h.typ],
						}).To(Equal(file.FirstRecords[n]))
					}
					if h.typ == typeEntry {
						entries = append(entries, entryFacts(t, data))
					}
					encodeAgain(t, &enc, h.typ, data)
				}
				g.Expect(s.offset).To(Equal(file.UsedBytes))
				g.Expect(perFile).To(Equal(file.Records))
				for typ, n := range perFile {
					counts[typ] += n
				}
				used := make([]byte, file.UsedBytes)
				_, err := s.file.ReadAt(used, 0)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(bytes.Equal(enc.buf, used)).To(BeTrue(), "encoded again, %s differs", file.Name)
				if i+1 < len(want.Files) {
					g.Expect(s.leaveSegment()).To(Succeed())
				}
			}
			g.Expect(s.close()).To(Succeed())
			g.Expect(counts).To(Equal(want.RecordCounts))
			g.Expect(entries).To(HaveLen(len(want.Entries)))
			for i := range entries {
				g.Expect(fmt.Sprint(entries[i]...)).To(Equal(fmt.Sprint(want.Entries[i]...)))
			}
		})
	}
}

// encodeAgain decodes a record and appends what the encoder makes of the result.
func encodeAgain(t *testing.T, enc *encoder, typ recordType, data []byte) {
	t.Helper()
	switch typ {
	case typeCRC:
		enc.checksum()
	case typeEntry:
		var e raftpb.Entry
		if err := proto.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		enc.entry(&e)
	case typeState:
		hs, err := parseHardState(data)
		if err != nil {
			t.Fatal(err)
		}
		enc.state(hs)
	case typeSnapshot:
		m, err := parseMark(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.marshal()
		if err != nil {
			t.Fatal(err)
		}
		enc.record(typeSnapshot, again)
	default:
		enc.record(typ, data)
	}
}

// entryFacts returns what wal.json says about an entry.
func entryFacts(t *testing.T, data []byte) []any {
	t.Helper()
	var e raftpb.Entry
	if err := proto.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	request, context, node := "", "", ""
	switch {
	case e.GetType() == raftpb.EntryConfChange:
		var change raftpb.ConfChange
		if err := proto.Unmarshal(e.GetData(), &change); err != nil {
			t.Fatal(err)
		}
		context, node = string(change.GetContext()), fmt.Sprintf("%016x", change.GetNodeId())
	case len(e.GetData()) > 0:
		var r etcdserverpb.InternalRaftRequest
		if err := proto.Unmarshal(e.GetData(), &r); err != nil {
			t.Fatal(err)
		}
		r.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			if fd.Name() != "header" && fd.Name() != "ID" {
				request = string(fd.Name())
			}
			return true
		})
	}
	return []any{float64(e.GetIndex()), float64(e.GetTerm()), e.GetType().String(), float64(len(e.GetData())), request, context, node}
}

// TestGoldenContents opens etcd's logs from their newest mark, as a start does, and from the oldest one.
func TestGoldenContents(t *testing.T) {
	for _, name := range goldenNames {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			mem, want := loadGolden(t, name)
			o := Options{FS: mem}
			marks, err := Marks("/wal", o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(marks).To(HaveLen(len(want.SnapshotRecords)))
			for i, m := range marks {
				r := want.SnapshotRecords[i]
				g.Expect(fmt.Sprint(m.Index, m.Term)).To(Equal(r.Index + " " + r.Term))
				if r.ConfState != nil {
					g.Expect(strings.Join(r.ConfState.Voters, " ")).To(Equal(strings.Trim(fmt.Sprint(m.ConfState.GetVoters()), "[]")))
				}
			}
			for _, from := range []Mark{marks[0], marks[len(marks)-1]} {
				c, err := Read("/wal", from, o)
				if name == "cluster37-n3" && from.Index == 0 {
					// This member was brought back by a snapshot; etcd cannot read its log from the beginning either.
					g.Expect(err).To(MatchError(ContainSubstring("follows a snapshot from the leader at index 527")))
					continue
				}
				g.Expect(err).NotTo(HaveOccurred())
				hs := want.LastHardState
				vote, err := strconv.ParseUint(hs.Vote, 16, 64)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(hardStateOf(c.HardState)).To(Equal(hardState{hs.Term, vote, hs.Commit}))
				var meta etcdserverpb.Metadata
				g.Expect(proto.Unmarshal(c.Metadata, &meta)).To(Succeed())
				g.Expect(fmt.Sprintf("%016x", meta.GetNodeID())).To(Equal(want.Metadata.NodeID))
				g.Expect(fmt.Sprintf("%016x", meta.GetClusterID())).To(Equal(want.Metadata.ClusterID))
				last := want.Entries[len(want.Entries)-1]
				g.Expect(from.Index + uint64(len(c.Entries))).To(BeEquivalentTo(last[0]))
				for i, e := range c.Entries {
					g.Expect(e.GetIndex()).To(Equal(from.Index + uint64(i) + 1))
				}
			}
		})
	}
}

// TestGoldenAppend goes on with a log that etcd wrote.
func TestGoldenAppend(t *testing.T) {
	g := NewWithT(t)
	mem, want := loadGolden(t, "cluster37-n3")
	o := Options{FS: mem}
	marks, err := Marks("/wal", o)
	g.Expect(err).NotTo(HaveOccurred())
	from := marks[len(marks)-1]
	w, before, err := Open("/wal", from, o)
	g.Expect(err).NotTo(HaveOccurred())
	next := want.LastHardState.Commit + 1
	g.Expect(w.Append(nil, []*raftpb.Entry{entry(next, 5, "more")})).To(Succeed())
	g.Expect(w.Sync()).To(Succeed())
	g.Expect(w.Close()).To(Succeed())
	after, err := Read("/wal", from, o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.Metadata).To(Equal(before.Metadata))
	g.Expect(after.Entries).To(HaveLen(len(before.Entries) + 1))
	g.Expect(string(after.Entries[len(before.Entries)].GetData())).To(Equal("more"))
}
