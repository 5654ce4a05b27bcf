package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
)

// Snapshot reads the database of a member, followed by its SHA-256, which is verified: instead of io.EOF the last Read
// returns ErrSnapshotDamaged when something on the way has changed or lost a part. It must be closed.
type Snapshot = io.ReadCloser

// ErrSnapshotDamaged is returned at the end of a snapshot that does not have the checksum that it ends with, or was cut.
var ErrSnapshotDamaged = errors.New("etcdclient: the snapshot does not match its SHA-256: it is damaged or not whole, take another one")

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
	r := &snapshotReader{ctx: ctx, cancel: cancel, stream: stream, sum: sha256.New()}
	r.take(first.Blob)
	return &SnapshotResponse{Header: first.Header, Version: first.Version, Snapshot: r}, nil
}

// snapshotReader hands on one message at a time, so that a snapshot of any size passes in bounded memory.
type snapshotReader struct {
	ctx    context.Context
	cancel context.CancelFunc
	stream grpc.ServerStreamingClient[pb.SnapshotResponse]
	blob   []byte // not read yet

	sum  hash.Hash // of everything but last
	last []byte    // the last bytes that have arrived, which may be the checksum
}

// take hands a message on and into the checksum.
func (r *snapshotReader) take(blob []byte) {
	r.blob = blob
	r.last = append(r.last, blob...)
	if n := len(r.last) - sha256.Size; n > 0 {
		_, _ = r.sum.Write(r.last[:n]) // a hash takes all
		r.last = append(r.last[:0], r.last[n:]...)
	}
}

func (r *snapshotReader) Read(p []byte) (int, error) {
	for len(r.blob) == 0 {
		m, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, r.verify()
		}
		if err != nil {
			return 0, ContextError(r.ctx, err)
		}
		r.take(m.Blob)
	}
	n := copy(p, r.blob)
	r.blob = r.blob[n:]
	return n, nil
}

// verify is what a reader gets at the end.
func (r *snapshotReader) verify() error {
	if !bytes.Equal(r.last, r.sum.Sum(nil)) {
		return ErrSnapshotDamaged
	}
	return io.EOF
}

func (r *snapshotReader) Close() error {
	r.cancel()
	return nil
}
