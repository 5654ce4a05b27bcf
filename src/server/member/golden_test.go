package member_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
)

// The golden data directories were written by etcd 3.7.3 and 3.6.16; facts.json is what etcd's clients and tools read from
// them. The log is stored up to its used length, and gets its zeros back here.

// segmentBytes is the size of a segment of the log as etcd leaves it.
const segmentBytes = 64_000_000

// text is a byte string in the facts: plain, in hex, or the length and head of a long one.
type text struct {
	plain, hex, head string
	length           int
}

func (x *text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &x.plain)
	}
	var o struct {
		Hex  string `json:"hex"`
		Head string `json:"first16_hex"`
		Len  int    `json:"len"`
	}
	err := json.Unmarshal(data, &o)
	x.hex, x.head, x.length = o.Hex, o.Head, o.Len
	return err
}

func (x text) is(b []byte) bool {
	switch {
	case x.length > 0:
		return len(b) == x.length && hex.EncodeToString(b[:16]) == x.head
	case x.hex != "":
		return hex.EncodeToString(b) == x.hex
	}
	return string(b) == x.plain
}

// bytes is a whole byte string; keys are never long.
func (x text) bytes() []byte {
	if x.hex != "" {
		b, err := hex.DecodeString(x.hex)
		if err != nil {
			panic(err)
		}
		return b
	}
	return []byte(x.plain)
}

type factKV struct {
	Key, Value text
	Create     int64 `json:"create_revision"`
	Mod        int64 `json:"mod_revision"`
	Version    int64
	Lease      string
}

func (f factKV) is(kv *mvccpb.KeyValue) bool {
	lease, _ := strconv.ParseUint(f.Lease, 16, 64)
	return f.Key.is(kv.Key) && f.Value.is(kv.Value) && f.Create == kv.CreateRevision && f.Mod == kv.ModRevision &&
		f.Version == kv.Version && lease == uint64(kv.Lease)
}

type hashFact struct {
	At, Hash int64
	Compact  int64 `json:"compact_revision"`
}

type facts struct {
	Name string
	Live struct {
		ClusterID string `json:"cluster_id"`
		Revision  int64
		KVs       []factKV
		Endpoints []struct {
			MemberID string     `json:"member_id"`
			HashKV   hashFact   `json:"hashkv"`
			HashKVAt []hashFact `json:"hashkv_at"`
		}
	}
	Rows []struct {
		KV        factKV
		Main      int64
		Tombstone bool
	} `json:"bolt_key"`
}

// golden unpacks a directory and returns the settings of the member that serves it.
func golden(t *testing.T, name string) (*config.Config, facts) {
	t.Helper()
	w := NewWithT(t)
	var f facts
	w.Expect(json.Unmarshal(gunzip(t, name, "facts.json.gz"), &f)).To(Succeed())
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg := config.Default()
	cfg.Name, cfg.DataDir = f.Name, t.TempDir()
	cfg.ListenPeerURLs, cfg.ListenClientURLs = loopback, loopback
	w.Expect(os.MkdirAll(cfg.SnapDir(), 0o700)).To(Succeed())
	w.Expect(os.MkdirAll(cfg.WALPath(), 0o700)).To(Succeed())
	w.Expect(os.WriteFile(filepath.Join(cfg.SnapDir(), "db"), gunzip(t, name, "db.gz"), 0o600)).To(Succeed())
	segment := filepath.Join(cfg.WALPath(), "0000000000000000-0000000000000000.wal")
	w.Expect(os.WriteFile(segment, gunzip(t, name, "wal.gz"), 0o600)).To(Succeed())
	w.Expect(os.Truncate(segment, segmentBytes)).To(Succeed())
	return cfg, f
}

func gunzip(t *testing.T, directory, name string) []byte {
	t.Helper()
	w := NewWithT(t)
	packed, err := os.ReadFile(filepath.Join("testdata", directory, name))
	w.Expect(err).NotTo(HaveOccurred())
	z, err := gzip.NewReader(bytes.NewReader(packed))
	w.Expect(err).NotTo(HaveOccurred())
	data, err := io.ReadAll(z)
	w.Expect(err).NotTo(HaveOccurred())
	return data
}

// serve starts the whole server and connects a client to it.
func serve(t *testing.T, cfg *config.Config) (*embed.Server, *grpc.ClientConn) {
	t.Helper()
	w := NewWithT(t)
	s, err := embed.Start(cfg, zap.NewNop())
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Stop)
	w.Eventually(s.Serving(), "30s").Should(BeClosed())
	conn, err := grpc.NewClient(s.ClientAddrs()[0].String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return s, conn
}

func TestGoldenDirectoriesAreServed(t *testing.T) {
	for _, name := range []string{"single37", "single36"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, f := golden(t, name)
			for range 2 {
				s, conn := serve(t, cfg)
				f.checkIdentity(t, conn)
				f.checkKeys(t, pb.NewKVClient(conn))
				f.checkHistory(t, pb.NewKVClient(conn))
				f.checkHashes(t, pb.NewMaintenanceClient(conn))
				s.Stop()
			}
			_, conn := serve(t, cfg)
			r, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("new"), Value: []byte("1")})
			w := NewWithT(t)
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(r.Header.Revision).To(Equal(f.Live.Revision + 1))
		})
	}
}

func (f *facts) checkIdentity(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	w := NewWithT(t)
	r, err := pb.NewMaintenanceClient(conn).Status(t.Context(), &pb.StatusRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(strconv.FormatUint(r.Header.ClusterId, 16)).To(Equal(f.Live.ClusterID))
	w.Expect(strconv.FormatUint(r.Header.MemberId, 16)).To(Equal(f.Live.Endpoints[0].MemberID))
	w.Expect(r.Header.Revision).To(Equal(f.Live.Revision))
}

func (f *facts) checkKeys(t *testing.T, kv pb.KVClient) {
	t.Helper()
	w := NewWithT(t)
	r, err := kv.Range(t.Context(), &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Kvs).To(HaveLen(len(f.Live.KVs)))
	w.Expect(r.Count).To(BeEquivalentTo(len(f.Live.KVs)))
	for i, want := range f.Live.KVs {
		w.Expect(want.is(r.Kvs[i])).To(BeTrue(), "key %d: got %v, want %+v", i, r.Kvs[i], want)
	}
}

// checkHistory reads every revision that was not compacted as it was made.
func (f *facts) checkHistory(t *testing.T, kv pb.KVClient) {
	t.Helper()
	w := NewWithT(t)
	compacted := f.Live.Endpoints[0].HashKV.Compact
	seen := 0
	for i, row := range f.Rows {
		if row.Main < compacted || i+1 < len(f.Rows) && f.Rows[i+1].Main == row.Main && bytes.Equal(f.Rows[i+1].KV.Key.bytes(), row.KV.Key.bytes()) {
			continue
		}
		seen++
		r, err := kv.Range(t.Context(), &pb.RangeRequest{Key: row.KV.Key.bytes(), Revision: row.Main})
		w.Expect(err).NotTo(HaveOccurred())
		if row.Tombstone {
			w.Expect(r.Kvs).To(BeEmpty())
			continue
		}
		w.Expect(r.Kvs).To(HaveLen(1))
		w.Expect(row.KV.is(r.Kvs[0])).To(BeTrue(), "revision %d: got %v, want %+v", row.Main, r.Kvs[0], row.KV)
	}
	w.Expect(seen).To(BeNumerically(">", 100))
}

func (f *facts) checkHashes(t *testing.T, m pb.MaintenanceClient) {
	t.Helper()
	w := NewWithT(t)
	now := f.Live.Endpoints[0].HashKV
	for _, want := range append(f.Live.Endpoints[0].HashKVAt, hashFact{0, now.Hash, now.Compact}) {
		if want.At == now.Compact {
			continue // it covers rows that were deleted since; only the process that compacted them knows it
		}
		r, err := m.HashKV(t.Context(), &pb.HashKVRequest{Revision: want.At})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect([]int64{int64(r.Hash), r.CompactRevision}).To(Equal([]int64{want.Hash, want.Compact}), "at %d", want.At)
	}
}

// TestGoldenDirectoryKeepsItsUsers: who could do what in etcd can do it here, and after another start (etcd#14355, etcd#13946).
func TestGoldenDirectoryKeepsItsUsers(t *testing.T) {
	w := NewWithT(t)
	cfg, f := golden(t, "auth37")
	for n := range 2 {
		s, conn := serve(t, cfg)
		kv, a := pb.NewKVClient(conn), pb.NewAuthClient(conn)
		as := func(user string) context.Context {
			r, err := a.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: user, Password: user + "-pw"})
			w.Expect(err).NotTo(HaveOccurred())
			return metadata.AppendToOutgoingContext(t.Context(), rpctypes.TokenFieldNameGRPC, r.Token)
		}
		_, err := kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("k00")})
		w.Expect(err).To(MatchError(rpctypes.ErrGRPCUserEmpty))
		read, err := kv.Range(as("alice"), &pb.RangeRequest{Key: []byte("k00"), RangeEnd: []byte("k10")})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(read.Kvs).To(HaveLen(10))
		_, err = kv.Range(as("alice"), &pb.RangeRequest{Key: []byte("k00"), RangeEnd: []byte("k11")})
		w.Expect(err).To(MatchError(rpctypes.ErrGRPCPermissionDenied))
		_, err = kv.DeleteRange(as("alice"), &pb.DeleteRangeRequest{Key: []byte("k00")})
		w.Expect(err).To(MatchError(rpctypes.ErrGRPCPermissionDenied))
		_, err = kv.DeleteRange(as("bob"), &pb.DeleteRangeRequest{Key: []byte("z"), RangeEnd: []byte{0}})
		w.Expect(err).NotTo(HaveOccurred())
		_, err = a.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "certonly"})
		w.Expect(status.Convert(err).Message()).To(ContainSubstring("password was given for no password user"))
		roles, err := a.RoleGet(as("root"), &pb.AuthRoleGetRequest{Role: "writer"})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(roles.Perm).To(HaveLen(3))
		all, err := kv.Range(as("root"), &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(all.Kvs).To(HaveLen(len(f.Live.KVs)))
		now, err := a.AuthStatus(t.Context(), &pb.AuthStatusRequest{})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect([]any{now.Enabled, now.AuthRevision}).To(Equal([]any{true, uint64(24 + n)}))
		_, err = a.RoleAdd(as("root"), &pb.AuthRoleAddRequest{Name: fmt.Sprint("another", n)})
		w.Expect(err).NotTo(HaveOccurred())
		s.Stop()
	}
}

// TestServedKeysSurviveARestart is the way of an operator: write, stop, start, read.
func TestServedKeysSurviveARestart(t *testing.T) {
	w := NewWithT(t)
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg := config.Default()
	cfg.Name, cfg.DataDir = "m0", t.TempDir()
	cfg.ListenPeerURLs, cfg.ListenClientURLs = loopback, loopback
	cfg.Cluster.InitialCluster = "m0=" + cfg.Cluster.InitialAdvertisePeerURLs[0].String()
	s, conn := serve(t, cfg)
	_, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("a"), Value: []byte("1")})
	w.Expect(err).NotTo(HaveOccurred())
	before, err := pb.NewMaintenanceClient(conn).HashKV(t.Context(), &pb.HashKVRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	s.Stop()

	_, conn = serve(t, cfg)
	r, err := pb.NewKVClient(conn).Range(t.Context(), &pb.RangeRequest{Key: []byte("a")})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Kvs).To(HaveExactElements(HaveField("Value", BeEquivalentTo("1"))))
	after, err := pb.NewMaintenanceClient(conn).HashKV(t.Context(), &pb.HashKVRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect([]int64{int64(after.Hash), after.Header.Revision}).To(Equal([]int64{int64(before.Hash), before.Header.Revision}))
}
