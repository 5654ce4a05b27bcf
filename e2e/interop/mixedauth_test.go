package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestAuthInMixedClusters changes users, roles and permissions through every member of clusters of etcd and the server under test,
// with either as leader. All members answer alike, also one that comes back with a database of the other kind (etcd#14571) and after
// restarts (etcd#11651, #13946, #14355), and leases run out with auth on (etcd#13205).
func TestAuthInMixedClusters(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{{subject, lab.Etcd, subject}, {lab.Etcd, subject, lab.Etcd}} {
		t.Run(fmt.Sprintf("%s-%s-%s", kinds[0], kinds[1], kinds[2]), func(t *testing.T) {
			t.Parallel()
			c := lab.PrepareCluster(t, 3, "--bcrypt-cost=4", "--snapshot-count=50", "--snapshot-catchup-entries=10")
			c.Start(t, kinds...)
			furnishAuth(t, c.Members[0])
			c.Speak(login("root"))
			for round, kind := range []lab.Kind{subject, lab.Etcd} {
				leader := lead(t, c, kind)
				for _, m := range c.Members {
					changeUsers(t, m, fmt.Sprint(round, m.Name))
				}
				expectSameAuth(t, c.Members)
				tokensGoEverywhere(t, c.Members)
				expectSameAccess(t, c.Members, "alice")
				leasesRunOut(t, c.Members)

				behind := c.Members[1]
				if behind == leader {
					behind = c.Members[0]
				}
				missMuch(t, c, behind, fmt.Sprint("meanwhile", round))
				expectSameAuth(t, c.Members)
				expectSameAccess(t, c.Members, "carol")
				for _, m := range c.Members {
					m.Kill(t)
					leaderOf(t, others(c.Members, m)...)
					changeUsers(t, others(c.Members, m)[0], fmt.Sprint("without", round, m.Name))
					m.Start(t, m.Kind)
				}
				expectSameAuth(t, c.Members)
				expectSameAccess(t, c.Members, "alice")
				expectAlike(t, c.Members)
			}
		})
	}
}

// changeUsers changes something of everything through one member: who has a role, what it permits, a password.
func changeUsers(t *testing.T, m *lab.Member, tag string) {
	t.Helper()
	auth := pb.NewAuthClient(m.Conn(t))
	user, role := "user"+tag, "role"+tag
	made(t, "already exists", func() (*pb.AuthRoleAddResponse, error) {
		return auth.RoleAdd(deadline(t), &pb.AuthRoleAddRequest{Name: role})
	})
	for _, perm := range []*authpb.Permission{
		{Key: []byte("a" + tag), PermType: authpb.WRITE}, {Key: []byte("w/"), RangeEnd: []byte("w/z"), PermType: authpb.READWRITE}, {Key: []byte("b"), RangeEnd: []byte{0}},
	} {
		succeeding(t, func() (*pb.AuthRoleGrantPermissionResponse, error) {
			return auth.RoleGrantPermission(deadline(t), &pb.AuthRoleGrantPermissionRequest{Name: role, Perm: perm})
		})
	}
	made(t, "permission is not granted", func() (*pb.AuthRoleRevokePermissionResponse, error) {
		return auth.RoleRevokePermission(deadline(t), &pb.AuthRoleRevokePermissionRequest{Role: role, Key: []byte("a" + tag)})
	})
	for _, name := range []string{user, "gone" + tag} {
		made(t, "already exists", func() (*pb.AuthUserAddResponse, error) {
			return auth.UserAdd(deadline(t), &pb.AuthUserAddRequest{Name: name, Password: "p", Options: &authpb.UserAddOptions{}})
		})
		for _, role := range []string{role, "reader"} {
			succeeding(t, func() (*pb.AuthUserGrantRoleResponse, error) {
				return auth.UserGrantRole(deadline(t), &pb.AuthUserGrantRoleRequest{User: name, Role: role})
			})
		}
	}
	made(t, "role is not granted", func() (*pb.AuthUserRevokeRoleResponse, error) {
		return auth.UserRevokeRole(deadline(t), &pb.AuthUserRevokeRoleRequest{Name: user, Role: "reader"})
	})
	succeeding(t, func() (*pb.AuthUserChangePasswordResponse, error) {
		return auth.UserChangePassword(deadline(t), &pb.AuthUserChangePasswordRequest{Name: user, Password: "p2"})
	})
	made(t, "user name not found", func() (*pb.AuthUserDeleteResponse, error) {
		return auth.UserDelete(deadline(t), &pb.AuthUserDeleteRequest{Name: "gone" + tag})
	})
	if strings.HasPrefix(tag, "m") { // then there is a role less as well
		made(t, "role name not found", func() (*pb.AuthRoleDeleteResponse, error) {
			return auth.RoleDelete(deadline(t), &pb.AuthRoleDeleteRequest{Role: role})
		})
	}
}

// authAt is all that a member knows of users and roles.
func authAt(t *testing.T) func(*lab.Member) (string, error) {
	return func(m *lab.Member) (string, error) {
		auth := pb.NewAuthClient(m.Conn(t))
		status, err := auth.AuthStatus(deadline(t), &pb.AuthStatusRequest{})
		if err != nil {
			return "", err
		}
		users, err := auth.UserList(deadline(t), &pb.AuthUserListRequest{})
		if err != nil {
			return "", err
		}
		roles, err := auth.RoleList(deadline(t), &pb.AuthRoleListRequest{})
		if err != nil {
			return "", err
		}
		lines := []string{fmt.Sprint("enabled ", status.Enabled, " revision ", status.AuthRevision)}
		for _, name := range users.Users {
			r, err := auth.UserGet(deadline(t), &pb.AuthUserGetRequest{Name: name})
			if err != nil {
				return "", err
			}
			lines = append(lines, fmt.Sprint(name, " is ", r.Roles))
		}
		for _, name := range roles.Roles {
			r, err := auth.RoleGet(deadline(t), &pb.AuthRoleGetRequest{Role: name})
			if err != nil {
				return "", err
			}
			for _, p := range r.Perm {
				lines = append(lines, fmt.Sprintf("%s may %s %q %q", name, p.PermType, p.Key, p.RangeEnd))
			}
		}
		return strings.Join(lines, "\n"), nil
	}
}

func expectSameAuth(t *testing.T, members []*lab.Member) {
	t.Helper()
	settle(t, "users and roles", members, authAt(t))
}

// expectSameAccess lets somebody attempt everything at every member. What a member answers from its own state, as the number of leases,
// may be that of a moment ago.
func expectSameAccess(t *testing.T, members []*lab.Member, user string) {
	t.Helper()
	var conns []*grpc.ClientConn
	for _, m := range members {
		conns = append(conns, m.ConnAs(t, login(user)))
	}
	for _, attempt := range attempts() {
		settle(t, user+"'s attempt to "+attempt.what, members, func(m *lab.Member) (string, error) {
			return attempt.outcome(t, conns[slices.Index(members, m)]), nil
		})
	}
}

// tokensGoEverywhere uses the token that one member gave at every other one. A token ends with the index of the entry before the one
// that assigns it, and etcd waits for no more than that: it may refuse a token for a moment, which the server under test must not.
func tokensGoEverywhere(t *testing.T, members []*lab.Member) {
	t.Helper()
	for _, from := range members {
		r := must[*pb.AuthenticateResponse](t)(pb.NewAuthClient(from.ConnAs(t, lab.Identity{})).Authenticate(deadline(t),
			&pb.AuthenticateRequest{Name: "alice", Password: "alice-pw"}))
		for _, at := range members {
			kv := pb.NewKVClient(at.ConnAs(t, lab.Identity{Token: r.Token}))
			if at.Kind == lab.Etcd {
				eventually(t, "a token arrives", func() bool {
					_, err := kv.Range(deadline(t), &pb.RangeRequest{Key: []byte("w/"), Serializable: true})
					return err == nil || !strings.Contains(err.Error(), "invalid auth token")
				})
			}
			if _, err := kv.Put(deadline(t), &pb.PutRequest{Key: []byte("w/" + from.Name + at.Name)}); err != nil {
				t.Errorf("a token of %s (%s) at %s (%s): %v", from.Name, from.Kind, at.Name, at.Kind, err)
			}
			if _, err := kv.Put(deadline(t), &pb.PutRequest{Key: []byte("secret")}); err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("a token of %s (%s) for too much at %s (%s): %v", from.Name, from.Kind, at.Name, at.Kind, err)
			}
		}
	}
}

// leasesRunOut grants short leases as somebody who may not do much, through each member.
func leasesRunOut(t *testing.T, members []*lab.Member) {
	t.Helper()
	var keys []string
	for _, m := range members {
		conn := m.ConnAs(t, login("alice"))
		r := must[*pb.LeaseGrantResponse](t)(pb.NewLeaseClient(conn).LeaseGrant(deadline(t), &pb.LeaseGrantRequest{TTL: shortTTL}))
		key := "w/held/" + m.Name
		must[*pb.PutResponse](t)(pb.NewKVClient(conn).Put(deadline(t), &pb.PutRequest{Key: []byte(key), Lease: r.ID}))
		keys = append(keys, key)
	}
	for _, m := range members {
		for _, key := range keys {
			awaitGone(t, m, key)
		}
	}
}

// missMuch lets a member be away until the log does not reach back to it any more. Users come and go meanwhile.
func missMuch(t *testing.T, c *lab.Cluster, m *lab.Member, tag string) {
	t.Helper()
	databases := m.LogCount(t, appliedDatabase)
	m.Kill(t)
	at := others(c.Members, m)
	leaderOf(t, at...)
	changeUsers(t, at[0], tag)
	kv := pb.NewKVClient(at[1].ConnAs(t, login("alice")))
	for i := range 150 {
		must[*pb.PutResponse](t)(kv.Put(deadline(t), &pb.PutRequest{Key: fmt.Appendf(nil, "w/%d", i)}))
	}
	m.Start(t, m.Kind)
	eventually(t, "a member goes on with the leader's database", func() bool { return m.LogCount(t, appliedDatabase) > databases })
}
