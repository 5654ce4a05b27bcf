package apply

import (
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

func (s *State) leaseGrant(r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	granted, err := s.Leases.Grant(lease.ID(r.ID), r.TTL)
	if err != nil {
		return nil, err
	}
	return &pb.LeaseGrantResponse{
		Header: &pb.ResponseHeader{Revision: s.KV.Revision()},
		ID:     int64(granted.ID),
		TTL:    granted.TTL,
	}, nil
}

// leaseRevoke ends a lease and deletes its keys, in byte order and all at one revision.
func (s *State) leaseRevoke(r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	keys, err := s.Leases.Revoke(lease.ID(r.ID))
	if err != nil {
		return nil, err
	}
	txn := s.KV.Begin()
	defer s.end(txn)
	for _, key := range keys {
		txn.DeleteRange(key, nil)
	}
	return &pb.LeaseRevokeResponse{Header: &pb.ResponseHeader{Revision: txn.Revision()}}, nil
}
