package workload

import (
	"fmt"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
)

// admin is the client of root in an auth load: it gives and takes.
type admin struct {
	*client
	users int
	// changed is the password that the wanderer has, as far as is known.
	changed string
	losers  []loser // by their users
}

func (a *admin) step() {
	user := a.random.IntN(a.users)
	switch n := a.random.IntN(20); {
	case n < 4:
		_ = a.giveRole(user)
	case n < 8:
		a.take(user, sharedPrefix, func() error { return a.giveRole(user) }, func() error { return a.takeRole(user) })
	case n < 11:
		_ = a.givePermission(user, authpb.Permission_Type(a.random.IntN(3)), a.foreign(user))
	case n < 13:
		prefix := a.foreign(user)
		give := func() error { return a.givePermission(user, authpb.Permission_READWRITE, prefix) }
		a.take(user, prefix, give, func() error { return a.takePermission(user, prefix) })
	case n < 15:
		a.passing()
	case n < 16:
		a.changePassword()
	case n < 17:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.UserGet, &pb.AuthUserGetRequest{Name: userName(user)})
	case n < 18:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.RoleGet, &pb.AuthRoleGetRequest{Role: roleName(user)})
	case n < 19:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.UserList, &pb.AuthUserListRequest{})
	default:
		_, _ = a.read(prefixRequest(authPrefix))
	}
}

// foreign is the prefix of the user after the next, which only root's changes let a user into.
func (a *admin) foreign(user int) string { return userPrefix((user + 2) % a.users) }

// passing makes a role or a user that does not stay, or takes it away.
func (a *admin) passing() {
	name := fmt.Sprint("passing-", a.random.IntN(2))
	switch a.random.IntN(4) {
	case 0:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.RoleAdd, &pb.AuthRoleAddRequest{Name: name})
	case 1:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.RoleDelete, &pb.AuthRoleDeleteRequest{Role: name})
	case 2:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.UserAdd, &pb.AuthUserAddRequest{Name: name, Password: passwordOf(name), Options: &authpb.UserAddOptions{}})
	default:
		_, _ = call(a.client, (*client).auth, pb.AuthClient.UserDelete, &pb.AuthUserDeleteRequest{Name: name})
	}
}

// changePassword gives the wanderer another password, and looks whether it is the one that counts.
func (a *admin) changePassword() {
	former := a.changed
	next := fmt.Sprintf("%s-%d", passwordOf(wanderer), a.client.step)
	_, err := call(a.client, (*client).auth, pb.AuthClient.UserChangePassword, &pb.AuthUserChangePasswordRequest{Name: wanderer, Password: next})
	if err == nil {
		a.changed = next
	}
	for _, password := range []string{former, a.changed} {
		if !a.next() {
			return
		}
		_, _ = call(a.client, (*client).auth, pb.AuthClient.Authenticate, &pb.AuthenticateRequest{Name: wanderer, Password: password})
	}
}
