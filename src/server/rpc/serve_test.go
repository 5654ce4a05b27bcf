package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/server/config"
	"quoin.dev/server/member"
)

// served is a member alone in its cluster, its services, and a client of them.
type served struct {
	m    *member.Member
	conn *grpc.ClientConn
	kv   pb.KVClient
}

func serve(t *testing.T, adapt func(*config.Config)) *served {
	t.Helper()
	w := NewWithT(t)
	cfg := config.Default()
	cfg.Name, cfg.DataDir = "m0", t.TempDir()
	cfg.Cluster.InitialCluster = "m0=" + cfg.Cluster.InitialAdvertisePeerURLs[0].String()
	if adapt != nil {
		adapt(cfg)
	}
	m, err := member.Start(member.Options{Config: cfg, Logger: zap.NewNop(), Fatal: func(err error) { t.Error(err) }})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(m.Stop)
	w.Eventually(m.Ready(), "20s").Should(BeClosed())
	server := NewServer(m, Options{MaxConcurrentStreams: 100, KeepAliveMinTime: time.Second, KeepAliveInterval: time.Hour, KeepAliveTimeout: time.Minute})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		w.Expect(<-ended).To(Or(Succeed(), MatchError(grpc.ErrServerStopped)), "the test may be over before it begins to serve")
	})
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return &served{m: m, conn: conn, kv: pb.NewKVClient(conn)}
}

func (s *served) put(t *testing.T, key, value string) *pb.PutResponse {
	t.Helper()
	r, err := s.kv.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

// collect reads a stream to its end and returns its messages.
func (s *served) collect(t *testing.T, r *pb.RangeRequest) (chunks []*pb.RangeResponse) {
	t.Helper()
	w := NewWithT(t)
	stream, err := s.kv.RangeStream(t.Context(), r)
	w.Expect(err).NotTo(HaveOccurred())
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return chunks
		}
		w.Expect(err).NotTo(HaveOccurred())
		chunks = append(chunks, chunk.RangeResponse)
	}
}

// TestStreamsHoldWhatRangesDo joins the pieces of streams and compares with the range that answers at once.
func TestStreamsHoldWhatRangesDo(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, func(cfg *config.Config) { cfg.Limits.MaxRequestBytes = 16 << 10 })
	for i := range 200 {
		s.put(t, fmt.Sprintf("k%03d", i), strings.Repeat("v", 20*(i%40)))
	}
	for _, r := range []*pb.RangeRequest{
		{Key: []byte("k")}, {Key: []byte("k007")}, {Key: []byte("k"), RangeEnd: []byte("l")}, {Key: []byte{0}, RangeEnd: []byte{0}},
		{Key: []byte("k010"), RangeEnd: []byte("k020")}, {Key: []byte("k010"), RangeEnd: []byte("k021")}, {Key: []byte("z"), RangeEnd: []byte("a")},
		{Limit: 1}, {Limit: 9}, {Limit: 10}, {Limit: 11}, {Limit: 30}, {Limit: 31}, {Limit: 199}, {Limit: 200}, {Limit: 201}, {Limit: -1},
		{CountOnly: true}, {CountOnly: true, Limit: 5}, {KeysOnly: true}, {KeysOnly: true, Limit: 77}, {Revision: 100}, {Revision: 100, Limit: 50}, {Revision: -1},
		{SortOrder: pb.RangeRequest_ASCEND}, {SortTarget: pb.RangeRequest_VALUE}, {SortTarget: pb.RangeRequest_VALUE, Limit: 20}, {Serializable: true},
	} {
		if r.Key == nil {
			r.Key, r.RangeEnd = []byte("k"), []byte{0}
		}
		whole, err := s.kv.Range(t.Context(), r)
		w.Expect(err).NotTo(HaveOccurred())
		joined := new(pb.RangeResponse)
		chunks := s.collect(t, r)
		for i, chunk := range chunks {
			last := i == len(chunks)-1
			w.Expect(chunk.Header != nil).To(Equal(last), "the header is in the last message, and only there")
			if r.SortTarget == pb.RangeRequest_KEY { // what is sorted is not cut
				w.Expect(proto.Size(chunk)).To(BeNumerically("<", 64<<10))
			}
			joined.Kvs = append(joined.Kvs, chunk.Kvs...)
			joined.Header, joined.More, joined.Count = chunk.Header, chunk.More, chunk.Count
		}
		w.Expect(len(chunks[0].Kvs)).To(Or(BeNumerically("<=", firstChunkKeys), Equal(len(joined.Kvs))))
		w.Expect(proto.Equal(joined, whole)).To(BeTrue(), "%v: %d and %d pairs, more %v and %v, count %d and %d", r,
			len(joined.Kvs), len(whole.Kvs), joined.More, whole.More, joined.Count, whole.Count)
	}
}

// TestStreamsShowOneRevision changes everything behind the first message.
func TestStreamsShowOneRevision(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	for i := range 60 {
		s.put(t, fmt.Sprintf("k%02d", i), "old")
	}
	at := s.put(t, "k60", "old").Header.Revision
	pieces := chunks{s: &kvServer{identity: identity{m: s.m}}, request: &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte{0}}, key: []byte("k"), keys: 10}
	var all []*mvccpb.KeyValue
	for last := false; !last; {
		reply, end, err := pieces.next(t.Context())
		w.Expect(err).NotTo(HaveOccurred())
		chunk, err := reply.decode()
		w.Expect(err).NotTo(HaveOccurred())
		if all, last = append(all, chunk.Kvs...), end; last {
			w.Expect(chunk.Header.Revision).To(Equal(at))
			w.Expect(chunk.Count).To(BeEquivalentTo(61))
		}
		s.put(t, "k55", "new")
		s.put(t, "k99", "new")
	}
	w.Expect(all).To(HaveLen(61))
	w.Expect(all).To(HaveEach(HaveField("Value", BeEquivalentTo("old"))))
}

// TestHeaders holds the four fields of a header to what etcd fills in.
func TestHeaders(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	check := func(h *pb.ResponseHeader, revision int64) {
		t.Helper()
		w.Expect([]uint64{h.ClusterId, h.MemberId, h.RaftTerm}).To(Equal([]uint64{s.m.ClusterID(), s.m.ID(), s.m.Status().Term}))
		w.Expect(h.Revision).To(Equal(revision))
	}
	check(s.put(t, "a", "1").Header, 2)
	ctx := t.Context()
	r, err := s.kv.Range(ctx, &pb.RangeRequest{Key: []byte("a"), Revision: 2})
	w.Expect(err).NotTo(HaveOccurred())
	check(r.Header, 2)
	d, err := s.kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte("a")})
	w.Expect(err).NotTo(HaveOccurred())
	check(d.Header, 3)
	logged, err := s.kv.Txn(ctx, txn(put("a"), op(&pb.RangeRequest{Key: []byte("a")})))
	w.Expect(err).NotTo(HaveOccurred())
	check(logged.Header, 4)
	w.Expect(proto.Equal(logged.Responses[1].GetResponseRange().Header, &pb.ResponseHeader{Revision: 4})).To(BeTrue())
	read, err := s.kv.Txn(ctx, txn(op(&pb.RangeRequest{Key: []byte("a")})))
	w.Expect(err).NotTo(HaveOccurred())
	check(read.Header, 4)
	c, err := s.kv.Compact(ctx, &pb.CompactionRequest{Revision: 4, Physical: true})
	w.Expect(err).NotTo(HaveOccurred())
	check(c.Header, 4)
	_, err = s.kv.Range(ctx, &pb.RangeRequest{Key: []byte("a"), Revision: 3})
	w.Expect(status.Convert(err).Message()).To(Equal(status.Convert(rpctypes.ErrGRPCCompacted).Message()))

	m := pb.NewMaintenanceClient(s.conn)
	st, err := m.Status(ctx, &pb.StatusRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	check(st.Header, 4)
	w.Expect(st.Leader).To(Equal(s.m.ID()))
	w.Expect(st.Errors).To(BeEmpty())
	h, err := m.HashKV(ctx, &pb.HashKVRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	check(h.Header, 4)
	hash, err := m.Hash(ctx, &pb.HashRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	check(hash.Header, 4)
	a, err := m.Alarm(ctx, &pb.AlarmRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	check(a.Header, 4)
	l, err := pb.NewClusterClient(s.conn).MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
	w.Expect(err).NotTo(HaveOccurred())
	check(l.Header, 0) // membership has no revision
	w.Expect(l.Members).To(HaveExactElements(HaveField("Name", "m0")))
}

func TestRefusals(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, func(cfg *config.Config) { cfg.Limits.MaxRequestBytes = 1000 })
	_, err := s.kv.Put(t.Context(), &pb.PutRequest{Key: key, Value: make([]byte, 1000)})
	w.Expect(status.Convert(err).Message()).To(Equal("etcdserver: request is too large"))
	_, err = s.kv.Put(t.Context(), &pb.PutRequest{Key: key, Value: make([]byte, 1000+OverheadBytes)})
	w.Expect(status.Code(err)).To(Equal(codes.ResourceExhausted), "by gRPC, before it is read")
	_, err = s.kv.Put(t.Context(), &pb.PutRequest{})
	w.Expect(status.Code(err)).To(Equal(codes.InvalidArgument))
	_, err = s.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{})
	w.Expect(status.Code(err)).To(Equal(codes.InvalidArgument))
	_, err = s.kv.Range(t.Context(), &pb.RangeRequest{Key: key, Revision: 9})
	w.Expect(status.Code(err)).To(Equal(codes.OutOfRange))
	_, err = s.kv.Compact(t.Context(), &pb.CompactionRequest{Revision: 9})
	w.Expect(status.Code(err)).To(Equal(codes.OutOfRange))
	_, err = pb.NewMaintenanceClient(s.conn).HashKV(t.Context(), &pb.HashKVRequest{Revision: 9})
	w.Expect(status.Code(err)).To(Equal(codes.OutOfRange))

	// In this process there is no wire between that would end a call by itself.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = (&kvServer{identity: identity{m: s.m}}).Range(ctx, &pb.RangeRequest{Key: key})
	w.Expect(status.Code(err)).To(BeElementOf(codes.Canceled, codes.OK))
	s.m.Stop()
	_, err = (&kvServer{identity: identity{m: s.m}}).Range(t.Context(), &pb.RangeRequest{Key: key})
	w.Expect(status.Convert(err).Message()).To(Equal("etcdserver: server stopped"))
	_, err = (&kvServer{identity: identity{m: s.m}}).Range(t.Context(), &pb.RangeRequest{Key: key, Serializable: true})
	w.Expect(status.Convert(err).Message()).To(Equal("etcdserver: server stopped"))
	_, err = (&kvServer{identity: identity{m: s.m}}).Put(t.Context(), &pb.PutRequest{Key: key})
	w.Expect(status.Convert(err).Message()).To(Equal("etcdserver: server stopped"))
}
