package snap

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/snappb"
	"quoin.dev/pkg/vfs"
	"quoin.dev/storage/wal"
)

func open(t *testing.T, fsys vfs.FS) *Dir {
	t.Helper()
	d, err := Open("/snap", Options{FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func snapshot(index, term uint64, data string) *raftpb.Snapshot {
	return &raftpb.Snapshot{Data: []byte(data), Metadata: &raftpb.SnapshotMetadata{
		Index: new(index), Term: new(term), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
	}}
}

func names(t *testing.T, fsys vfs.FS) []string {
	t.Helper()
	list, err := fsys.ReadDir("/snap")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// TestGolden reads the files that etcd 3.7.3 wrote, and writes the same bytes.
func TestGolden(t *testing.T) {
	for _, name := range []string{"cluster37-n1", "cluster37-n2", "cluster37-n3"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			dir := filepath.Join("testdata", "golden", name)
			facts, err := os.ReadFile(filepath.Join(dir, "snap.json"))
			g.Expect(err).NotTo(HaveOccurred())
			var want []struct {
				ConfState struct {
					Voters    []string `json:"voters"`
					AutoLeave bool     `json:"auto_leave"`
				} `json:"conf_state"`
				CRC       uint32 `json:"crc"`
				Data      string `json:"data"`
				File      string `json:"file"`
				RaftIndex uint64 `json:"raft_index"`
				RaftTerm  uint64 `json:"raft_term"`
			}
			g.Expect(json.Unmarshal(facts, &want)).To(Succeed())
			g.Expect(want).NotTo(BeEmpty())
			mem := vfs.NewMem()
			d := open(t, mem)
			for _, w := range want {
				s, err := ReadFile(vfs.OS(), filepath.Join(dir, w.File))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(s.GetData())).To(Equal(w.Data))
				g.Expect(s.GetMetadata().GetIndex()).To(Equal(w.RaftIndex))
				g.Expect(s.GetMetadata().GetTerm()).To(Equal(w.RaftTerm))
				g.Expect(s.GetMetadata().GetConfState().GetAutoLeave()).To(Equal(w.ConfState.AutoLeave))
				var voters []string
				for _, v := range s.GetMetadata().GetConfState().GetVoters() {
					voters = append(voters, strconv.FormatUint(v, 10))
				}
				g.Expect(voters).To(Equal(w.ConfState.Voters))

				g.Expect(d.Save(s)).To(Succeed())
				theirs, err := os.ReadFile(filepath.Join(dir, w.File))
				g.Expect(err).NotTo(HaveOccurred())
				ours, err := vfs.ReadFile(mem, filepath.Join("/snap", w.File))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(bytes.Equal(ours, theirs)).To(BeTrue(), w.File)
			}
			last := want[len(want)-1]
			s, err := d.Load([]wal.Mark{{Index: last.RaftIndex, Term: last.RaftTerm}})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.GetMetadata().GetIndex()).To(Equal(last.RaftIndex))
		})
	}
}

// TestLoad takes the newest snapshot that has a mark. (etcd#11888: one that was saved without its record is passed over.)
func TestLoad(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	d := open(t, mem)
	_, err := d.Load([]wal.Mark{{}})
	g.Expect(err).To(MatchError(ErrNone))
	g.Expect(d.Save(&raftpb.Snapshot{})).NotTo(Succeed())
	for _, s := range []*raftpb.Snapshot{snapshot(9, 1, "a"), snapshot(0x10, 1, "b"), snapshot(0x12, 2, "c"), snapshot(0x20, 2, "d")} {
		g.Expect(d.Save(s)).To(Succeed())
	}
	g.Expect(names(t, mem)).To(Equal([]string{
		"0000000000000001-0000000000000009.snap", "0000000000000001-0000000000000010.snap",
		"0000000000000002-0000000000000012.snap", "0000000000000002-0000000000000020.snap",
	}))
	marks := []wal.Mark{{}, {Index: 9, Term: 1}, {Index: 0x10, Term: 1}, {Index: 0x12, Term: 2}, {Index: 0x20, Term: 1}}
	s, err := d.Load(marks)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(proto.Equal(s, snapshot(0x12, 2, "c"))).To(BeTrue())
	_, err = d.Load(marks[:1])
	g.Expect(err).To(MatchError(ErrNone))
}

// TestDamaged: whatever byte of the newest file changes, an older one is taken and the file set aside. (etcd#11918)
func TestDamaged(t *testing.T) {
	mem := vfs.NewMem()
	d := open(t, mem)
	older, newer := snapshot(9, 1, "older"), snapshot(10, 1, "newer")
	marks := []wal.Mark{{Index: 9, Term: 1}, {Index: 10, Term: 1}}
	name := "/snap/0000000000000001-000000000000000a.snap"
	for _, err := range []error{d.Save(older), d.Save(newer)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := vfs.ReadFile(mem, name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content []byte) {
		f, err := vfs.Create(mem, name, 0o600)
		if err == nil {
			_, err = f.Write(content)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	damages := [][]byte{nil, file[:len(file)/2], file[:len(file)-1], make([]byte, len(file)), append(slices.Clip(file), 1)}
	for i := range file {
		for bit := range 8 {
			b := bytes.Clone(file)
			b[i] ^= 1 << bit
			damages = append(damages, b)
		}
	}
	for i, content := range damages {
		write(content)
		s, err := d.Load(marks)
		if err == nil && proto.Equal(s, newer) {
			continue // a bit of the checksum's varint that says nothing
		}
		if err != nil || !proto.Equal(s, older) {
			t.Fatalf("damage %d: %v, %v", i, s, err)
		}
		if got := strings.Join(names(t, mem), " "); !strings.HasSuffix(got, "-000000000000000a.snap.broken") {
			t.Fatalf("damage %d: %s", i, got)
		}
	}
	write(file)
	if s, err := d.Load(marks); err != nil || !proto.Equal(s, newer) {
		t.Fatalf("undamaged: %v, %v", s, err)
	}
}

// TestPowerCut: a saved snapshot and database are whole after a cut, one being saved is whole or not there.
func TestPowerCut(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	var d *Dir
	marks := []wal.Mark{{Index: 5, Term: 1}, {Index: 6, Term: 1}}
	content := strings.Repeat("database ", 5000)
	saved, cuts := 0, 0
	faulty := vfs.NewFault(mem, vfs.Rule{Do: func() {
		for _, keep := range []func() bool{nil, func() bool { return true }} {
			cuts++
			after := open(t, mem.PowerCut(keep))
			s, err := after.Load(marks)
			switch {
			case saved == 0 && errors.Is(err, ErrNone):
			case err != nil || s.GetMetadata().GetIndex() < uint64(4+saved):
				t.Errorf("after %d saves: %v, %v", saved, s, err)
			}
			for _, name := range names(t, after.fsys) {
				if strings.HasSuffix(name, ".broken") {
					t.Errorf("after %d saves: %s", saved, name)
				}
			}
			if path, err := after.DBPath(5); err == nil {
				db, err := vfs.ReadFile(after.fsys, path)
				if err != nil || string(db) != content {
					t.Errorf("a database of %d bytes, %v", len(db), err)
				}
			} else if saved > 1 {
				t.Error(err)
			}
		}
	}})
	g.Expect(mem.MkdirAll("/snap", 0o700)).To(Succeed())
	g.Expect(mem.SyncDir("/")).To(Succeed())
	d = &Dir{path: "/snap", fsys: faulty, meter: NewMeter()}
	g.Expect(d.Save(snapshot(5, 1, "five"))).To(Succeed())
	saved++
	n, err := d.SaveDB(strings.NewReader(content), 5)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(n).To(BeEquivalentTo(len(content)))
	g.Expect(d.Save(snapshot(6, 1, "six"))).To(Succeed())
	saved++
	_, err = d.SaveDB(strings.NewReader(content), 6)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cuts).To(BeNumerically(">", 30))
}

// TestDBs: databases are received whole, found by index, and deleted when they are superseded.
func TestDBs(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	d := open(t, mem)
	_, err := d.DBPath(7)
	g.Expect(err).To(MatchError(ErrNoDB))
	broken := errors.New("connection lost")
	_, err = d.SaveDB(&failingReader{strings.NewReader("half"), broken}, 7)
	g.Expect(err).To(MatchError(broken))
	g.Expect(names(t, mem)).To(BeEmpty())
	for _, index := range []uint64{7, 8, 0x10} {
		_, err = d.SaveDB(strings.NewReader("whole"), index)
		g.Expect(err).NotTo(HaveOccurred())
	}
	n, err := d.SaveDB(strings.NewReader("again"), 7)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(n).To(BeEquivalentTo(5))
	g.Expect(d.DBPath(7)).To(Equal("/snap/0000000000000007.snap.db"))
	g.Expect(vfs.ReadFile(mem, "/snap/0000000000000007.snap.db")).To(BeEquivalentTo("whole"))
	for _, name := range []string{"tmp123", "tmp-1-x.part", "db.tmp.456", "db", "0000000000000001-0000000000000009.snap.broken"} {
		f, err := vfs.Create(mem, "/snap/"+name, 0o600)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.Close()).To(Succeed())
	}
	g.Expect(d.RemoveTemporary()).To(Equal([]string{"db.tmp.456", "tmp-1-x.part", "tmp123"}))
	g.Expect(d.RemoveOrphanDBs(8)).To(Equal([]string{"0000000000000007.snap.db"}))
	g.Expect(names(t, mem)).To(Equal([]string{
		"0000000000000001-0000000000000009.snap.broken", "0000000000000008.snap.db", "0000000000000010.snap.db", "db",
	}))
}

type failingReader struct {
	*strings.Reader
	err error
}

func (r *failingReader) Read(p []byte) (int, error) {
	if r.Len() == 0 {
		return 0, r.err
	}
	return r.Reader.Read(p)
}

// WriteTo hides the method of strings.Reader, which knows of no error.
func (r *failingReader) WriteTo() {}

// A file whose checksum is right and that says nothing would pass for the beginning of the log, which every log has a mark for.
func TestSnapshotOfNoPlaceIsDamaged(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	d := open(t, mem)
	data, err := proto.Marshal(&raftpb.Snapshot{Data: []byte("members")})
	g.Expect(err).NotTo(HaveOccurred())
	file, err := (&snappb.Snapshot{Crc: new(crc32.Checksum(data, castagnoli)), Data: data}).MarshalVT()
	g.Expect(err).NotTo(HaveOccurred())
	f, err := vfs.Create(mem, "/snap/0000000000000001-0000000000000009.snap", 0o600)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = f.Write(file)
	g.Expect(errors.Join(err, f.Close())).To(Succeed())
	_, err = d.Load([]wal.Mark{{}})
	g.Expect(err).To(MatchError(ErrNone))
	g.Expect(names(t, mem)).To(Equal([]string{"0000000000000001-0000000000000009.snap.broken"}))
}

// FuzzFile: no bytes make the decoder panic, and what it reads comes back from a file that it is saved in.
func FuzzFile(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*/*.snap")
	if err != nil || len(files) == 0 {
		f.Fatal(err, files)
	}
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
		f.Add(file[:len(file)-1])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := decode(file)
		if err != nil {
			return
		}
		g := NewWithT(t)
		mem := vfs.NewMem()
		g.Expect(open(t, mem).Save(s)).To(Succeed())
		again, err := ReadFile(mem, filepath.Join("/snap", snapName(s.GetMetadata().GetTerm(), s.GetMetadata().GetIndex())))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(proto.Equal(again, s)).To(BeTrue())
	})
}
