package model

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// ask answers a question about users and roles.
func (s *State) ask(m proto.Message, a Answer) (proto.Message, error) {
	switch r := m.(type) {
	case *pb.AuthStatusRequest:
		return &pb.AuthStatusResponse{Header: s.later(a), Enabled: s.auth.enabled, AuthRevision: s.auth.revision}, nil
	case *pb.AuthenticateRequest:
		return s.authenticate(r, a)
	case *pb.AuthUserGetRequest:
		u := s.auth.users[r.Name]
		if u == nil {
			return nil, rpctypes.ErrGRPCUserNotFound
		}
		return &pb.AuthUserGetResponse{Header: s.later(a), Roles: u.roles}, nil
	case *pb.AuthUserListRequest:
		return &pb.AuthUserListResponse{Header: s.later(a), Users: slices.Sorted(maps.Keys(s.auth.users))}, nil
	case *pb.AuthRoleListRequest:
		return &pb.AuthRoleListResponse{Header: s.later(a), Roles: slices.Sorted(maps.Keys(s.auth.roles))}, nil
	case *pb.AuthRoleGetRequest:
		return s.roleGet(r, a)
	}
	return nil, nil
}

// authenticate gives a token to who knows the password.
func (s *State) authenticate(r *pb.AuthenticateRequest, a Answer) (proto.Message, error) {
	u := s.auth.users[r.Name]
	switch {
	case !s.auth.enabled:
		return nil, rpctypes.ErrGRPCAuthNotEnabled
	case u == nil || u.noPassword || u.password != r.Password:
		return nil, rpctypes.ErrGRPCAuthFailed
	}
	got, _ := a.Response.(*pb.AuthenticateResponse)
	return &pb.AuthenticateResponse{Header: s.later(a), Token: got.GetToken()}, nil
}

func (s *State) roleGet(r *pb.AuthRoleGetRequest, a Answer) (proto.Message, error) {
	list, there := s.auth.roles[r.Role]
	switch {
	case !there:
		return nil, rpctypes.ErrGRPCRoleNotFound
	case r.Role == root:
		list = []*authpb.Permission{{PermType: authpb.Permission_READWRITE, RangeEnd: []byte(openEnd)}}
	}
	got, _ := a.Response.(*pb.AuthRoleGetResponse)
	if samePermissions(list, got.GetPerm()) {
		list = got.GetPerm() // those with one key come in any order
	}
	return &pb.AuthRoleGetResponse{Header: s.later(a), Perm: list}, nil
}

func samePermissions(a, b []*authpb.Permission) bool {
	left := slices.Clone(b)
	for _, p := range a {
		i := slices.IndexFunc(left, func(q *authpb.Permission) bool { return proto.Equal(p, q) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return len(left) == 0
}

// headed is a response with a header.
type headed interface{ GetHeader() *pb.ResponseHeader }

// later is the header of an answer that a member gives when it has applied what was asked for, and maybe more.
func (s *State) later(a Answer) *pb.ResponseHeader {
	var found *pb.ResponseHeader
	if h, ok := a.Response.(headed); ok {
		found = h.GetHeader()
	}
	return atLeast(found, s.revision)
}

// plainResponse is the answer to a change of users or roles, which has nothing but a header.
func (s *State) plainResponse(m proto.Message, a Answer) proto.Message {
	h := s.later(a)
	switch m.(type) {
	case *pb.AuthEnableRequest:
		return &pb.AuthEnableResponse{Header: h}
	case *pb.AuthDisableRequest:
		return &pb.AuthDisableResponse{Header: h}
	case *pb.AuthUserAddRequest:
		return &pb.AuthUserAddResponse{Header: h}
	case *pb.AuthUserDeleteRequest:
		return &pb.AuthUserDeleteResponse{Header: h}
	case *pb.AuthUserChangePasswordRequest:
		return &pb.AuthUserChangePasswordResponse{Header: h}
	case *pb.AuthUserGrantRoleRequest:
		return &pb.AuthUserGrantRoleResponse{Header: h}
	case *pb.AuthUserRevokeRoleRequest:
		return &pb.AuthUserRevokeRoleResponse{Header: h}
	case *pb.AuthRoleAddRequest:
		return &pb.AuthRoleAddResponse{Header: h}
	case *pb.AuthRoleDeleteRequest:
		return &pb.AuthRoleDeleteResponse{Header: h}
	case *pb.AuthRoleGrantPermissionRequest:
		return &pb.AuthRoleGrantPermissionResponse{Header: h}
	case *pb.AuthRoleRevokePermissionRequest:
		return &pb.AuthRoleRevokePermissionResponse{Header: h}
	}
	return nil
}
