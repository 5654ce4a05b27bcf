package auth

import (
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

// sender is somebody whose request is walked through, part by part.
type sender struct {
	v      *View
	who    Identity
	leases Attached
}

// access returns what the sender may touch; all says everything. Errors: ErrUserEmpty for nobody, ErrAuthOldRevision, and
// ErrPermissionDenied for a user who does not exist.
func (s *sender) access() (g *grants, all bool, err error) {
	switch {
	case s.who.Revision == 0:
		return nil, false, ErrUserEmpty
	case s.who.Revision < s.v.revision:
		return nil, false, ErrAuthOldRevision
	}
	u := s.v.users[s.who.User]
	if u == nil {
		return nil, false, ErrPermissionDenied
	}
	if u.isRoot {
		return nil, true, nil
	}
	return s.v.grantsOf(u), false, nil
}

func (s *sender) read(key, end []byte) error {
	g, all, err := s.access()
	if err == nil && !all && !g.read.holds(key, end) {
		err = ErrPermissionDenied
	}
	return err
}

func (s *sender) write(key, end []byte) error {
	g, all, err := s.access()
	if err == nil && !all && !g.write.holds(key, end) {
		err = ErrPermissionDenied
	}
	return err
}

// lease: to attach a key to a lease, to renew the lease and to end it are changes of the keys on it. Its receiver is a copy, so that only
// requests with a lease need memory for it.
func (s sender) lease(id lease.ID) (err error) {
	s.leases.EveryKey(id, func(key string) bool {
		var g *grants
		var all bool
		if g, all, err = s.access(); err == nil && !all && !holdsKey(g.write, key) {
			err = ErrPermissionDenied
		}
		return err == nil && !all
	})
	return err
}

// put also shows the previous value if it is asked for (CVE-2026-44283).
func (s *sender) put(r *pb.PutRequest) error {
	if err := s.write(r.Key, nil); err != nil {
		return err
	}
	if r.Lease != 0 {
		if err := s.lease(lease.ID(r.Lease)); err != nil {
			return err
		}
	}
	if r.PrevKv {
		return s.read(r.Key, nil)
	}
	return nil
}

func (s *sender) delete(r *pb.DeleteRangeRequest) error {
	if err := s.write(r.Key, r.RangeEnd); err != nil || !r.PrevKv {
		return err
	}
	return s.read(r.Key, r.RangeEnd)
}

// txn walks through comparisons and both branches, at every depth (CVE-2026-33343).
func (s *sender) txn(r *pb.TxnRequest) error {
	for _, c := range r.Compare {
		if err := s.read(c.Key, c.RangeEnd); err != nil {
			return err
		}
	}
	for _, branch := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range branch {
			if err := s.op(op); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sender) op(op *pb.RequestOp) error {
	switch r := op.GetRequest().(type) {
	case *pb.RequestOp_RequestRange:
		if r.RequestRange != nil {
			return s.read(r.RequestRange.Key, r.RequestRange.RangeEnd)
		}
	case *pb.RequestOp_RequestPut:
		if r.RequestPut != nil {
			return s.put(r.RequestPut)
		}
	case *pb.RequestOp_RequestDeleteRange:
		if r.RequestDeleteRange != nil {
			return s.delete(r.RequestDeleteRange)
		}
	case *pb.RequestOp_RequestTxn:
		if r.RequestTxn != nil {
			return s.txn(r.RequestTxn)
		}
	}
	return nil
}
