package client

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
)

// Snapshot reads the database of a member. It must be closed.
type Snapshot = io.ReadCloser

// SnapshotResponse is the result of Maintenance.SnapshotWithVersion.
type SnapshotResponse struct {
	// Header is that of the first message; etcd sends none.
	Header *pb.ResponseHeader
	// Snapshot is the database, followed by its SHA-256. It must be closed.
	Snapshot io.ReadCloser
	// Version is that of the format of the database, as "3.6.0"; empty from members older than 3.6.
	Version string
}

func (m *maintenance) Snapshot(ctx context.Context) (Snapshot, error) {
	resp, err := m.SnapshotWithVersion(ctx)
	if err != nil {
		return nil, err
	}
	return resp.Snapshot, nil
}

func (m *maintenance) SnapshotWithVersion(ctx context.Context) (*SnapshotResponse, error) {
	remote, _, err := m.at("")
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	tries := m.c.tries(inner, pb.Maintenance_Snapshot_FullMethodName)
	var first *pb.SnapshotResponse
	stream, err := remote.Snapshot(inner, &pb.SnapshotRequest{})
	for {
		if err == nil {
			first, err = stream.Recv()
		}
		if err == nil || errors.Is(err, io.EOF) || !tries.again(err, true) {
			break
		}
		stream, err = remote.Snapshot(inner, &pb.SnapshotRequest{})
	}
	if err != nil {
		cancel()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, ContextError(ctx, err)
	}
	return &SnapshotResponse{
		Header:   first.Header,
		Version:  first.Version,
		Snapshot: &snapshotReader{ctx: ctx, cancel: cancel, stream: stream, blob: first.Blob},
	}, nil
}

// snapshotReader hands on one message at a time, so that a snapshot of any size passes in bounded memory.
type snapshotReader struct {
	ctx    context.Context
	cancel context.CancelFunc
	stream grpc.ServerStreamingClient[pb.SnapshotResponse]
	blob   []byte
}

func (r *snapshotReader) Read(p []byte) (int, error) {
	for len(r.blob) == 0 {
		m, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, ContextError(r.ctx, err)
		}
		r.blob = m.Blob
	}
	n := copy(p, r.blob)
	r.blob = r.blob[n:]
	return n, nil
}

func (r *snapshotReader) Close() error {
	r.cancel()
	return nil
}
