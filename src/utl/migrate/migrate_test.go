package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
	"quoin.dev/storage/wal"
	"quoin.dev/utl/storefile"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func entry(t testing.TB, index uint64, request *pb.InternalRaftRequest) *raftpb.Entry {
	t.Helper()
	data, err := request.MarshalVT()
	must(t, err)
	return &raftpb.Entry{Index: new(index), Term: new(uint64(1)), Type: raftpb.EntryNormal.Enum(), Data: data}
}

// directory is a data directory of a storage version, whose log holds requests.
func directory(t testing.TB, version string, requests ...*pb.InternalRaftRequest) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "member", "snap"), 0o700))
	b, err := backend.Open(backend.Options{Path: storefile.InDataDir(dir)})
	must(t, err)
	schema.PutStorageVersion(b, version)
	b.Put(backend.Alarm, []byte("x"), nil)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	must(t, b.Close())
	w, err := wal.Create(filepath.Join(dir, "member", "wal"), []byte("metadata"), wal.Options{SegmentBytes: 1 << 16})
	must(t, err)
	for i, r := range requests {
		index := uint64(i + 1)
		must(t, w.Append(&raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64(1)), Commit: new(index)}, []*raftpb.Entry{entry(t, index, r)}))
	}
	must(t, w.Close())
	return dir
}

// versionIn reads the version of a directory, and the log lines of the migration.
func versionIn(t testing.TB, dir string) string {
	t.Helper()
	b, err := storefile.Read(storefile.InDataDir(dir), storefile.Options{Logger: zap.NewNop()})
	must(t, err)
	defer b.Close()
	return storefile.Version(b)
}

func test(version string) *pb.InternalRaftRequest {
	return &pb.InternalRaftRequest{DowngradeVersionTest: &pb.DowngradeVersionTestRequest{Ver: version}}
}

// The sentences, and what etcdutl 3.7.3 does in each case, were observed.
func TestMigrate(t *testing.T) {
	version := &pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: "3.7.0"}}
	const newer = "cannot downgrade storage, WAL contains newer entries, as the target version (3.6.0) is lower than the version (3.7.0) detected from WAL logs"
	for _, c := range []struct {
		name, from, target string
		force              bool
		log                []*pb.InternalRaftRequest
		want, err, said    string
	}{
		{name: "down", from: "3.7.0", target: "3.6", want: "3.6.0", said: "updated storage version"},
		{name: "two down", from: "3.7.0", target: "3.5", want: "", said: "updated storage version,updated storage version"},
		{name: "two up", from: "", target: "3.7", want: "3.7.0", said: "updated storage version,updated storage version"},
		{name: "there", from: "", target: "3.5", want: "", said: "storage version up-to-date"},
		{name: "too new", from: "3.7.0", target: "3.8", want: "3.7.0", err: `cannot create migration plan: version "3.8.0" is not supported`},
		{name: "from too new", from: "3.8.0", target: "3.7", want: "3.8.0", err: `cannot create migration plan: version "3.8.0" is not supported`},
		{name: "major", from: "3.7.0", target: "4.0", want: "3.7.0", err: "cannot create migration plan: changing major storage version is not supported"},
		{name: "a version that was agreed on", from: "3.7.0", target: "3.6", log: []*pb.InternalRaftRequest{version}, want: "3.6.0", said: "updated storage version"},
		{name: "newer entries", from: "3.7.0", target: "3.6", log: []*pb.InternalRaftRequest{version, test("3.7.0"), version}, want: "3.7.0", err: newer},
		{name: "newer entries, up", from: "3.6.0", target: "3.7", log: []*pb.InternalRaftRequest{test("3.8.0")}, want: "3.7.0", said: "updated storage version"},
		{name: "old enough entries", from: "3.7.0", target: "3.6", log: []*pb.InternalRaftRequest{test("3.6.0")}, want: "3.6.0", said: "updated storage version"},
		{name: "force", from: "3.7.0", target: "3.6", log: []*pb.InternalRaftRequest{test("3.7.0")}, force: true, want: "3.6.0",
			said: "normal migrate failed, trying with force,forcefully set storage version"},
		{name: "force to 3.5", from: "3.7.0", target: "3.5", log: []*pb.InternalRaftRequest{test("3.7.0")}, force: true, want: "",
			said: "normal migrate failed, trying with force,forcefully cleared storage version"},
		{name: "force that is not needed", from: "3.7.0", target: "3.6", force: true, want: "3.6.0", said: "updated storage version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := directory(t, c.from, c.log...)
			target, err := ParseTarget(c.target)
			must(t, err)
			core, lines := observer.New(zap.InfoLevel)
			err = Run(Options{DataDir: dir, Target: target, Force: c.force, File: storefile.Options{Logger: zap.New(core)}})
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("got error %v", err)
			}
			var said []string
			for _, l := range lines.All() {
				said = append(said, l.Message)
			}
			if strings.Join(said, ",") != c.said {
				t.Errorf("it said %q", said)
			}
			if got := versionIn(t, dir); got != c.want {
				t.Errorf("the version is %q, want %q", got, c.want)
			}
		})
	}
}

// A field that this version does not know may be anything, so nothing older can be trusted with it.
func TestNeeds(t *testing.T) {
	unknown := entry(t, 1, &pb.InternalRaftRequest{Put: &pb.PutRequest{}})
	unknown.Data = protowire.AppendVarint(protowire.AppendTag(unknown.Data, 20000, protowire.VarintType), 1)
	for _, c := range []struct {
		entry *raftpb.Entry
		want  string
	}{
		{entry(t, 1, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte("k")}}), "3.0"},
		{entry(t, 1, &pb.InternalRaftRequest{Put: &pb.PutRequest{IgnoreLease: true}}), "3.2"},
		{entry(t, 1, &pb.InternalRaftRequest{LeaseCheckpoint: &pb.LeaseCheckpointRequest{}}), "3.4"},
		{entry(t, 1, &pb.InternalRaftRequest{DowngradeInfoSet: &membershippb.DowngradeInfoSetRequest{}}), "3.5"},
		{entry(t, 1, &pb.InternalRaftRequest{Alarm: &pb.AlarmRequest{Alarm: pb.AlarmType_CORRUPT}}), "3.3"},
		{entry(t, 1, &pb.InternalRaftRequest{Txn: &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{
			RequestTxn: &pb.TxnRequest{}}}}}}), "3.3"},
		{unknown, "3.8"},
		{&raftpb.Entry{Type: raftpb.EntryNormal.Enum()}, "0.0"},
		{&raftpb.Entry{Type: raftpb.EntryConfChange.Enum(), Data: []byte("x")}, "0.0"},
	} {
		if got, err := Needs(c.entry); err != nil || got.String() != c.want {
			t.Errorf("%v needs %s (%v), want %s", c.entry, got, err, c.want)
		}
	}
	if _, err := Needs(&raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Data: []byte{0xff}}); err == nil {
		t.Error("an entry that does not decode was taken")
	}
}
