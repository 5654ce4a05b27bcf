package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
	"quoin.dev/server/member"
)

// keepAlivesAtOnce bounds how many renewals of one stream are under way; they share a question to the leader.
const keepAlivesAtOnce = 128

// leaseServer serves etcdserverpb.Lease.
type leaseServer struct {
	pb.UnimplementedLeaseServer
	m *member.Member
}

// LeaseGrant makes a lease.
func (s *leaseServer) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	response, err := s.m.LeaseGrant(ctx, r)
	if err != nil {
		return nil, toWire(err)
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

// LeaseRevoke ends a lease.
func (s *leaseServer) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	response, err := s.m.LeaseRevoke(ctx, r)
	if err != nil {
		return nil, toWire(err)
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

// LeaseTimeToLive tells what is left of a lease; -1 for one that is not there.
func (s *leaseServer) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	response, err := s.m.LeaseTimeToLive(ctx, r)
	switch {
	case errors.Is(err, lease.ErrNotFound):
		response = &pb.LeaseTimeToLiveResponse{ID: r.ID, TTL: -1}
	case err != nil:
		return nil, toWire(err)
	}
	response.Header, err = s.header()
	return response, err
}

// LeaseLeases lists the leases that this member knows.
func (s *leaseServer) LeaseLeases(context.Context, *pb.LeaseLeasesRequest) (*pb.LeaseLeasesResponse, error) {
	leases, revision, err := s.m.Leases()
	if err != nil {
		return nil, toWire(err)
	}
	response := &pb.LeaseLeasesResponse{Header: s.m.Header(revision)}
	for _, l := range leases {
		response.Leases = append(response.Leases, &pb.LeaseStatus{ID: int64(l.ID)})
	}
	return response, nil
}

func (s *leaseServer) header() (*pb.ResponseHeader, error) {
	now, err := s.m.Revision()
	return s.m.Header(now), toWire(err)
}

// LeaseKeepAlive renews leases as the client asks, and answers in that order. Many requests of a stream are under way at once,
// since each of them may have to wait for the leader.
func (s *leaseServer) LeaseKeepAlive(client grpc.BidiStreamingServer[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]) error {
	ctx, cancel := context.WithCancel(client.Context())
	defer cancel()
	type renewal struct {
		id   int64
		ttl  int64
		err  error
		done chan struct{}
	}
	pending := make(chan *renewal, keepAlivesAtOnce)
	go func() {
		for {
			r, err := client.Recv()
			k := &renewal{id: r.GetID(), err: err, done: make(chan struct{})}
			if err != nil {
				close(k.done)
			}
			select {
			case pending <- k:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			go func() {
				defer close(k.done)
				k.ttl, k.err = s.m.LeaseRenew(ctx, lease.ID(k.id))
			}()
		}
	}()
	for {
		var k *renewal
		select {
		case k = <-pending:
		case <-ctx.Done():
			return toWire(context.Cause(ctx))
		}
		<-k.done
		switch {
		case errors.Is(k.err, io.EOF):
			return nil
		case errors.Is(k.err, lease.ErrNotFound):
			k.ttl = 0
		case k.err != nil:
			return toWire(k.err)
		}
		header, err := s.header()
		if err != nil {
			return err
		}
		if err := client.Send(&pb.LeaseKeepAliveResponse{Header: header, ID: k.id, TTL: k.ttl}); err != nil {
			return err
		}
	}
}
