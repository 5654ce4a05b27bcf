package workload

import (
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
)

// Auth lets users read and write where they may and where they may not, while root changes what they may. SetupAuth has to come first,
// and the options have to name root.
type Auth struct {
	// Users is how many there are, each with one client; 0: 5. Rate is how many calls each makes a second; 0: 20. AdminRate is how
	// many changes root makes a second; 0: 3.
	Users           int
	Rate, AdminRate float64
}

// Name is "auth".
func (Auth) Name() string { return "auth" }

func (k Auth) users() int { return max(2, or(k.Users, 5)) }

// authKeys is how many keys there are below each prefix.
const authKeys = 3

func (k Auth) bodies() []body {
	all := paced(k.users(), or(k.Rate, 20), func(c *client, i int) {
		u := &authUser{client: c, i: i, users: k.users()}
		u.user, u.password = userName(i), passwordOf(userName(i))
		for c.next() {
			u.step()
		}
	})
	return append(all, paced(1, or(k.AdminRate, 3), func(c *client, _ int) {
		a := &admin{client: c, users: k.users(), changed: passwordOf(wanderer), losers: losers(c, k.users())}
		for _, l := range a.losers {
			defer l.disconnect()
		}
		for c.next() {
			a.step()
		}
	})...)
}

// authUser is a client of one user.
type authUser struct {
	*client
	i, users int
}

// place draws where to read or write: mostly what is the user's own, or else what is the neighbour's, everybody's, or another one's.
func (u *authUser) place() string {
	switch n := u.random.IntN(10); {
	case n < 4:
		return userPrefix(u.i)
	case n < 6:
		return userPrefix((u.i + 1) % u.users)
	case n < 9:
		return sharedPrefix
	default:
		return userPrefix(u.random.IntN(u.users))
	}
}

func (u *authUser) key() string { return fmt.Sprint(u.place(), "k", u.random.IntN(authKeys)) }

func (u *authUser) step() {
	switch n := u.random.IntN(16); {
	case n < 5:
		r := putRequest(u.key(), u.value())
		r.PrevKv = u.chance(3)
		_, _ = u.put(r)
	case n < 9:
		r := getRequest(u.key())
		r.Serializable = u.chance(4)
		_, _ = u.read(r)
	case n < 11:
		_, _ = u.read(prefixRequest(u.place()))
	case n < 12:
		_, _ = u.read(prefixRequest(authPrefix)) // more than anybody but root may
	case n < 13:
		_, _ = u.remove(&pb.DeleteRangeRequest{Key: []byte(u.key()), PrevKv: u.chance(2)})
	default:
		// What it may not in the branch that is not taken counts as well, and so does what is nested.
		r := guarded(u.key(), compareVersion(u.key(), u.random.Int64N(2)), putOp(putRequest(u.key(), u.value())))
		if u.chance(2) {
			r = &pb.TxnRequest{Success: []*pb.RequestOp{txnOp(r)}}
		}
		_, _ = u.txn(r)
	}
}
