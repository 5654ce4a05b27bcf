package rpc

import (
	"crypto/sha256"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/member"
)

const (
	// snapshotBlobBytes is how much of the database a message carries.
	snapshotBlobBytes = 32 << 10
	// snapshotStall is how long a client may take for a message: it holds space on the disk.
	snapshotStall = 5 * time.Minute
)

// Snapshot sends the database as it is now, and its SHA-256 in a message of its own at the end.
func (s *maintenanceServer) Snapshot(_ *pb.SnapshotRequest, stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
	db, err := s.m.OpenDatabase()
	if errors.Is(err, member.ErrTooManySnapshots) {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if err != nil {
		return toWire(err)
	}
	var messages atomic.Int64
	sent := make(chan error, 1)
	go func() {
		err := sendDatabase(db, stream, &messages)
		sent <- errors.Join(err, db.Close())
	}()
	// A send that waits for its client can be ended only by leaving: that ends the context of the stream.
	ticker := time.NewTicker(s.stall)
	defer ticker.Stop()
	for before := int64(-1); ; {
		select {
		case err := <-sent:
			return toWire(err)
		case <-ticker.C:
			now := messages.Load()
			if now == before {
				return status.Errorf(codes.DeadlineExceeded, "etcdserver: the client has read nothing of the snapshot for %v", s.stall)
			}
			before = now
		}
	}
}

// sendDatabase counts what it sends in messages.
func sendDatabase(db *member.Database, stream grpc.ServerStreamingServer[pb.SnapshotResponse], messages *atomic.Int64) error {
	sum, left := sha256.New(), db.Size()
	blob := make([]byte, snapshotBlobBytes)
	for left > 0 {
		n, err := io.ReadFull(db, blob[:min(snapshotBlobBytes, left)])
		if err != nil {
			return err
		}
		_, _ = sum.Write(blob[:n]) // a hash takes all
		left -= int64(n)
		if err := stream.Send(&pb.SnapshotResponse{RemainingBytes: uint64(left), Blob: blob[:n], Version: db.Version}); err != nil {
			return err
		}
		messages.Add(1)
	}
	return stream.Send(&pb.SnapshotResponse{Blob: sum.Sum(nil), Version: db.Version})
}
