package rpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// snapshot reads a database through its stream, checks the form of the messages, and returns it without its checksum.
func (s *served) snapshot(t *testing.T) []byte {
	t.Helper()
	w := NewWithT(t)
	stream, err := pb.NewMaintenanceClient(s.conn).Snapshot(t.Context(), &pb.SnapshotRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	var messages []*pb.SnapshotResponse
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		w.Expect(err).NotTo(HaveOccurred())
		messages = append(messages, m)
	}
	last := messages[len(messages)-1]
	var db bytes.Buffer
	for _, m := range messages[:len(messages)-1] {
		_, _ = db.Write(m.Blob)
	}
	left := db.Len()
	for i, m := range messages {
		w.Expect(m.Header).To(BeNil())
		w.Expect(m.Version).To(Equal("3.7.0"))
		if i < len(messages)-1 {
			w.Expect(m.Blob).To(HaveLen(min(32<<10, left)))
			left -= len(m.Blob)
		}
		w.Expect(m.RemainingBytes).To(BeEquivalentTo(left))
	}
	sum := sha256.Sum256(db.Bytes())
	w.Expect(last.Blob).To(Equal(sum[:]))
	w.Expect(db.Len() % 512).To(BeZero())
	return db.Bytes()
}

// TestSnapshotHoldsEverythingApplied: what was acknowledged before the call is in it, though it was not in the file then.
func TestSnapshotHoldsEverythingApplied(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	w.Eventually(func() string { return s.m.Status().StorageVersion }, "20s").Should(Equal("3.7.0"))
	for i := range 300 {
		s.put(t, fmt.Sprint("k", i), strings.Repeat("v", 1000))
	}
	hash, err := pb.NewMaintenanceClient(s.conn).Hash(t.Context(), &pb.HashRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(t.TempDir(), "db")
	w.Expect(os.WriteFile(path, s.snapshot(t), 0o600)).To(Succeed())
	b, err := backend.Open(backend.Options{Path: path, ReadOnly: true})
	w.Expect(err).NotTo(HaveOccurred())
	index, _ := b.Applied()
	w.Expect(index).To(Equal(s.m.Status().Applied))
	w.Expect(b.Hash(schema.IgnoredByHash)).To(Equal(hash.Hash))
	w.Expect(b.Close()).To(Succeed())
}

// TestSnapshotIsEndedWhenNobodyReads: a client that has stopped to read would hold its copy for good.
func TestSnapshotIsEndedWhenNobodyReads(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	for i := range 40 {
		s.put(t, fmt.Sprint("k", i), strings.Repeat("v", 200<<10))
	}
	server := &maintenanceServer{identity: identity{m: s.m}, stall: 50 * time.Millisecond}
	stuck := &stuckStream{ctx: t.Context(), sent: make(chan struct{}, 1), leave: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- server.Snapshot(nil, stuck) }()
	w.Eventually(stuck.sent, "20s").Should(Receive())
	var err error
	w.Eventually(ended, "20s").Should(Receive(&err))
	w.Expect(status.Code(err)).To(Equal(codes.DeadlineExceeded))
	close(stuck.leave) // as gRPC does when the handler has returned
	w.Eventually(func() error {
		var open []io.Closer
		defer func() {
			for _, db := range open {
				w.Expect(db.Close()).To(Succeed())
			}
		}()
		for range 16 {
			db, err := s.m.OpenDatabase()
			if err != nil {
				return err
			}
			open = append(open, db)
		}
		_, err := s.m.OpenDatabase()
		w.Expect(err).To(MatchError(ContainSubstring("too many snapshots")))
		return nil
	}, "20s").Should(Succeed(), "the stream that was ended gave its place back")
}

// stuckStream is a client that takes no message.
type stuckStream struct {
	grpc.ServerStreamingServer[pb.SnapshotResponse]
	ctx         context.Context
	sent, leave chan struct{}
}

func (s *stuckStream) Context() context.Context { return s.ctx }

func (s *stuckStream) Send(*pb.SnapshotResponse) error {
	select {
	case s.sent <- struct{}{}:
	default:
	}
	<-s.leave
	return io.ErrClosedPipe
}
