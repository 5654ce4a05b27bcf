package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

// keepAlivesAtOnce bounds how many renewals of one stream are under way; they share a question to the leader.
const keepAlivesAtOnce = 128

// leaseServer serves etcdserverpb.Lease.
type leaseServer struct {
	pb.UnimplementedLeaseServer
	identity
}

// LeaseGrant makes a lease.
func (s *leaseServer) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	who, err := s.of(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	response, err := s.m.LeaseGrant(ctx, who, r)
	if err != nil {
		return nil, toWire(err)
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

// LeaseRevoke ends a lease.
func (s *leaseServer) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	who, err := s.of(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	response, err := s.m.LeaseRevoke(ctx, who, r)
	if err != nil {
		return nil, toWire(err)
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

// LeaseTimeToLive tells what is left of a lease; -1 for one that is not there. Its keys are shown to those who may read all of them
// (CVE-2023-32082).
func (s *leaseServer) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	response, err := s.m.LeaseTimeToLive(ctx, r)
	switch {
	case errors.Is(err, lease.ErrNotFound):
		response = &pb.LeaseTimeToLiveResponse{ID: r.ID, TTL: -1}
	case err != nil:
		return nil, toWire(err)
	}
	if err := s.mayRead(ctx, response.Keys); err != nil {
		return nil, toWire(err)
	}
	response.Header, err = s.header()
	return response, err
}

// mayRead decides whether a client may see keys that it has not named.
func (s *leaseServer) mayRead(ctx context.Context, keys [][]byte) error {
	who, err := s.of(ctx)
	if err == nil {
		err = s.m.Auth().ReadKeys(who, keys)
	}
	return err
}

// LeaseLeases lists the leases that this member knows, to those who may read the keys of all of them.
func (s *leaseServer) LeaseLeases(ctx context.Context, _ *pb.LeaseLeasesRequest) (*pb.LeaseLeasesResponse, error) {
	leases, revision, err := s.m.Leases()
	if err != nil {
		return nil, toWire(err)
	}
	who, err := s.of(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	response := &pb.LeaseLeasesResponse{Header: s.m.Header(revision)}
	for _, l := range leases {
		if err := s.m.Auth().ReadLease(who, l.ID, s.m.Attached()); err != nil {
			return nil, toWire(err)
		}
		response.Leases = append(response.Leases, &pb.LeaseStatus{ID: int64(l.ID)})
	}
	return response, nil
}

func (s *leaseServer) header() (*pb.ResponseHeader, error) {
	now, err := s.m.Revision()
	return s.m.Header(now), toWire(err)
}

// LeaseKeepAlive renews leases as the client asks, and answers in that order. What has arrived is renewed together, since it
// may have to wait for the leader.
func (s *leaseServer) LeaseKeepAlive(client grpc.BidiStreamingServer[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]) error {
	ctx, cancel := context.WithCancel(client.Context())
	defer cancel()
	asked := make(chan lease.ID, keepAlivesAtOnce)
	var ended error // why asked is closed
	go func() {
		defer close(asked)
		for {
			r, err := client.Recv()
			if err != nil {
				ended = err
				return
			}
			select {
			case asked <- lease.ID(r.ID):
			case <-ctx.Done():
				ended = context.Cause(ctx)
				return
			}
		}
	}()
	var ids []lease.ID
	for id := range asked {
		ids = append(ids[:0], id)
		for range len(asked) {
			ids = append(ids, <-asked)
		}
		if err := s.renew(ctx, client, ids); err != nil {
			return err
		}
	}
	if errors.Is(ended, io.EOF) {
		return nil
	}
	return toWire(ended)
}

// renew renews leases and answers for each of them. A client that may not write a key of one of them renews none.
func (s *leaseServer) renew(ctx context.Context, client grpc.BidiStreamingServer[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse], ids []lease.ID) error {
	who, err := s.of(ctx)
	if err != nil {
		return toWire(err)
	}
	if err := s.m.Auth().Anyone(who); err != nil {
		return toWire(err)
	}
	for _, id := range ids {
		if err := s.m.Auth().WriteLease(who, id, s.m.Attached()); err != nil {
			return toWire(err)
		}
	}
	for i, r := range s.m.LeasesRenew(ctx, ids) {
		switch {
		case errors.Is(r.Err, lease.ErrNotFound):
			r.TTL = 0
		case r.Err != nil:
			return toWire(r.Err)
		}
		header, err := s.header()
		if err != nil {
			return err
		}
		if err := client.Send(&pb.LeaseKeepAliveResponse{Header: header, ID: int64(ids[i]), TTL: r.TTL}); err != nil {
			return err
		}
	}
	return nil
}
