package workload

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

const (
	rootName     = "root"
	authPrefix   = "auth/"
	sharedPrefix = authPrefix + "shared/"
	// sharedRole is the role that users are given and lose.
	sharedRole = "role-shared"
	// wanderer is the user whose password changes.
	wanderer = "wanderer"
	// setupTries is how often each step of a setup is made before it is given up.
	setupTries = 20
	setupPause = 100 * time.Millisecond
)

// The names of the users of an auth load, and what is theirs.
func userName(i int) string         { return fmt.Sprintf("user-%d", i) }
func roleName(i int) string         { return fmt.Sprintf("role-%d", i) }
func userPrefix(i int) string       { return fmt.Sprintf("%sspace-%d/", authPrefix, i) }
func passwordOf(name string) string { return name + "-secret" }

// SetupAuth makes the users and roles of an auth load, makes root with the password of the options, and turns authentication on. All
// of it is recorded as the calls of one client. What is there already is left as it is.
//
// Each user may read and write below a prefix of its own, and read below that of the next.
func SetupAuth(ctx context.Context, opts Options, k Auth) error {
	opts.WithoutLog, opts.Patient, opts.User = true, true, ""
	w := begin(ctx, opts)
	defer w.Stop()
	for _, t := range opts.Targets {
		w.AddTarget(t)
	}
	c := w.client(seedOf(opts.Seed, "setup of auth", 0))
	defer c.disconnect()
	status, err := once(c, pb.AuthClient.AuthStatus, &pb.AuthStatusRequest{})
	if err != nil {
		return fmt.Errorf("workload: whether authentication is on: %w", err)
	}
	if status.Enabled {
		c.user, c.password = rootName, opts.Password
	}
	s := &setup{c: c}
	s.everybody(opts.Password, k.users())
	if s.err == nil && !status.Enabled {
		_, s.err = once(c, pb.AuthClient.AuthEnable, &pb.AuthEnableRequest{})
	}
	if s.err != nil {
		return fmt.Errorf("workload: setup of users and roles: %w", s.err)
	}
	return nil
}

// setup makes one call after the other until one fails.
type setup struct {
	c   *client
	err error
}

func (s *setup) everybody(rootPassword string, users int) {
	s.user(rootName, rootPassword, rootName)
	s.role(sharedRole)
	s.permit(sharedRole, authpb.Permission_READWRITE, sharedPrefix)
	for i := range users {
		s.user(userName(i), passwordOf(userName(i)), roleName(i))
		s.permit(roleName(i), authpb.Permission_READWRITE, userPrefix(i))
		s.permit(roleName(i), authpb.Permission_READ, userPrefix((i+1)%users))
	}
	s.user(wanderer, passwordOf(wanderer), sharedRole)
}

// user makes a user with a role.
func (s *setup) user(name, password, role string) {
	s.role(role)
	then(s, pb.AuthClient.UserAdd, &pb.AuthUserAddRequest{Name: name, Password: password, Options: &authpb.UserAddOptions{}})
	then(s, pb.AuthClient.UserGrantRole, &pb.AuthUserGrantRoleRequest{User: name, Role: role})
}

func (s *setup) role(name string) { then(s, pb.AuthClient.RoleAdd, &pb.AuthRoleAddRequest{Name: name}) }

func (s *setup) permit(role string, what authpb.Permission_Type, prefix string) {
	then(s, pb.AuthClient.RoleGrantPermission, grantPermission(role, what, prefix))
}

func grantPermission(role string, what authpb.Permission_Type, prefix string) *pb.AuthRoleGrantPermissionRequest {
	return &pb.AuthRoleGrantPermissionRequest{
		Name: role, Perm: &authpb.Permission{PermType: what, Key: []byte(prefix), RangeEnd: prefixEnd(prefix)},
	}
}

// then makes a call unless one has failed.
func then[Q, A proto.Message](s *setup, method func(pb.AuthClient, context.Context, Q, ...grpc.CallOption) (A, error), request Q) {
	if s.err == nil {
		_, s.err = once(s.c, method, request)
	}
}

// once makes a call, and again if it was not answered. That it was done before is no error.
func once[Q, A proto.Message](c *client, method func(pb.AuthClient, context.Context, Q, ...grpc.CallOption) (A, error), request Q) (answer A, err error) {
	for range setupTries {
		answer, err = call(c, (*client).auth, method, request)
		if err == nil || says(err, rpctypes.ErrGRPCUserAlreadyExist) || says(err, rpctypes.ErrGRPCRoleAlreadyExist) {
			return answer, nil
		}
		if !wait(c.calls, setupPause) {
			break
		}
	}
	return answer, err
}
