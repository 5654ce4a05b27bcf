package rpc

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/auth"
)

// authServer serves etcdserverpb.Auth. Changes go through the log. Questions do not: they wait until this member knows what was
// acknowledged before, as any read does.
type authServer struct {
	pb.UnimplementedAuthServer
	identity
}

// change sends a request through the log and returns the header of its response.
func (s *authServer) change(ctx context.Context, r *pb.InternalRaftRequest) (*pb.ResponseHeader, error) {
	who, err := s.of(ctx)
	if err == nil {
		_, err = s.m.ProposeFor(ctx, who, r)
	}
	return s.header(err)
}

// header is that of a response, unless there is an error.
func (s *authServer) header(err error) (*pb.ResponseHeader, error) {
	if err != nil {
		return nil, toWire(err)
	}
	now, err := s.m.Revision()
	return s.m.Header(now), toWire(err)
}

// ask returns the state of users and roles that allowed lets the sender ask about.
func (s *authServer) ask(ctx context.Context, allowed func(*auth.View, auth.Identity) error) (*auth.View, error) {
	if err := s.m.ReadIndex(ctx); err != nil {
		return nil, err
	}
	who, err := s.of(ctx)
	if err != nil {
		return nil, err
	}
	v := s.m.Auth()
	return v, allowed(v, who)
}

// AuthEnable switches authentication on.
func (s *authServer) AuthEnable(ctx context.Context, r *pb.AuthEnableRequest) (*pb.AuthEnableResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthEnable: r})
	return reply(&pb.AuthEnableResponse{Header: header}, err)
}

// AuthDisable switches authentication off.
func (s *authServer) AuthDisable(ctx context.Context, r *pb.AuthDisableRequest) (*pb.AuthDisableResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthDisable: r})
	return reply(&pb.AuthDisableResponse{Header: header}, err)
}

// AuthStatus tells whether authentication is on.
func (s *authServer) AuthStatus(ctx context.Context, _ *pb.AuthStatusRequest) (*pb.AuthStatusResponse, error) {
	if err := s.m.ReadIndex(ctx); err != nil {
		return nil, toWire(err)
	}
	v := s.m.Auth()
	header, err := s.header(nil)
	return reply(&pb.AuthStatusResponse{Header: header, Enabled: v.Enabled(), AuthRevision: v.Revision()}, err)
}

// Authenticate makes a token for who knows a password.
func (s *authServer) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	token, err := s.m.Authenticate(ctx, r.Name, r.Password)
	header, err := s.header(err)
	return reply(&pb.AuthenticateResponse{Header: header, Token: token}, err)
}

// UserAdd makes a user without roles.
func (s *authServer) UserAdd(ctx context.Context, r *pb.AuthUserAddRequest) (*pb.AuthUserAddResponse, error) {
	who, err := s.of(ctx)
	if err == nil {
		err = s.m.AddUser(ctx, who, r)
	}
	header, err := s.header(err)
	return reply(&pb.AuthUserAddResponse{Header: header}, err)
}

// UserGet lists the roles of a user.
func (s *authServer) UserGet(ctx context.Context, r *pb.AuthUserGetRequest) (*pb.AuthUserGetResponse, error) {
	v, err := s.ask(ctx, func(v *auth.View, who auth.Identity) error { return v.OfUser(who, r.Name) })
	if err != nil {
		return nil, toWire(err)
	}
	roles, err := v.RolesOf(r.Name)
	header, err := s.header(err)
	return reply(&pb.AuthUserGetResponse{Header: header, Roles: roles}, err)
}

// UserList lists all users.
func (s *authServer) UserList(ctx context.Context, _ *pb.AuthUserListRequest) (*pb.AuthUserListResponse, error) {
	v, err := s.ask(ctx, (*auth.View).Root)
	if err != nil {
		return nil, toWire(err)
	}
	header, err := s.header(nil)
	return reply(&pb.AuthUserListResponse{Header: header, Users: v.Users()}, err)
}

// UserDelete removes a user.
func (s *authServer) UserDelete(ctx context.Context, r *pb.AuthUserDeleteRequest) (*pb.AuthUserDeleteResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthUserDelete: r})
	return reply(&pb.AuthUserDeleteResponse{Header: header}, err)
}

// UserChangePassword gives a user another password.
func (s *authServer) UserChangePassword(ctx context.Context, r *pb.AuthUserChangePasswordRequest) (*pb.AuthUserChangePasswordResponse, error) {
	who, err := s.of(ctx)
	if err == nil {
		err = s.m.ChangePassword(ctx, who, r)
	}
	header, err := s.header(err)
	return reply(&pb.AuthUserChangePasswordResponse{Header: header}, err)
}

// UserGrantRole gives a role to a user.
func (s *authServer) UserGrantRole(ctx context.Context, r *pb.AuthUserGrantRoleRequest) (*pb.AuthUserGrantRoleResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthUserGrantRole: r})
	return reply(&pb.AuthUserGrantRoleResponse{Header: header}, err)
}

// UserRevokeRole takes a role from a user.
func (s *authServer) UserRevokeRole(ctx context.Context, r *pb.AuthUserRevokeRoleRequest) (*pb.AuthUserRevokeRoleResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthUserRevokeRole: r})
	return reply(&pb.AuthUserRevokeRoleResponse{Header: header}, err)
}

// RoleAdd makes a role that grants nothing.
func (s *authServer) RoleAdd(ctx context.Context, r *pb.AuthRoleAddRequest) (*pb.AuthRoleAddResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthRoleAdd: r})
	return reply(&pb.AuthRoleAddResponse{Header: header}, err)
}

// RoleGet lists what a role grants.
func (s *authServer) RoleGet(ctx context.Context, r *pb.AuthRoleGetRequest) (*pb.AuthRoleGetResponse, error) {
	v, err := s.ask(ctx, func(v *auth.View, who auth.Identity) error { return v.OfRole(who, r.Role) })
	if err != nil {
		return nil, toWire(err)
	}
	permissions, err := v.Permissions(r.Role)
	header, err := s.header(err)
	return reply(&pb.AuthRoleGetResponse{Header: header, Perm: permissions}, err)
}

// RoleList lists all roles.
func (s *authServer) RoleList(ctx context.Context, _ *pb.AuthRoleListRequest) (*pb.AuthRoleListResponse, error) {
	v, err := s.ask(ctx, (*auth.View).Root)
	if err != nil {
		return nil, toWire(err)
	}
	header, err := s.header(nil)
	return reply(&pb.AuthRoleListResponse{Header: header, Roles: v.Roles()}, err)
}

// RoleDelete removes a role, and takes it from all users.
func (s *authServer) RoleDelete(ctx context.Context, r *pb.AuthRoleDeleteRequest) (*pb.AuthRoleDeleteResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthRoleDelete: r})
	return reply(&pb.AuthRoleDeleteResponse{Header: header}, err)
}

// RoleGrantPermission lets a role grant something.
func (s *authServer) RoleGrantPermission(ctx context.Context, r *pb.AuthRoleGrantPermissionRequest) (*pb.AuthRoleGrantPermissionResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthRoleGrantPermission: r})
	return reply(&pb.AuthRoleGrantPermissionResponse{Header: header}, err)
}

// RoleRevokePermission takes back what a role grants.
func (s *authServer) RoleRevokePermission(ctx context.Context, r *pb.AuthRoleRevokePermissionRequest) (*pb.AuthRoleRevokePermissionResponse, error) {
	header, err := s.change(ctx, &pb.InternalRaftRequest{AuthRoleRevokePermission: r})
	return reply(&pb.AuthRoleRevokePermissionResponse{Header: header}, err)
}

// reply is a response, or the error.
func reply[T any](response *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return response, nil
}
