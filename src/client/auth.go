package client

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
)

// Responses of the calls about users and roles, as they are on the wire.
type (
	AuthenticateResponse             = pb.AuthenticateResponse
	AuthEnableResponse               = pb.AuthEnableResponse
	AuthDisableResponse              = pb.AuthDisableResponse
	AuthStatusResponse               = pb.AuthStatusResponse
	AuthUserAddResponse              = pb.AuthUserAddResponse
	AuthUserDeleteResponse           = pb.AuthUserDeleteResponse
	AuthUserChangePasswordResponse   = pb.AuthUserChangePasswordResponse
	AuthUserGrantRoleResponse        = pb.AuthUserGrantRoleResponse
	AuthUserGetResponse              = pb.AuthUserGetResponse
	AuthUserListResponse             = pb.AuthUserListResponse
	AuthUserRevokeRoleResponse       = pb.AuthUserRevokeRoleResponse
	AuthRoleAddResponse              = pb.AuthRoleAddResponse
	AuthRoleGrantPermissionResponse  = pb.AuthRoleGrantPermissionResponse
	AuthRoleGetResponse              = pb.AuthRoleGetResponse
	AuthRoleListResponse             = pb.AuthRoleListResponse
	AuthRoleRevokePermissionResponse = pb.AuthRoleRevokePermissionResponse
	AuthRoleDeleteResponse           = pb.AuthRoleDeleteResponse
)

// Permission allows reading, writing or both of a key or an interval of keys.
type Permission = authpb.Permission

// PermissionType says what a Permission allows.
type PermissionType = authpb.Permission_Type

// Types of permissions. Reading covers watches, comparisons and previous values as well, writing covers deletes.
const (
	PermRead      = authpb.Permission_READ
	PermWrite     = authpb.Permission_WRITE
	PermReadWrite = authpb.Permission_READWRITE
)

// UserAddOptions says how a user proves who he is.
type UserAddOptions = authpb.UserAddOptions

// StrToPermissionType returns the type that is called read, write or readwrite, in letters of either case.
func StrToPermissionType(s string) (PermissionType, error) {
	n, known := authpb.Permission_Type_value[strings.ToUpper(s)]
	if !known {
		return -1, fmt.Errorf("invalid permission type: %s", s)
	}
	return PermissionType(n), nil
}

// Auth decides who may do what: a user has roles, and a role has permissions. Nothing is refused before AuthEnable.
//
// With auth enabled, the calls are for users with the role root. UserGet of oneself, RoleGet of a role that one has,
// AuthStatus and Authenticate are for everybody. Others fail with rpctypes.ErrPermissionDenied, or with ErrUserEmpty when the
// client has no credentials.
type Auth interface {
	// Authenticate exchanges a password for a token, for Config.Token of another client or for the header "authorization" of
	// the gateway. A client with Config.Password has a token of its own, and renews it when a member refuses it.
	Authenticate(ctx context.Context, name, password string) (*AuthenticateResponse, error)

	// AuthEnable lets the members ask for credentials from now on. The user root must be there and have the role root, or
	// it fails with rpctypes.ErrRootUserNotExist or ErrRootRoleNotExist.
	AuthEnable(ctx context.Context) (*AuthEnableResponse, error)
	// AuthDisable lets everybody do everything. Users, roles and permissions stay.
	AuthDisable(ctx context.Context) (*AuthDisableResponse, error)
	// AuthStatus tells whether auth is enabled, and the number of changes that were made to users and roles.
	AuthStatus(ctx context.Context) (*AuthStatusResponse, error)

	// UserAdd adds a user with a password, or fails with rpctypes.ErrUserAlreadyExist.
	UserAdd(ctx context.Context, name, password string) (*AuthUserAddResponse, error)
	// UserAddWithOptions adds a user that may be one without a password, whom a certificate proves.
	UserAddWithOptions(ctx context.Context, name, password string, opt *UserAddOptions) (*AuthUserAddResponse, error)
	// UserDelete deletes a user. Who goes on with his token is refused.
	UserDelete(ctx context.Context, name string) (*AuthUserDeleteResponse, error)
	// UserChangePassword replaces the password of a user, and ends his tokens.
	UserChangePassword(ctx context.Context, name, password string) (*AuthUserChangePasswordResponse, error)
	// UserGrantRole gives a user one role more. The role must be there, except for root.
	UserGrantRole(ctx context.Context, user, role string) (*AuthUserGrantRoleResponse, error)
	// UserGet returns the roles of a user.
	UserGet(ctx context.Context, name string) (*AuthUserGetResponse, error)
	// UserList returns the names of all users.
	UserList(ctx context.Context) (*AuthUserListResponse, error)
	// UserRevokeRole takes a role from a user.
	UserRevokeRole(ctx context.Context, name, role string) (*AuthUserRevokeRoleResponse, error)

	// RoleAdd adds a role without permissions.
	RoleAdd(ctx context.Context, name string) (*AuthRoleAddResponse, error)
	// RoleGrantPermission gives a role the permission for a key, or with rangeEnd for the keys from key up to but without
	// rangeEnd; "\x00" = all keys from key on. It replaces the permission for exactly this interval.
	RoleGrantPermission(ctx context.Context, name, key, rangeEnd string, permType PermissionType) (*AuthRoleGrantPermissionResponse, error)
	// RoleGet returns the permissions of a role.
	RoleGet(ctx context.Context, role string) (*AuthRoleGetResponse, error)
	// RoleList returns the names of all roles.
	RoleList(ctx context.Context) (*AuthRoleListResponse, error)
	// RoleRevokePermission takes the permission for exactly this interval from a role, or fails with
	// rpctypes.ErrPermissionNotGranted.
	RoleRevokePermission(ctx context.Context, role, key, rangeEnd string) (*AuthRoleRevokePermissionResponse, error)
	// RoleDelete deletes a role, and takes it from all users.
	RoleDelete(ctx context.Context, role string) (*AuthRoleDeleteResponse, error)
}

type auth struct{ remote pb.AuthClient }

// NewAuth returns the Auth of a client's connection.
func NewAuth(c *Client) Auth { return &auth{pb.NewAuthClient(c.conn)} }

// NewAuthFromAuthClient returns an Auth over a generated client.
func NewAuthFromAuthClient(remote pb.AuthClient, _ *Client) Auth { return &auth{remote} }

// ask makes one call.
func ask[Req, Resp any](ctx context.Context, call func(context.Context, *Req, ...grpc.CallOption) (*Resp, error), req *Req) (*Resp, error) {
	resp, err := call(ctx, req)
	return resp, ContextError(ctx, err)
}

func (a *auth) Authenticate(ctx context.Context, name, password string) (*AuthenticateResponse, error) {
	return ask(ctx, a.remote.Authenticate, &pb.AuthenticateRequest{Name: name, Password: password})
}

func (a *auth) AuthEnable(ctx context.Context) (*AuthEnableResponse, error) {
	return ask(ctx, a.remote.AuthEnable, &pb.AuthEnableRequest{})
}

func (a *auth) AuthDisable(ctx context.Context) (*AuthDisableResponse, error) {
	return ask(ctx, a.remote.AuthDisable, &pb.AuthDisableRequest{})
}

func (a *auth) AuthStatus(ctx context.Context) (*AuthStatusResponse, error) {
	return ask(ctx, a.remote.AuthStatus, &pb.AuthStatusRequest{})
}

func (a *auth) UserAdd(ctx context.Context, name, password string) (*AuthUserAddResponse, error) {
	return a.UserAddWithOptions(ctx, name, password, &UserAddOptions{})
}

func (a *auth) UserAddWithOptions(ctx context.Context, name, password string, opt *UserAddOptions) (*AuthUserAddResponse, error) {
	return ask(ctx, a.remote.UserAdd, &pb.AuthUserAddRequest{Name: name, Password: password, Options: opt})
}

func (a *auth) UserDelete(ctx context.Context, name string) (*AuthUserDeleteResponse, error) {
	return ask(ctx, a.remote.UserDelete, &pb.AuthUserDeleteRequest{Name: name})
}

func (a *auth) UserChangePassword(ctx context.Context, name, password string) (*AuthUserChangePasswordResponse, error) {
	return ask(ctx, a.remote.UserChangePassword, &pb.AuthUserChangePasswordRequest{Name: name, Password: password})
}

func (a *auth) UserGrantRole(ctx context.Context, user, role string) (*AuthUserGrantRoleResponse, error) {
	return ask(ctx, a.remote.UserGrantRole, &pb.AuthUserGrantRoleRequest{User: user, Role: role})
}

func (a *auth) UserGet(ctx context.Context, name string) (*AuthUserGetResponse, error) {
	return ask(ctx, a.remote.UserGet, &pb.AuthUserGetRequest{Name: name})
}

func (a *auth) UserList(ctx context.Context) (*AuthUserListResponse, error) {
	return ask(ctx, a.remote.UserList, &pb.AuthUserListRequest{})
}

func (a *auth) UserRevokeRole(ctx context.Context, name, role string) (*AuthUserRevokeRoleResponse, error) {
	return ask(ctx, a.remote.UserRevokeRole, &pb.AuthUserRevokeRoleRequest{Name: name, Role: role})
}

func (a *auth) RoleAdd(ctx context.Context, name string) (*AuthRoleAddResponse, error) {
	return ask(ctx, a.remote.RoleAdd, &pb.AuthRoleAddRequest{Name: name})
}

func (a *auth) RoleGrantPermission(ctx context.Context, name, key, rangeEnd string, permType PermissionType) (*AuthRoleGrantPermissionResponse, error) {
	perm := &Permission{Key: []byte(key), RangeEnd: []byte(rangeEnd), PermType: permType}
	return ask(ctx, a.remote.RoleGrantPermission, &pb.AuthRoleGrantPermissionRequest{Name: name, Perm: perm})
}

func (a *auth) RoleGet(ctx context.Context, role string) (*AuthRoleGetResponse, error) {
	return ask(ctx, a.remote.RoleGet, &pb.AuthRoleGetRequest{Role: role})
}

func (a *auth) RoleList(ctx context.Context) (*AuthRoleListResponse, error) {
	return ask(ctx, a.remote.RoleList, &pb.AuthRoleListRequest{})
}

func (a *auth) RoleRevokePermission(ctx context.Context, role, key, rangeEnd string) (*AuthRoleRevokePermissionResponse, error) {
	return ask(ctx, a.remote.RoleRevokePermission, &pb.AuthRoleRevokePermissionRequest{Role: role, Key: []byte(key), RangeEnd: []byte(rangeEnd)})
}

func (a *auth) RoleDelete(ctx context.Context, role string) (*AuthRoleDeleteResponse, error) {
	return ask(ctx, a.remote.RoleDelete, &pb.AuthRoleDeleteRequest{Role: role})
}
