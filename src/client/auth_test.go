package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// authRecorder answers every unary call of the Auth service with a header, and keeps the last request.
type authRecorder struct {
	mu   sync.Mutex // guards last
	last proto.Message
}

func (r *authRecorder) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if !strings.HasPrefix(info.FullMethod, "/etcdserverpb.Auth/") {
		return handle(ctx, req)
	}
	r.mu.Lock()
	r.last = req.(proto.Message)
	r.mu.Unlock()
	return &pb.AuthRoleAddResponse{Header: header(7)}, nil // the header is the first field of each of their responses
}

func (r *authRecorder) request() proto.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func TestAuthCalls(t *testing.T) {
	r := &authRecorder{}
	c := open(t, client.Config{}, start(t, &member{}, listen(t), grpc.UnaryInterceptor(r.intercept)))
	type answer interface{ GetHeader() *pb.ResponseHeader }
	for i, call := range []struct {
		make func(context.Context) (answer, error)
		want proto.Message
	}{
		{func(ctx context.Context) (answer, error) { return c.Authenticate(ctx, "u", "p") }, &pb.AuthenticateRequest{Name: "u", Password: "p"}},
		{func(ctx context.Context) (answer, error) { return c.AuthEnable(ctx) }, &pb.AuthEnableRequest{}},
		{func(ctx context.Context) (answer, error) { return c.AuthDisable(ctx) }, &pb.AuthDisableRequest{}},
		{func(ctx context.Context) (answer, error) { return c.AuthStatus(ctx) }, &pb.AuthStatusRequest{}},
		{
			func(ctx context.Context) (answer, error) { return c.UserAdd(ctx, "u", "p") },
			&pb.AuthUserAddRequest{Name: "u", Password: "p", Options: &authpb.UserAddOptions{}},
		},
		{
			func(ctx context.Context) (answer, error) {
				return c.UserAddWithOptions(ctx, "u", "", &client.UserAddOptions{NoPassword: true})
			},
			&pb.AuthUserAddRequest{Name: "u", Options: &authpb.UserAddOptions{NoPassword: true}},
		},
		{func(ctx context.Context) (answer, error) { return c.UserDelete(ctx, "u") }, &pb.AuthUserDeleteRequest{Name: "u"}},
		{
			func(ctx context.Context) (answer, error) { return c.UserChangePassword(ctx, "u", "p") },
			&pb.AuthUserChangePasswordRequest{Name: "u", Password: "p"},
		},
		{func(ctx context.Context) (answer, error) { return c.UserGrantRole(ctx, "u", "r") }, &pb.AuthUserGrantRoleRequest{User: "u", Role: "r"}},
		{func(ctx context.Context) (answer, error) { return c.UserGet(ctx, "u") }, &pb.AuthUserGetRequest{Name: "u"}},
		{func(ctx context.Context) (answer, error) { return c.UserList(ctx) }, &pb.AuthUserListRequest{}},
		{func(ctx context.Context) (answer, error) { return c.UserRevokeRole(ctx, "u", "r") }, &pb.AuthUserRevokeRoleRequest{Name: "u", Role: "r"}},
		{func(ctx context.Context) (answer, error) { return c.RoleAdd(ctx, "r") }, &pb.AuthRoleAddRequest{Name: "r"}},
		{
			func(ctx context.Context) (answer, error) {
				return c.RoleGrantPermission(ctx, "r", "a", "b", client.PermReadWrite)
			},
			&pb.AuthRoleGrantPermissionRequest{Name: "r", Perm: &authpb.Permission{
				PermType: authpb.Permission_READWRITE, Key: []byte("a"), RangeEnd: []byte("b"),
			}},
		},
		{func(ctx context.Context) (answer, error) { return c.RoleGet(ctx, "r") }, &pb.AuthRoleGetRequest{Role: "r"}},
		{func(ctx context.Context) (answer, error) { return c.RoleList(ctx) }, &pb.AuthRoleListRequest{}},
		{
			func(ctx context.Context) (answer, error) { return c.RoleRevokePermission(ctx, "r", "a", "b") },
			&pb.AuthRoleRevokePermissionRequest{Role: "r", Key: []byte("a"), RangeEnd: []byte("b")},
		},
		{func(ctx context.Context) (answer, error) { return c.RoleDelete(ctx, "r") }, &pb.AuthRoleDeleteRequest{Role: "r"}},
	} {
		resp, err := call.make(within(t))
		if sent := r.request(); err != nil || resp.GetHeader().GetRevision() != 7 || !proto.Equal(sent, call.want) {
			t.Errorf("call %d: sent %v, want %v; got %v, %v", i, sent, call.want, resp, err)
		}
	}
}

func TestAuthErrorsAreTyped(t *testing.T) {
	m := &member{answer: func(context.Context, string) error { return rpctypes.ErrGRPCAuthFailed }}
	c := open(t, client.Config{}, start(t, m, listen(t)))
	if resp, err := c.Authenticate(within(t), "u", "wrong"); resp != nil || !errors.Is(err, rpctypes.ErrAuthFailed) {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestStrToPermissionType(t *testing.T) {
	for text, want := range map[string]client.PermissionType{
		"read": client.PermRead, "WRITE": client.PermWrite, "readWrite": client.PermReadWrite,
	} {
		if got, err := client.StrToPermissionType(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "rw", "0"} {
		if _, err := client.StrToPermissionType(text); err == nil || err.Error() != "invalid permission type: "+text {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A token ends while leases are renewed: the stream is opened with another one, and the lease lives on.
func TestKeepAliveObtainsAToken(t *testing.T) {
	t.Parallel()
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{Username: "u", Password: "p", DialTimeout: time.Minute, BackoffWaitBetween: time.Millisecond}, m)
	ch := keepAlive(t, c, t.Context(), 1)
	for i := range 3 {
		d := next(t, "stream", m.renewals)
		if want := fmt.Sprint("token-", i+1); d.header("token") != want {
			t.Errorf("token %q, want %q", d.header("token"), want)
		}
		renews(t, d, 1, longTTL)
		next(t, "answer", ch)
		d.request(t)
		d.end(t, rpctypes.ErrGRPCInvalidAuthToken)
	}
}

func TestKeepAliveOnceObtainsAToken(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{Username: "u", Password: "p"}, m)
	once := make(chan error, 1)
	go func() {
		_, err := c.KeepAliveOnce(within(t), 1)
		once <- err
	}()
	d := next(t, "stream", m.renewals)
	d.request(t)
	d.end(t, rpctypes.ErrGRPCInvalidAuthToken)
	d = next(t, "stream", m.renewals)
	renews(t, d, 1, 9)
	if err := next(t, "result", once); err != nil || d.header("token") != "token-2" {
		t.Errorf("%v with token %q", err, d.header("token"))
	}
}

// Whatever fails, neither passwords nor tokens are in the log of the client (etcd#20941, CVE-2021-28235).
func TestSecretsAreNotLogged(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	m := &member{}
	m.answer = func(_ context.Context, method string) error {
		if method == "Authenticate" && m.authentications.Load() > 2 {
			return rpctypes.ErrGRPCAuthFailed
		}
		if method != "Authenticate" {
			return rpctypes.ErrGRPCInvalidAuthToken
		}
		return nil
	}
	start(t, m, listen(t))
	c := open(t, client.Config{Username: "u", Password: "very secret", Logger: zap.New(core)}, m)
	watch := begin(t, c, t.Context())
	m.stream(t).end(t, rpctypes.ErrGRPCInvalidAuthToken)
	m.stream(t) // with another token
	for range 2 {
		if _, err := c.Put(within(t), "k", "v"); !errors.Is(err, rpctypes.ErrInvalidAuthToken) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := c.Authenticate(within(t), "u", "very secret"); !errors.Is(err, rpctypes.ErrAuthFailed) {
		t.Errorf("got %v", err)
	}
	c.Close()
	next(t, "watch", watch)
	if logs.Len() == 0 {
		t.Error("nothing was logged")
	}
	for _, entry := range logs.All() {
		if line := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(line, "very secret") || strings.Contains(line, "token-") {
			t.Errorf("logged %s", line)
		}
	}
}
