package command_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/ctl/command"
)

// The server has a user u with the roles r and s, and a user root.

func (s *server) AuthEnable(ctx context.Context, r *pb.AuthEnableRequest) (*pb.AuthEnableResponse, error) {
	s.record(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.AuthEnableResponse{Header: header}, s.enableErr
}

func (s *server) AuthDisable(ctx context.Context, r *pb.AuthDisableRequest) (*pb.AuthDisableResponse, error) {
	s.record(ctx, r)
	return &pb.AuthDisableResponse{Header: header}, s.refusal
}

func (s *server) AuthStatus(ctx context.Context, r *pb.AuthStatusRequest) (*pb.AuthStatusResponse, error) {
	s.record(ctx, r)
	return &pb.AuthStatusResponse{Header: header, Enabled: !s.open, AuthRevision: 5}, s.refusal
}

func (s *server) UserAdd(ctx context.Context, r *pb.AuthUserAddRequest) (*pb.AuthUserAddResponse, error) {
	s.record(ctx, r)
	return &pb.AuthUserAddResponse{Header: header}, s.refusal
}

func (s *server) UserDelete(ctx context.Context, r *pb.AuthUserDeleteRequest) (*pb.AuthUserDeleteResponse, error) {
	s.record(ctx, r)
	return &pb.AuthUserDeleteResponse{Header: header}, s.refusal
}

func (s *server) UserGet(ctx context.Context, r *pb.AuthUserGetRequest) (*pb.AuthUserGetResponse, error) {
	s.record(ctx, r)
	roles := map[string][]string{"u": {"r", "s"}, "root": {"root"}}
	return &pb.AuthUserGetResponse{Header: header, Roles: roles[r.Name]}, s.refusal
}

func (s *server) UserList(ctx context.Context, r *pb.AuthUserListRequest) (*pb.AuthUserListResponse, error) {
	s.record(ctx, r)
	return &pb.AuthUserListResponse{Header: header, Users: []string{"root", "u"}}, s.refusal
}

func (s *server) UserChangePassword(ctx context.Context, r *pb.AuthUserChangePasswordRequest) (*pb.AuthUserChangePasswordResponse, error) {
	s.record(ctx, r)
	return &pb.AuthUserChangePasswordResponse{Header: header}, s.refusal
}

// UserGrantRole gives root what AuthEnable misses.
func (s *server) UserGrantRole(ctx context.Context, r *pb.AuthUserGrantRoleRequest) (*pb.AuthUserGrantRoleResponse, error) {
	s.record(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enableErr = nil
	return &pb.AuthUserGrantRoleResponse{Header: header}, s.refusal
}

func (s *server) UserRevokeRole(ctx context.Context, r *pb.AuthUserRevokeRoleRequest) (*pb.AuthUserRevokeRoleResponse, error) {
	s.record(ctx, r)
	return &pb.AuthUserRevokeRoleResponse{Header: header}, s.refusal
}

func (s *server) RoleAdd(ctx context.Context, r *pb.AuthRoleAddRequest) (*pb.AuthRoleAddResponse, error) {
	s.record(ctx, r)
	if r.Name == "root" { // it is there already
		return nil, rpctypes.ErrGRPCRoleAlreadyExist
	}
	return &pb.AuthRoleAddResponse{Header: header}, s.refusal
}

func (s *server) RoleDelete(ctx context.Context, r *pb.AuthRoleDeleteRequest) (*pb.AuthRoleDeleteResponse, error) {
	s.record(ctx, r)
	return &pb.AuthRoleDeleteResponse{Header: header}, s.refusal
}

func (s *server) RoleGet(ctx context.Context, r *pb.AuthRoleGetRequest) (*pb.AuthRoleGetResponse, error) {
	s.record(ctx, r)
	resp := &pb.AuthRoleGetResponse{Header: header}
	switch r.Role {
	case "r":
		resp.Perm = []*authpb.Permission{{Key: []byte("a"), RangeEnd: []byte("b")}, {PermType: authpb.Permission_READWRITE, Key: []byte("k")}}
	case "s":
		resp.Perm = []*authpb.Permission{{PermType: authpb.Permission_WRITE, Key: []byte("w"), RangeEnd: []byte{0}}}
	default:
		return nil, rpctypes.ErrGRPCRoleNotFound
	}
	return resp, s.refusal
}

func (s *server) RoleList(ctx context.Context, r *pb.AuthRoleListRequest) (*pb.AuthRoleListResponse, error) {
	s.record(ctx, r)
	return &pb.AuthRoleListResponse{Header: header, Roles: []string{"r", "s"}}, s.refusal
}

func TestAuthCommands(t *testing.T) {
	s := startServer(t)
	grant := func(access authpb.Permission_Type, key, end string) *pb.AuthRoleGrantPermissionRequest {
		return &pb.AuthRoleGrantPermissionRequest{Name: "r", Perm: &authpb.Permission{
			PermType: access, Key: []byte(key), RangeEnd: []byte(end),
		}}
	}
	revoke := func(key, end string) *pb.AuthRoleRevokePermissionRequest {
		return &pb.AuthRoleRevokePermissionRequest{Role: "r", Key: []byte(key), RangeEnd: []byte(end)}
	}
	for _, c := range []struct {
		line   string // '' stands for an empty argument
		sent   proto.Message
		stdout string
	}{
		{"auth enable", &pb.AuthEnableRequest{}, "Authentication Enabled\n"},
		{"auth disable -w json", &pb.AuthDisableRequest{}, "Authentication Disabled\n"},
		{"auth status", &pb.AuthStatusRequest{}, "Authentication Status: true\nAuthRevision: 5\n"},
		{"user delete u", &pb.AuthUserDeleteRequest{Name: "u"}, "User u deleted\n"},
		{"user get u", &pb.AuthUserGetRequest{Name: "u"}, "User: u\nRoles: r s\n"},
		{"user get n", &pb.AuthUserGetRequest{Name: "n"}, "User: n\nRoles:\n"},
		{"user list", &pb.AuthUserListRequest{}, "root\nu\n"},
		{"user grant-role u r", &pb.AuthUserGrantRoleRequest{User: "u", Role: "r"}, "Role r is granted to user u\n"},
		{"user revoke-role u r", &pb.AuthUserRevokeRoleRequest{Name: "u", Role: "r"}, "Role r is revoked from user u\n"},
		{"role add r", &pb.AuthRoleAddRequest{Name: "r"}, "Role r created\n"},
		{"role delete r", &pb.AuthRoleDeleteRequest{Role: "r"}, "Role r deleted\n"},
		{"role get r", &pb.AuthRoleGetRequest{Role: "r"}, "Role r\nKV Read:\n\t[a, b) (prefix a)\n\tk\nKV Write:\n\tk\n"},
		{"role get s", &pb.AuthRoleGetRequest{Role: "s"}, "Role s\nKV Read:\nKV Write:\n\t[w, <open ended>\n"},
		{"role list -w fields", &pb.AuthRoleListRequest{}, `"ClusterID" : 1
"MemberID" : 2
"Revision" : 3
"RaftTerm" : 4
"Roles" : "r" "s"
`},
		{"role grant-permission r READ k", grant(authpb.Permission_READ, "k", ""), "Role r updated\n"},
		{"role grant-permission r write a c ignored", grant(authpb.Permission_WRITE, "a", "c"), "Role r updated\n"},
		{"role grant-permission r readwrite a --prefix", grant(authpb.Permission_READWRITE, "a", "b"), "Role r updated\n"},
		{"role grant-permission r read a --from-key", grant(authpb.Permission_READ, "a", "\x00"), "Role r updated\n"},
		{"role grant-permission r read ''", grant(authpb.Permission_READ, "\x00", ""), "Role r updated\n"},
		{"role grant-permission r read '' c", grant(authpb.Permission_READ, "\x00", ""), "Role r updated\n"},
		{"role grant-permission r read '' --prefix", grant(authpb.Permission_READ, "\x00", "\x00"), "Role r updated\n"},
		{"role revoke-permission r k", revoke("k", ""), "Permission of key k is revoked from role r\n"},
		{"role revoke-permission r a c", revoke("a", "c"), "Permission of range [a, c) is revoked from role r\n"},
		{"role revoke-permission r a --prefix", revoke("a", "b"), "Permission of range [a, b) is revoked from role r\n"},
		{"role revoke-permission r '' --from-key", revoke("\x00", "\x00"), "Permission of range [, <open ended> is revoked from role r\n"},
		{"role revoke-permission r '' c", revoke("\x00", ""), "Permission of key  is revoked from role r\n"},
	} {
		r := s.run("", words(c.line)...)
		if r.code != 0 || r.stdout != c.stdout || r.stderr != "" {
			t.Errorf("%s: %+v\nwant %q", c.line, r, c.stdout)
		}
		checkAsked(t, s, c.sent)
	}
}

func (s *server) RoleGrantPermission(ctx context.Context, r *pb.AuthRoleGrantPermissionRequest) (*pb.AuthRoleGrantPermissionResponse, error) {
	s.record(ctx, r)
	return &pb.AuthRoleGrantPermissionResponse{Header: header}, s.refusal
}

func (s *server) RoleRevokePermission(ctx context.Context, r *pb.AuthRoleRevokePermissionRequest) (*pb.AuthRoleRevokePermissionResponse, error) {
	s.record(ctx, r)
	return &pb.AuthRoleRevokePermissionResponse{Header: header}, s.refusal
}

// words splits a line, in which two apostrophes are the empty argument.
func words(line string) []string {
	list := strings.Fields(line)
	for i, word := range list {
		if word == "''" {
			list[i] = ""
		}
	}
	return list
}

func TestDetailsOfAUser(t *testing.T) {
	s := startServer(t)
	r := s.run("", "user", "get", "u", "--detail")
	want := "User: u\n\nRole r\nKV Read:\n\t[a, b) (prefix a)\n\tk\nKV Write:\n\tk\n\nRole s\nKV Read:\nKV Write:\n\t[w, <open ended>\n"
	if r.code != 0 || r.stdout != want {
		t.Errorf("%+v\nwant %q", r, want)
	}
	if r = s.run("", "user", "get", "root", "--detail"); r.code != 1 || r.stdout != "User: root\n\n" ||
		r.stderr != "Error: etcdserver: role name not found\n" {
		t.Errorf("%+v", r)
	}
	if r = s.run("", "user", "get", "u", "--detail", "-w", "table"); r.code != 4 || r.stdout != "User: u\n\n" {
		t.Errorf("%+v", r)
	}
}

func TestAuthEnableGivesRootItsRole(t *testing.T) {
	s := startServer(t)
	s.enableErr = rpctypes.ErrGRPCRootRoleNotExist
	if r := s.run("", "auth", "enable"); r.code != 0 || r.stdout != "Authentication Enabled\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.AuthEnableRequest{}, &pb.AuthRoleAddRequest{Name: "root"},
		&pb.AuthUserGrantRoleRequest{User: "root", Role: "root"}, &pb.AuthEnableRequest{})
	s.enableErr = rpctypes.ErrGRPCRootUserNotExist
	if r := s.run("", "auth", "enable"); r.code != 1 || r.stderr != "Error: etcdserver: root user does not exist\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.AuthEnableRequest{})
}

// TestNewPasswords: CVE-2020-15115 for those that are short.
func TestNewPasswords(t *testing.T) {
	const (
		ask   = "Password of u: \nType password of u again for confirmation: \n"
		short = "Warning: a password of 2 characters is guessed soon; take 8 at least.\n"
	)
	add := func(name, password string) proto.Message {
		return &pb.AuthUserAddRequest{Name: name, Password: password, Options: &authpb.UserAddOptions{}}
	}
	change := func(password string) proto.Message {
		return &pb.AuthUserChangePasswordRequest{Name: "u", Password: password}
	}
	for _, c := range []struct {
		line, stdin    string
		sent           proto.Message // nil: the command is refused, with code 128
		stdout, stderr string
	}{
		{"user add u:long:enough", "", add("u", "long:enough"), "User u created\n", ""},
		{"user add u:", "", add("u", ""), "User u created\n", strings.Replace(short, "2", "0", 1)},
		{"user add u:p:", "", add("u", "p:"), "User u created\n", short},
		{"user add :p", "", nil, "", "Error: empty user name is not allowed\n"},
		{"user add u", "long enough\nlong enough\nrest", add("u", "long enough"), ask + "User u created\n", ""},
		{"user add u", " p2 \r\np2", add("u", "p2"), ask + "User u created\n", short},
		{"user add u", "p1\np2\n", nil, ask, "Error: given passwords are different\n"},
		{"user add u", "\np\n", nil, "Password of u: \n", "Error: empty password\n"},
		{"user add u --interactive=false", "long enough\nrest", add("u", "long enough"), "User u created\n", ""},
		{"user add u --interactive=false", "", add("u", ""), "User u created\n", strings.Replace(short, "2", "0", 1)},
		{"user add u:p --new-user-password=äöüßäöü8", "", add("u:p", "äöüßäöü8"), "User u:p created\n", ""},
		{"user add u:p --no-password --new-user-password=p", "", &pb.AuthUserAddRequest{
			Name: "u:p", Options: &authpb.UserAddOptions{NoPassword: true},
		}, "User u:p created\n", ""},
		{"user passwd u", "long enough\nlong enough\n", change("long enough"), ask + "Password updated\n", ""},
		{"user passwd u", "p2\np2\n", change("p2"), ask + "Password updated\n", short},
		{"user passwd u", "p1\n", nil, ask, "Error: given passwords are different\n"},
		{"user passwd u --interactive=false", "long enough", change("long enough"), "Password updated\n", ""},
	} {
		s := startServer(t)
		r := s.run(c.stdin, strings.Fields(c.line)...)
		code := 0
		if c.sent == nil {
			code = 128
			checkAsked(t, s)
		} else {
			checkAsked(t, s, c.sent)
		}
		if r.code != code || r.stdout != c.stdout || r.stderr != c.stderr {
			t.Errorf("%s with %q: %+v", c.line, c.stdin, r)
		}
	}
	// Under the name of etcdctl the program says what etcdctl says.
	s := startServer(t)
	r := runProcess(command.Process{Name: "etcdctl", Args: []string{"user", "add", "u:p", "--endpoints", s.address}})
	if r.code != 0 || r.stderr != "" {
		t.Errorf("%+v", r)
	}
}

func TestAuthCan(t *testing.T) {
	s := startServer(t)
	for _, c := range []struct {
		line   string
		code   int
		stdout string
	}{
		{"auth can u get k", 0, "u may get k\n\trole r has READWRITE on k\n"},
		{"auth can u watch a --prefix", 0, "u may watch [a, b) (prefix a)\n\trole r has READ on [a, b) (prefix a)\n"},
		{"auth can u delete x --from-key", 0, "u may delete [x, <open ended>\n\trole s has WRITE on [w, <open ended>\n"},
		{"auth can u put a/1", 1, "u may not put a/1\n\tnone of the roles r, s has WRITE on a/1\n"},
		{
			"auth can u get aa c", 1,
			"u may not get [aa, c)\n\trole r has READ on [a, b) (prefix a)\n\tnone of the roles r, s has READ from b on\n",
		},
		{"auth can nobody get x", 1, "nobody may not get x\n\tthe user has no roles\n"},
		{"auth can root delete '' --prefix", 0, "root may delete [\"\\x00\", <open ended>\n\trole root has READWRITE on [, <open ended>\n"},
		{
			"auth can u put k -w json", 0,
			`{"user":"u","roles":["r","s"],"action":"put","key":"aw==","granted":true,` +
				`"by":[{"role":"r","perm":{"permType":2,"key":"aw=="}}],"authEnabled":true}` + "\n",
		},
		{
			"auth can nobody get a b -w json", 1,
			`{"user":"nobody","roles":[],"action":"get","key":"YQ==","range_end":"Yg==","granted":false,` +
				`"by":[],"missing":"YQ==","authEnabled":true}` + "\n",
		},
	} {
		if r := s.run("", words(c.line)...); r.code != c.code || r.stdout != c.stdout || r.stderr != "" {
			t.Errorf("%s: %+v\nwant %q", c.line, r, c.stdout)
		}
	}
	s = startServer(t)
	s.open = true
	want := "u may not get z\n\tnone of the roles r, s has READ on z\n\tauth is not enabled: until it is, everybody may do everything\n"
	if r := s.run("", "auth", "can", "u", "get", "z"); r.code != 1 || r.stdout != want {
		t.Errorf("%+v", r)
	}
}

// The sentences and codes are those of etcdctl 3.7.3, but for auth can.
func TestErrorsOfAuthCommands(t *testing.T) {
	s := startServer(t)
	for _, c := range []struct {
		line string
		code int
		text string
	}{
		{"auth enable x -w bad", 128, "auth enable command does not accept any arguments"},
		{"auth disable x", 128, "auth disable command does not accept any arguments"},
		{"auth status x", 128, "auth status command does not accept any arguments"},
		{"auth enable -w bad", 4, "unsupported output format"},
		{"auth can", 128, "auth can command needs a user name, an action, a key and an optional range_end as its arguments"},
		{"auth can u get a b c", 128, "auth can command needs a user name, an action, a key and an optional range_end as its arguments"},
		{"auth can u see a", 128, `unknown action "see", it is one of get, put, delete and watch`},
		{"auth can u put a --prefix", 128, "a put is about one key"},
		{"auth can u get a --prefix --from-key", 128, "`--prefix` and `--from-key` cannot be set at the same time, choose one"},
		{"auth can u get a b --prefix", 128, "too many arguments, only accept one argument when `--prefix` or `--from-key` is set"},
		{"auth can u get b a", 128, "range_end is not behind the key, so the interval is empty"},
		{"user add", 128, "user add command requires user name as its argument"},
		{"user add a b", 128, "user add command requires user name as its argument"},
		{"user delete", 128, "user delete command requires user name as its argument"},
		{"user get a b", 128, "user get command requires user name as its argument"},
		{"user list x", 128, "user list command requires no arguments"},
		{"user passwd", 128, "user passwd command requires user name as its argument"},
		{"user grant-role a", 128, "user grant command requires user name and role name as its argument"},
		{"user revoke-role a b c", 128, "user revoke-role requires user name and role name as its argument"},
		{"role add", 128, "role add command requires role name as its argument"},
		{"role delete a b", 128, "role delete command requires role name as its argument"},
		{"role get -w bad", 128, "role get command requires role name as its argument"},
		{"role list x -w bad", 128, "role list command requires no arguments"},
		{"role grant-permission r read", 128, "role grant command requires role name, permission type, and key [endkey] as its argument"},
		{"role grant-permission r bad k --prefix --from-key", 128, "invalid permission type: bad"},
		{"role grant-permission r read k --prefix --from-key", 128, "--from-key and --prefix flags are mutually exclusive"},
		{"role grant-permission r read k e --prefix --from-key", 128, "unexpected endkey argument with --prefix flag"},
		{"role grant-permission r read k e --from-key", 128, "unexpected endkey argument with --from-key flag"},
		{"role revoke-permission r", 128, "role revoke-permission command requires role name and key [endkey] as its argument"},
		{"role revoke-permission r k e --prefix", 128, "unexpected endkey argument with --prefix flag"},
	} {
		r := s.run("", strings.Fields(c.line)...)
		if r.code != c.code || r.stderr != "Error: "+c.text+"\n" || r.stdout != "" {
			t.Errorf("%s: %+v\nwant code %d and %s", c.line, r, c.code, c.text)
		}
	}
	checkAsked(t, s)

	// What a member refuses ends every command with 1, and a format that the answer does not have with 4.
	refusing := startServer(t)
	refusing.refusal, refusing.enableErr = rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCPermissionDenied
	lines := []string{
		"auth enable", "auth disable", "auth status", "user add u:long_enough", "user delete u", "user get u", "user list",
		"user passwd u --interactive=false", "user grant-role u r", "user revoke-role u r", "role add r", "role delete r", "role get r",
		"role list", "role grant-permission r read k", "role revoke-permission r k", "auth can u get k",
	}
	for _, line := range lines {
		if r := refusing.run("long enough", strings.Fields(line)...); r.code != 1 || r.stderr != "Error: etcdserver: permission denied\n" || r.stdout != "" {
			t.Errorf("%s: %+v", line, r)
		}
		if strings.HasPrefix(line, "auth enable") || strings.HasPrefix(line, "auth disable") {
			continue
		}
		if r := s.run("long enough", append(strings.Fields(line), "-w", "table")...); r.code != 4 || r.stderr != "Error: table not supported as output format\n" {
			t.Errorf("%s as table: %+v", line, r)
		}
	}
}

func TestRefusedCredentials(t *testing.T) {
	s := startServer(t)
	s.loginErr = status.Error(codes.InvalidArgument, "etcdserver: authentication failed, invalid user ID or password")
	r := s.run("", "get", "k", "--user", "u:wrong")
	if want := rpctypes.ErrAuthFailed.Error(); r.code != 2 || r.stderr != "Error: "+want+"\n" {
		t.Errorf("%+v", r)
	}
	s.loginErr = status.Error(codes.Unknown, "auth: authentication failed, password was given for no password user")
	r = s.run("", "get", "k", "--user", "u:wrong")
	if want := "rpc error: code = Unknown desc = auth: authentication failed, password was given for no password user"; r.code != 2 || r.stderr != "Error: "+want+"\n" {
		t.Errorf("%+v", r)
	}
}

// Secrets are set by variables, and may be misspelt there: what is shown of them is that they are set (CVE-2021-28235).
func TestSecretsAreNotShown(t *testing.T) {
	s := startServer(t)
	env := []string{"ETCDCTL_USER=root", "ETCDCTL_PASSWORD=hidden1", "ETCDCTL_NEW_USER_PASSWORD=hidden2", "ETCDCTL_JWT_TOKEN=hidden3"}
	r := runWith(env, "", "get", "k", "--debug", "--endpoints", s.address)
	if r.code != 0 || strings.Contains(r.stderr, "hidden") {
		t.Errorf("%+v", r)
	}
	for _, line := range []string{"ETCDCTL_PASSWORD=***\n", "ETCDCTL_USER=root\n", `"ETCDCTL_NEW_USER_PASSWORD=***"`, `"ETCDCTL_JWT_TOKEN=***"`} {
		if !strings.Contains(r.stderr, line) {
			t.Errorf("no %s in %s", line, r.stderr)
		}
	}
	r = runWith([]string{"ETCDCTL_USER=root:hidden", "ETCDCTL_AUTH_JWT_TOKEN=hidden"}, "", "get", "k", "--debug", "--endpoints", s.address)
	if r.code != 0 || strings.Contains(r.stderr, "hidden") || !strings.Contains(r.stderr, "ETCDCTL_USER=root:***\n") {
		t.Errorf("%+v", r)
	}
}
