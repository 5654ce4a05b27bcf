package model

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// permit decides whether a user may make a request: nil, or the error that is due.
//
// Renewals of leases, and questions about them, are decided by what the asked member happens to know, so they are not held against
// anything here.
func (s *State) permit(user string, m proto.Message) error {
	if !s.auth.enabled {
		return nil
	}
	switch r := m.(type) {
	case *pb.RangeRequest, *pb.PutRequest, *pb.DeleteRangeRequest, *pb.TxnRequest:
		return s.permitKeys(user, m)
	case *pb.LeaseRevokeRequest:
		if user == "" {
			return rpctypes.ErrGRPCUserEmpty
		}
		return s.permitLease(user, r.ID)
	case *pb.LeaseGrantRequest:
		if user == "" {
			return rpctypes.ErrGRPCUserEmpty
		}
		return nil
	case *pb.LeaseKeepAliveRequest, *pb.LeaseTimeToLiveRequest, *pb.AuthStatusRequest, *pb.AuthenticateRequest:
		return nil
	case *pb.AuthUserGetRequest:
		if user != "" && r.Name == user {
			return nil
		}
	case *pb.AuthRoleGetRequest:
		if u := s.auth.users[user]; u != nil && slices.Contains(u.roles, r.Role) {
			return nil
		}
	}
	return s.auth.permitRoot(user)
}

func (a *auth) permitRoot(user string) error {
	u := a.users[user]
	switch {
	case user == "":
		return rpctypes.ErrGRPCUserEmpty
	case u == nil:
		return rpctypes.ErrGRPCUserNotFound
	case !u.isRoot():
		return rpctypes.ErrGRPCPermissionDenied
	}
	return nil
}

// permitKeys walks through a request: what is read needs the right to read, what is changed the right to write. All of a transaction
// counts, what would not be run as well.
func (s *State) permitKeys(user string, m proto.Message) error {
	switch r := m.(type) {
	case *pb.RangeRequest:
		return s.auth.permitRange(user, authpb.Permission_READ, r.Key, r.RangeEnd)
	case *pb.PutRequest:
		err := s.auth.permitRange(user, authpb.Permission_WRITE, r.Key, nil)
		if err == nil && r.Lease != 0 {
			err = s.permitLease(user, r.Lease)
		}
		if err == nil && r.PrevKv {
			err = s.auth.permitRange(user, authpb.Permission_READ, r.Key, nil)
		}
		return err
	case *pb.DeleteRangeRequest:
		err := s.auth.permitRange(user, authpb.Permission_WRITE, r.Key, r.RangeEnd)
		if err == nil && r.PrevKv {
			err = s.auth.permitRange(user, authpb.Permission_READ, r.Key, r.RangeEnd)
		}
		return err
	case *pb.TxnRequest:
		for _, c := range r.Compare {
			if err := s.auth.permitRange(user, authpb.Permission_READ, c.Key, c.RangeEnd); err != nil {
				return err
			}
		}
		for _, op := range slices.Concat(r.Success, r.Failure) {
			if err := s.permitOp(user, op); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *State) permitOp(user string, op *pb.RequestOp) error {
	switch o := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return s.permitKeys(user, o.RequestRange)
	case *pb.RequestOp_RequestPut:
		return s.permitKeys(user, o.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		return s.permitKeys(user, o.RequestDeleteRange)
	case *pb.RequestOp_RequestTxn:
		return s.permitKeys(user, o.RequestTxn)
	}
	return nil
}

// permitLease: whoever attaches a key to a lease, or ends it, changes all keys that are on it.
func (s *State) permitLease(user string, id int64) error {
	for _, key := range s.attached(id) {
		if err := s.auth.permitRange(user, authpb.Permission_WRITE, []byte(key), nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *auth) permitRange(user string, kind authpb.Permission_Type, key, end []byte) error {
	u := a.users[user]
	switch {
	case user == "":
		return rpctypes.ErrGRPCUserEmpty
	case u == nil:
		return rpctypes.ErrGRPCPermissionDenied
	case u.isRoot() || a.covers(u, kind, spanOf(key, end)):
		return nil
	}
	return rpctypes.ErrGRPCPermissionDenied
}

// span is the keys from begin up to end; all that follow if it is endless.
type span struct {
	begin, end string
	endless    bool
}

// spanOf is that of a range. One without keys counts as its first one.
func spanOf(key, end []byte) span {
	switch {
	case string(end) == openEnd:
		return span{begin: string(key), endless: true}
	case string(end) <= string(key):
		return span{begin: string(key), end: string(key) + "\x00"}
	}
	return span{begin: string(key), end: string(end)}
}

// covers tells whether the roles of a user grant all of a range. Several grants may do so together: it goes from where the range begins
// as far as one of them leads, and on from there.
func (a *auth) covers(u *user, kind authpb.Permission_Type, want span) bool {
	var granted []span
	for _, name := range u.roles {
		for _, p := range a.roles[name] {
			if p.PermType == authpb.Permission_READWRITE || p.PermType == kind {
				granted = append(granted, spanOf(p.Key, p.RangeEnd))
			}
		}
	}
	for at := want.begin; ; {
		furthest := at
		for _, g := range granted {
			switch {
			case g.begin > at:
			case g.endless:
				return true
			case g.end > furthest:
				furthest = g.end
			}
		}
		if !want.endless && furthest >= want.end {
			return true
		}
		if furthest == at {
			return false
		}
		at = furthest
	}
}
