package rpc

import (
	"bytes"
	"context"
	"errors"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/v3electionpb"
)

// What can be wrong with an election.
var (
	errNotLeader        = errors.New("election: not leader")
	errNoLeader         = errors.New("election: no leader")
	errMissingLeaderKey = errors.New(`"leader" field must be provided`)
)

// electionServer serves v3electionpb.Election.
type electionServer struct {
	v3electionpb.UnimplementedElectionServer
	kv *kvServer
}

func placeOf(k *v3electionpb.LeaderKey) place {
	return place{key: string(k.Key), revision: k.Rev, lease: k.Lease}
}

// Campaign waits until the caller leads.
func (s *electionServer) Campaign(ctx context.Context, r *v3electionpb.CampaignRequest) (*v3electionpb.CampaignResponse, error) {
	l := line{s.kv, string(r.Name)}
	var response *v3electionpb.CampaignResponse
	err := l.withLease(ctx, r.Lease, func(lease int64) error {
		p, held, err := l.enter(ctx, lease, r.Value)
		if err != nil {
			return err
		}
		if held != nil && !bytes.Equal(held.Value, r.Value) {
			if _, err := s.proclaim(ctx, p, r.Value); err != nil {
				l.abandon(ctx, p)
				return err
			}
		}
		_, holds, err := l.await(ctx, p)
		switch {
		case err != nil:
			return err
		case !holds:
			return toWire(errNotLeader)
		}
		response = &v3electionpb.CampaignResponse{
			Header: p.header,
			Leader: &v3electionpb.LeaderKey{Name: r.Name, Key: []byte(p.key), Rev: p.revision, Lease: p.lease},
		}
		return nil
	})
	return response, plain(err)
}

// Proclaim changes the value of a leader.
func (s *electionServer) Proclaim(ctx context.Context, r *v3electionpb.ProclaimRequest) (*v3electionpb.ProclaimResponse, error) {
	if r.Leader == nil {
		return nil, toWire(errMissingLeaderKey)
	}
	header, err := s.proclaim(ctx, placeOf(r.Leader), r.Value)
	if err != nil {
		return nil, plain(err)
	}
	return &v3electionpb.ProclaimResponse{Header: header}, nil
}

func (s *electionServer) proclaim(ctx context.Context, p place, value []byte) (*pb.ResponseHeader, error) {
	r, err := s.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{p.created(p.revision)},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(p.key), Value: value, Lease: p.lease}}}},
	})
	switch {
	case err != nil:
		return nil, err
	case !r.Succeeded:
		return nil, toWire(errNotLeader)
	}
	return r.Header, nil
}

// Resign gives leadership up. Who does not lead any more has done so.
func (s *electionServer) Resign(ctx context.Context, r *v3electionpb.ResignRequest) (*v3electionpb.ResignResponse, error) {
	if r.Leader == nil {
		return nil, toWire(errMissingLeaderKey)
	}
	left, err := line{kv: s.kv}.leave(ctx, placeOf(r.Leader))
	if err != nil {
		return nil, plain(err)
	}
	return &v3electionpb.ResignResponse{Header: left.Header}, nil
}

// Leader returns the leader and its value.
func (s *electionServer) Leader(ctx context.Context, r *v3electionpb.LeaderRequest) (*v3electionpb.LeaderResponse, error) {
	kv, header, err := line{s.kv, string(r.Name)}.first(ctx)
	switch {
	case err != nil:
		return nil, plain(err)
	case kv == nil:
		return nil, toWire(errNoLeader)
	}
	return &v3electionpb.LeaderResponse{Header: header, Kv: kv}, nil
}

// Observe sends the leader, and then every change of the leader or of its value. While there is none it says nothing.
func (s *electionServer) Observe(r *v3electionpb.LeaderRequest, stream grpc.ServerStreamingServer[v3electionpb.LeaderResponse]) error {
	l, ctx := line{s.kv, string(r.Name)}, stream.Context()
	var last int64 // modification that was sent
	for {
		kv, header, err := l.first(ctx)
		if err != nil {
			return plain(err)
		}
		from := header.Revision + 1
		if kv == nil {
			err = l.watch(ctx, l.prefix(), l.end(), from, func(e *mvccpb.Event) (bool, error) {
				return e.Type == mvccpb.Event_PUT, nil
			})
		} else {
			if kv.ModRevision > last {
				last = kv.ModRevision
				if err := stream.Send(&v3electionpb.LeaderResponse{Header: header, Kv: kv}); err != nil {
					return err
				}
			}
			err = l.watch(ctx, kv.Key, nil, from, func(e *mvccpb.Event) (bool, error) {
				if e.Type == mvccpb.Event_DELETE {
					return true, nil
				}
				last = e.Kv.ModRevision
				return false, stream.Send(&v3electionpb.LeaderResponse{Header: s.kv.m.Header(e.Kv.ModRevision), Kv: e.Kv})
			})
		}
		if err != nil && !errors.Is(err, errBegunTooLate) {
			return plain(err)
		}
	}
}
