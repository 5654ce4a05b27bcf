package rpc

import (
	"context"
	"errors"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
)

// errSessionExpired: the lease ended while its holder waited for the lock.
var errSessionExpired = errors.New("mutex: session is expired")

// lockServer serves v3lockpb.Lock.
type lockServer struct {
	v3lockpb.UnimplementedLockServer
	kv *kvServer
}

// Lock waits until the caller has the lock. The create revision of the key that it returns is a fencing token: it is larger
// for each holder than for all before.
func (s *lockServer) Lock(ctx context.Context, r *v3lockpb.LockRequest) (*v3lockpb.LockResponse, error) {
	l := line{s.kv, string(r.Name)}
	var response *v3lockpb.LockResponse
	err := l.withLease(ctx, r.Lease, func(lease int64) error {
		p, _, err := l.enter(ctx, lease, nil)
		if err != nil {
			return err
		}
		header, holds, err := l.await(ctx, p)
		switch {
		case err != nil:
			return err
		case !holds:
			return toWire(errSessionExpired)
		}
		response = &v3lockpb.LockResponse{Header: header, Key: []byte(p.key)}
		return nil
	})
	return response, plain(err)
}

// Unlock gives a lock up.
func (s *lockServer) Unlock(ctx context.Context, r *v3lockpb.UnlockRequest) (*v3lockpb.UnlockResponse, error) {
	deleted, err := s.kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: r.Key})
	if err != nil {
		return nil, plain(err)
	}
	return &v3lockpb.UnlockResponse{Header: deleted.Header}, nil
}
