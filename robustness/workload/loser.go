package workload

import (
	"fmt"
	"time"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
)

// loser is a client of one user that uses at once what was taken from the user. The other clients of the user come and go as they
// like, and would hardly ever ask a member that has not heard of it yet.
type loser struct{ *client }

// loserPatience is short, since root waits meanwhile.
const loserPatience = time.Second

// losers are one for each user.
func losers(c *client, users int) (all []loser) {
	for i := range users {
		l := loser{c.w.client(seedOf(c.seed, "loser", i))}
		l.user, l.password, l.patience = userName(i), passwordOf(userName(i)), loserPatience
		all = append(all, l)
	}
	return all
}

// prepare goes to another member than the given one, with a token.
func (l loser) prepare(than string) {
	l.turn()
	if l.target.Name == "" || l.target.Name == than {
		l.disconnect()
		l.target, l.token = l.w.another(l.random, than), ""
	}
	_ = l.login() // without a token it tries again when it writes
}

// write tries to.
func (l loser) write(prefix string) {
	key := fmt.Sprint(prefix, "k", l.random.IntN(authKeys))
	_, _ = l.put(putRequest(key, l.value()))
}

// take gives something to a user and takes it away again, and lets the user try it as soon as that was answered well.
func (a *admin) take(user int, prefix string, give, take func() error) {
	l := a.losers[user]
	l.prepare(a.target.Name)
	_ = give() // the user may have it already
	if take() == nil {
		l.write(prefix)
	}
}

func (a *admin) giveRole(user int) error {
	_, err := call(a.client, (*client).auth, pb.AuthClient.UserGrantRole, &pb.AuthUserGrantRoleRequest{User: userName(user), Role: sharedRole})
	return err
}

func (a *admin) takeRole(user int) error {
	_, err := call(a.client, (*client).auth, pb.AuthClient.UserRevokeRole, &pb.AuthUserRevokeRoleRequest{Name: userName(user), Role: sharedRole})
	return err
}

func (a *admin) givePermission(user int, what authpb.Permission_Type, prefix string) error {
	_, err := call(a.client, (*client).auth, pb.AuthClient.RoleGrantPermission, grantPermission(roleName(user), what, prefix))
	return err
}

func (a *admin) takePermission(user int, prefix string) error {
	_, err := call(a.client, (*client).auth, pb.AuthClient.RoleRevokePermission, &pb.AuthRoleRevokePermissionRequest{
		Role: roleName(user), Key: []byte(prefix), RangeEnd: prefixEnd(prefix),
	})
	return err
}
