package restore_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"

	"quoin.dev/pkg/vfs"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
	"quoin.dev/utl/inspect"
	"quoin.dev/utl/restore"
	"quoin.dev/utl/storefile"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden is a snapshot that etcd 3.7.3 made, at revision 304.
func golden(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("testdata/single37-snapshot.db.gz")
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	data, err := io.ReadAll(z)
	must(t, err)
	return data
}

// options are those of a restore of data in a folder of its own, with what the flags say by default.
func options(t testing.TB, data []byte) restore.Options {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "s.db"), data, 0o600))
	return restore.Options{
		Snapshot: filepath.Join(dir, "s.db"), DataDir: filepath.Join(dir, "data"), Name: "default", Token: "etcd-cluster",
		PeerURLs: []string{"http://localhost:2380"}, InitialCluster: "default=http://localhost:2380",
		Logger: zap.NewNop(), Progress: func(string, int64) func(int64) { return func(int64) {} },
	}
}

// two are the options of the first of two members, as they were when etcdutl was captured.
func two(o *restore.Options) {
	o.Name, o.Token, o.PeerURLs = "m1", "tt", []string{"http://127.0.0.1:7001"}
	o.InitialCluster = "m1=http://127.0.0.1:7001,m2=http://127.0.0.1:7002"
}

func bump(o *restore.Options) { o.BumpRevision, o.MarkCompacted = 1000, true }

// captured is what etcdutl 3.7.3 made of the same snapshot.
type captured struct {
	Records []struct {
		CRC    uint32
		Offset int64
		Type   string
	}
	Members  []struct{ Key, Value string }
	Meta     map[string]string
	Root     any
	SnapFile string
	LastRow  [2]int64
}

// TestResultIsThatOfEtcdutl compares the log by its running checksums, so to the byte. Other is only the row
// meta/confState: etcdutl leaves the one of the cluster that was saved.
func TestResultIsThatOfEtcdutl(t *testing.T) {
	raw, err := os.ReadFile("testdata/etcdutl_restore.json")
	must(t, err)
	var want map[string]captured
	must(t, json.Unmarshal(raw, &want))
	for name, change := range map[string]func(*restore.Options){"r0": func(*restore.Options) {}, "rm1": two, "rm4": bump} {
		t.Run(name, func(t *testing.T) {
			o := options(t, golden(t))
			change(&o)
			must(t, restore.Run(t.Context(), o))
			w := want[name]
			compareLog(t, filepath.Join(o.DataDir, "member", "wal"), w)
			compareDB(t, filepath.Join(o.DataDir, "member", "snap", "db"), w)
			compareSnap(t, filepath.Join(o.DataDir, "member", "snap", w.SnapFile), w)
		})
	}
}

func compareLog(t *testing.T, dir string, w captured) {
	t.Helper()
	i := 0
	_, err := wal.Records(dir, wal.Options{}, func(r wal.Record) error {
		if i < len(w.Records) { // the capture has the first six
			if want := w.Records[i]; r.CRC != want.CRC || r.Offset != want.Offset || inspect.Kind(r) != want.Type {
				t.Errorf("record %d is %s at %d with checksum %d, want %+v", i, inspect.Kind(r), r.Offset, r.CRC, want)
			}
		}
		i++
		return nil
	})
	must(t, err)
	if i < len(w.Records) {
		t.Errorf("%d records, want %d", i, len(w.Records))
	}
}

func compareDB(t *testing.T, file string, w captured) {
	t.Helper()
	b, err := backend.Open(backend.Options{Path: file, ReadOnly: true})
	must(t, err)
	defer b.Close()
	meta, members := map[string]string{}, map[string]string{}
	var last backend.Revision
	must(t, b.Walk(func(bucket, key, value []byte) error {
		switch {
		case key == nil:
		case string(bucket) == "meta":
			meta[string(key)] = hex.EncodeToString(value)
		case string(bucket) == "members":
			members[string(key)] = string(value)
		case string(bucket) == "key":
			last, _, err = backend.ParseRevisionKey(key)
		}
		return err
	}))
	if meta["confState"] == w.Meta["confState"] {
		t.Error("confState is that of the old cluster")
	}
	delete(meta, "confState")
	delete(w.Meta, "confState")
	if !reflect.DeepEqual(meta, w.Meta) {
		t.Errorf("meta is %v, want %v", meta, w.Meta)
	}
	for _, m := range w.Members {
		if members[m.Key] != m.Value {
			t.Errorf("member %s is %s, want %s", m.Key, members[m.Key], m.Value)
		}
		delete(members, m.Key)
	}
	if len(members) > 0 || last.Main != w.LastRow[0] || int64(last.Sub) != w.LastRow[1] {
		t.Errorf("other members %v, last revision %v, want %v", members, last, w.LastRow)
	}
}

func compareSnap(t *testing.T, file string, w captured) {
	t.Helper()
	s, err := snap.ReadFile(vfs.OS(), file)
	must(t, err)
	var got struct{ Root any }
	must(t, json.Unmarshal(s.GetData(), &got))
	if !reflect.DeepEqual(got.Root, w.Root) {
		t.Errorf("image %v, want %v", got.Root, w.Root)
	}
}

// After a bump, no revision that somebody may have seen can be read or comes again (etcd#16028, etcd#16029).
func TestBumpHidesWhatWasSeen(t *testing.T) {
	o := options(t, golden(t))
	bump(&o)
	must(t, restore.Run(t.Context(), o))
	s, err := storefile.CheckFile(storefile.InDataDir(o.DataDir), storefile.Options{Logger: zap.NewNop()}, func(int64) {})
	must(t, err)
	if s.Revision != 1304 || s.CompactRevision != 1304 || s.Keys != 195 {
		t.Errorf("got %+v", s)
	}
}

func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(*restore.Options){
		"--mark-compacted required if --revision-bump > 0":       func(o *restore.Options) { o.BumpRevision = 1 },
		"beyond the largest one":                                 func(o *restore.Options) { bump(o); o.BumpRevision = math.MaxInt64 - 303 },
		"couldn't find local name \"zz\"":                        func(o *restore.Options) { o.Name = "zz" },
		"URL scheme must be http, https, unix, or unixs: foo":    func(o *restore.Options) { o.PeerURLs = []string{"foo"} },
		"but missing from --initial-advertise-peer-urls=http://": func(o *restore.Options) { o.PeerURLs = []string{"http://localhost:1"} },
		"--initial-advertise-peer-urls has http://localhost:1 but missing": func(o *restore.Options) {
			o.PeerURLs = append(o.PeerURLs, "http://localhost:1")
		},
		"has duplicate url":               func(o *restore.Options) { o.InitialCluster += ",b=http://localhost:2380" },
		"not empty or could not be":       func(o *restore.Options) { o.DataDir = filepath.Dir(o.DataDir) },
		"wal-dir \"" + os.TempDir():       func(o *restore.Options) { o.WALDir = os.TempDir() },
		"nofile: no such file":            func(o *restore.Options) { o.Snapshot = "nofile" },
		"not a directory":                 func(o *restore.Options) { o.DataDir = filepath.Join(o.Snapshot, "below") },
		"data-dir \"" + os.DevNull + "\"": func(o *restore.Options) { o.DataDir = os.DevNull },
	} {
		o := options(t, golden(t))
		change(&o)
		before := names(t, filepath.Dir(o.Snapshot))
		if err := restore.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			if want != "not a directory" || err == nil { // data-dir could not be read
				t.Errorf("got %v, want %q", err, want)
			}
		}
		if o.Snapshot != "nofile" && !reflect.DeepEqual(names(t, filepath.Dir(o.Snapshot)), before) {
			t.Errorf("%s: it left %v", want, names(t, filepath.Dir(o.Snapshot)))
		}
	}
}

// names lists everything below a folder.
func names(t testing.TB, dir string) (out []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		out = append(out, path)
		return err
	}))
	return out
}

// A snapshot that was damaged or cut short anywhere is refused, and leaves nothing. Without the checksum only what a
// member could not live with is noticed: then what is restored must be whole.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	whole := golden(t)
	for range 150 {
		data, what := damage(r, bytes.Clone(whole))
		o := options(t, data)
		o.SkipHashCheck = r.IntN(2) == 0
		err := restore.Run(t.Context(), o)
		if err == nil && !o.SkipHashCheck {
			t.Fatalf("%s was taken", what)
		}
		if err == nil {
			_, err := storefile.CheckFile(storefile.InDataDir(o.DataDir), storefile.Options{Logger: zap.NewNop()}, func(int64) {})
			must(t, err)
			continue
		}
		if got := names(t, filepath.Dir(o.Snapshot)); len(got) != 2 || err.Error() == "" {
			t.Fatalf("%s: after %v there is %v", what, err, got)
		}
	}
}

func damage(r *rand.Rand, data []byte) ([]byte, string) {
	const page = 4096
	switch r.IntN(4) {
	case 0:
		i := r.IntN(len(data))
		data[i] ^= byte(1 + r.IntN(255))
		return data, "a changed byte"
	case 1:
		return data[:r.IntN(len(data))], "a snapshot that was cut off"
	case 2: // pages that never reached the disk
		at := page * r.IntN(len(data)/page)
		if bytes.Count(data[at:at+page], []byte{0}) == page {
			data[at] = 1
		}
		clear(data[at+1 : at+page])
		data[at+2] ^= 0xff
		return data, "a lost page"
	default:
		return append(data, make([]byte, 512*(1+r.IntN(3)))...), "a longer snapshot"
	}
}

// An interrupt during the copy leaves nothing, in a folder that was there before too.
func TestInterrupt(t *testing.T) {
	o := options(t, golden(t))
	must(t, os.Mkdir(o.DataDir, 0o700))
	o.WALDir = filepath.Join(filepath.Dir(o.DataDir), "log")
	before := names(t, filepath.Dir(o.DataDir))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(string, int64) func(int64) { return func(int64) { cancel() } }
	if err := restore.Run(ctx, o); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("got %v", err)
	}
	if after := names(t, filepath.Dir(o.DataDir)); !reflect.DeepEqual(before, after) {
		t.Errorf("it left %v", after)
	}
}

// What a restore that was killed has left is no reason to take the place for empty.
func TestLeftover(t *testing.T) {
	o := options(t, golden(t))
	must(t, os.MkdirAll(filepath.Join(o.DataDir, "member.restoring", "snap"), 0o700))
	if err := restore.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("got %v", err)
	}
}

func TestLogElsewhere(t *testing.T) {
	o := options(t, golden(t))
	o.WALDir = filepath.Join(filepath.Dir(o.DataDir), "disk", "log")
	must(t, restore.Run(t.Context(), o))
	marks, err := wal.Marks(o.WALDir, wal.Options{})
	if must(t, err); len(marks) != 2 || marks[1].Index != 1 {
		t.Errorf("got %+v", marks)
	}
	if _, err := os.Stat(filepath.Join(o.DataDir, "member", "wal")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a log in the data directory: %v", err)
	}
}
