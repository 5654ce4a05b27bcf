package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// minutes is what becomes of one call after the other.
type minutes struct{ lines []string }

// note writes down the outcome of a call: what parts of the answer say, or the error.
func (m *minutes) note(what string, err error, answer ...any) {
	said := fmt.Sprint(answer...)
	if err != nil {
		said = err.Error()
	}
	m.lines = append(m.lines, what+": "+said)
}

// manageUsers calls every method of etcd's client about users and roles, each through the next member.
func (m *minutes) manageUsers(ctx context.Context, clients []*clientv3.Client) {
	turn := 0
	c := func() *clientv3.Client { turn++; return clients[turn%len(clients)] }
	_, err := c().RoleAdd(ctx, "reader")
	m.note("add role", err)
	_, err = c().RoleAdd(ctx, "reader")
	m.note("add it again", err)
	_, err = c().RoleGrantPermission(ctx, "reader", "a", "b", clientv3.PermissionType(clientv3.PermRead))
	m.note("grant", err)
	_, err = c().RoleGrantPermission(ctx, "reader", "w", clientv3.GetPrefixRangeEnd("w"), clientv3.PermissionType(clientv3.PermReadWrite))
	m.note("grant", err)
	_, err = c().RoleGrantPermission(ctx, "reader", "z", "y", clientv3.PermissionType(clientv3.PermRead))
	m.note("grant nothing", err)
	_, err = c().RoleRevokePermission(ctx, "reader", "q", "")
	m.note("revoke what was not granted", err)
	role, err := c().RoleGet(ctx, "reader")
	m.note("role", err, (*pb.AuthRoleGetResponse)(role).GetPerm())
	_, err = c().UserAdd(ctx, "alice", "first")
	m.note("add user", err)
	_, err = c().UserChangePassword(ctx, "alice", "second")
	m.note("change password", err)
	_, err = c().UserAddWithOptions(ctx, "carol", "", &clientv3.UserAddOptions{NoPassword: true})
	m.note("add user without password", err)
	for _, user := range []string{"alice", "carol", "nobody"} {
		_, err = c().UserGrantRole(ctx, user, "reader")
		m.note("give role to "+user, err)
	}
	user, err := c().UserGet(ctx, "alice")
	m.note("user", err, (*pb.AuthUserGetResponse)(user).GetRoles())
	users, err := c().UserList(ctx)
	m.note("users", err, (*pb.AuthUserListResponse)(users).GetUsers())
	roles, err := c().RoleList(ctx)
	m.note("roles", err, (*pb.AuthRoleListResponse)(roles).GetRoles())
}

// keysOfAll are there from the beginning: one that readers may read, one that they may write, too, and one of others.
var keysOfAll = []string{"a", "w1", "x"}

// useKeys does what users do with keys.
func (m *minutes) useKeys(ctx context.Context, who string, c *clientv3.Client) {
	for _, key := range keysOfAll {
		_, err := c.Put(ctx, key, who)
		m.note(who+" puts "+key, err)
		got, err := c.Get(ctx, key)
		m.note(who+" gets "+key, err, got != nil && len(got.Kvs) == 1)
		_, err = c.Txn(ctx).If(clientv3.Compare(clientv3.Version(key), ">", 0)).Then(clientv3.OpGet(key)).Else(clientv3.OpDelete(key)).Commit()
		m.note(who+" tries a transaction with "+key, err)
		watching, cancel := context.WithCancel(ctx)
		first := <-c.Watch(watching, key, clientv3.WithRev(1))
		m.note(who+" watches "+key, first.Err(), len(first.Events) > 0)
		cancel()
	}
	lease, err := c.Grant(ctx, 600)
	m.note(who+" grants a lease", err)
	if err == nil {
		_, err = c.Put(ctx, "w2", "", clientv3.WithLease(lease.ID))
		m.note(who+" puts with it", err)
		_, err = c.Revoke(ctx, lease.ID)
		m.note(who+" revokes it", err)
	}
	_, err = c.MemberList(ctx)
	m.note(who+" lists members", err)
	_, err = c.Compact(ctx, 1_000_000)
	m.note(who+" compacts", err)
	_, err = c.UserList(ctx)
	m.note(who+" lists users", err)
}

// authOverTLS plays everything on a cluster of three that wants certificates, whose names are the users where no password is given.
func authOverTLS(t *testing.T, kind lab.Kind) []string {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	a := lab.NewAuthority(t)
	cluster := lab.PrepareSecureCluster(t, a, 3, append([]string{"--client-cert-auth", "--bcrypt-cost=4"}, patient...)...)
	cluster.Start(t, kind, kind, kind)
	certificate := func(cn string) *lab.Certificate { c := a.Issue(t, cn); return &c }
	root := certificate("root")
	var roots []*clientv3.Client
	var endpoints []string
	for _, member := range cluster.Members {
		roots = append(roots, lab.ClientAs(t, lab.Identity{Certificate: root}, member))
		endpoints = append(endpoints, member.Endpoint)
	}
	m := &minutes{}
	for _, line := range []string{"user add root:root-pw", "user grant-role root root", "role add root", "user grant-role root root", "auth enable", "auth status"} {
		o := lab.Run(t, "etcdctl", "", append([]string{
			"--endpoints=" + strings.Join(endpoints, ","), "--cacert=" + a.CAFile, "--cert=" + root.CertFile, "--key=" + root.KeyFile,
			"--dial-timeout=20s", "--command-timeout=20s",
		}, strings.Fields(line)...)...)
		out := strings.ReplaceAll(o.Stdout, "AuthRevision", "revision")
		m.note("etcdctl "+line, nil, o.Exit, " ", out, usage(o.Stderr))
	}
	for _, root := range roots {
		_, err := root.Get(ctx, "a") // then auth is enabled at this member, too
		m.note("root gets a", err)
	}
	m.manageUsers(ctx, roots)
	for _, key := range keysOfAll {
		_, err := roots[0].Put(ctx, key, "")
		m.note("root puts "+key, err)
	}
	for i, member := range cluster.Members {
		_, err := roots[i].Get(ctx, "a") // what was changed through others has arrived, then
		m.note("root gets a", err)
		m.useKeys(ctx, "alice", lab.ClientAs(t, lab.Identity{User: "alice", Password: "second", Certificate: certificate("stranger")}, member))
		m.useKeys(ctx, "carol", lab.ClientAs(t, lab.Identity{Certificate: certificate("carol")}, member))
		m.useKeys(ctx, "stranger", lab.ClientAs(t, lab.Identity{Certificate: certificate("stranger")}, member))
		_, err = roots[i].Authenticate(ctx, "alice", "first")
		m.note("an old password", err)
		_, err = roots[i].Authenticate(ctx, "carol", "")
		m.note("no password", err)
	}
	_, err := roots[0].UserRevokeRole(ctx, "alice", "reader")
	m.note("take role", err)
	_, err = roots[1].RoleRevokePermission(ctx, "reader", "a", "b")
	m.note("take permission", err)
	_, err = roots[2].UserDelete(ctx, "alice")
	m.note("delete user", err)
	_, err = roots[0].RoleDelete(ctx, "reader")
	m.note("delete role", err)
	carol, err := roots[1].UserGet(ctx, "carol")
	m.note("carol", err, (*pb.AuthUserGetResponse)(carol).GetRoles())
	status, err := roots[2].AuthStatus(ctx)
	m.note("status", err, (*pb.AuthStatusResponse)(status).GetEnabled(), (*pb.AuthStatusResponse)(status).GetAuthRevision())
	_, err = roots[0].AuthDisable(ctx)
	m.note("disable", err)
	_, err = roots[1].Get(ctx, "a")
	m.note("root gets a", err)
	_, err = lab.ClientAs(t, lab.Identity{Certificate: certificate("stranger")}, cluster.Members[1]).Put(ctx, "x", "")
	m.note("everybody puts", err)
	return m.lines
}

// TestAuthOverTLS lets etcd's client and command line manage and use everything about auth on three members over mutual TLS: what
// becomes of each call is the same as on three members of etcd.
func TestAuthOverTLS(t *testing.T) {
	t.Parallel()
	if lab.Subject(t) == lab.Etcd {
		t.Skip("etcd would be compared with itself")
	}
	want, got := authOverTLS(t, lab.Etcd), authOverTLS(t, lab.Subject(t))
	if len(want) != len(got) {
		t.Fatalf("%d calls on etcd, %d here", len(want), len(got))
	}
	denied := 0
	for i := range want {
		if want[i] != got[i] {
			t.Errorf("etcd: %s\nhere: %s", want[i], got[i])
		}
		if strings.Contains(want[i], "permission denied") {
			denied++
		}
	}
	if denied < 20 {
		t.Errorf("only %d of %d calls were denied", denied, len(want))
	}
}
