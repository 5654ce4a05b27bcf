package auth

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

// hung is which keys hang on which lease.
type hung map[lease.ID][]string

func (h hung) EveryKey(id lease.ID, ok func(string) bool) bool {
	for _, key := range h[id] {
		if !ok(key) {
			return false
		}
	}
	return true
}

// need is one thing that a request does.
type need struct {
	write    bool
	key, end string
}

// needsOf lists everything that a request could do, in the obvious way.
func needsOf(r any, leases hung) (all []need) {
	lines := func(more ...need) { all = append(all, more...) }
	switch r := r.(type) {
	case *pb.RangeRequest:
		lines(need{false, string(r.Key), string(r.RangeEnd)})
	case *pb.DeleteRangeRequest:
		lines(need{true, string(r.Key), string(r.RangeEnd)})
		if r.PrevKv {
			lines(need{false, string(r.Key), string(r.RangeEnd)})
		}
	case *pb.PutRequest:
		lines(need{true, string(r.Key), ""})
		if r.PrevKv {
			lines(need{false, string(r.Key), ""})
		}
		for _, key := range leases[lease.ID(r.Lease)] {
			lines(need{true, key, ""})
		}
	case *pb.TxnRequest:
		for _, c := range r.Compare {
			lines(need{false, string(c.Key), string(c.RangeEnd)})
		}
		for _, op := range append(append([]*pb.RequestOp(nil), r.Success...), r.Failure...) {
			for _, nested := range []any{op.GetRequestRange(), op.GetRequestPut(), op.GetRequestDeleteRange(), op.GetRequestTxn()} {
				switch n := nested.(type) {
				case *pb.RangeRequest:
					if n != nil {
						lines(needsOf(n, leases)...)
					}
				case *pb.PutRequest:
					if n != nil {
						lines(needsOf(n, leases)...)
					}
				case *pb.DeleteRangeRequest:
					if n != nil {
						lines(needsOf(n, leases)...)
					}
				case *pb.TxnRequest:
					if n != nil {
						lines(needsOf(n, leases)...)
					}
				}
			}
		}
	}
	return all
}

// world makes permissions and requests at random.
type world struct{ *rand.Rand }

func (w world) bytes(least int) []byte { return []byte(randomKey(w.Rand, least)) }

func (w world) request(depth int) any {
	switch n := w.IntN(4); {
	case n == 0:
		return &pb.RangeRequest{Key: w.bytes(1), RangeEnd: w.bytes(0)}
	case n == 1:
		return &pb.PutRequest{Key: w.bytes(1), PrevKv: w.IntN(4) == 0, Lease: int64(w.IntN(3))}
	case n == 2 || depth == 0:
		return &pb.DeleteRangeRequest{Key: w.bytes(1), RangeEnd: w.bytes(0), PrevKv: w.IntN(4) == 0}
	}
	t := new(pb.TxnRequest)
	for range w.IntN(2) {
		t.Compare = append(t.Compare, &pb.Compare{Key: w.bytes(1), RangeEnd: w.bytes(0)})
	}
	for range w.IntN(3) {
		t.Success = append(t.Success, operation(w.request(depth-1)))
	}
	for range w.IntN(2) {
		t.Failure = append(t.Failure, operation(w.request(depth-1)))
	}
	return t
}

func operation(request any) *pb.RequestOp {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	case *pb.PutRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}}
	case *pb.DeleteRangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: request.(*pb.TxnRequest)}}
}

func entry(request any) *pb.InternalRaftRequest {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return &pb.InternalRaftRequest{Range: r}
	case *pb.PutRequest:
		return &pb.InternalRaftRequest{Put: r}
	case *pb.DeleteRangeRequest:
		return &pb.InternalRaftRequest{DeleteRange: r}
	}
	return &pb.InternalRaftRequest{Txn: request.(*pb.TxnRequest)}
}

// TestDecisionsAreThoseOfTheParts compares with a twin that lists all parts of a request, and follows each of them through the
// permissions one by one (CVE-2026-33343, CVE-2026-44283).
func TestDecisionsAreThoseOfTheParts(t *testing.T) {
	const seed, rounds = 33343, 300
	g := NewWithT(t)
	w := world{rand.New(rand.NewPCG(seed, 0))}
	outcomes := map[bool]int{}
	for range rounds {
		v := &View{enabled: true, revision: 5, users: map[string]*user{}, roles: map[string]*authpb.Role{}}
		var read, write []span
		row := &authpb.User{Name: []byte("u")}
		for _, name := range []string{"r1", "r2", "r3"} {
			role := &authpb.Role{Name: []byte(name)}
			for range w.IntN(4) {
				p := permission(authpb.Permission_Type(w.IntN(3)), randomKey(w.Rand, 1), randomKey(w.Rand, 0))
				role.KeyPermission = append(role.KeyPermission, p)
				if s := spanOf(string(p.Key), string(p.RangeEnd)); name != "r3" { // which the user does not have
					if p.PermType != authpb.Permission_WRITE {
						read = append(read, s)
					}
					if p.PermType != authpb.Permission_READ {
						write = append(write, s)
					}
				}
			}
			v.roles[name] = role
			if name != "r3" {
				row.Roles = append(row.Roles, name)
			}
		}
		v.users["u"] = newUser(row)
		leases := hung{1: {randomKey(w.Rand, 1)}, 2: {randomKey(w.Rand, 1), randomKey(w.Rand, 1)}}
		for range 100 {
			request := w.request(4)
			want := true
			for _, n := range needsOf(request, leases) {
				granted := read
				if n.write {
					granted = write
				}
				want = want && slowly(granted, spanOf(n.key, n.end))
			}
			err := v.Decide(Identity{"u", 5}, entry(request), leases)
			if (err == nil) != want || (err != nil && !errors.Is(err, ErrPermissionDenied)) {
				t.Fatalf("seed %d: read %+v, write %+v, leases %v: %v: got %v, want allowed %v", seed, read, write, leases, request, err, want)
			}
			outcomes[want]++
		}
	}
	g.Expect(outcomes[true]).To(BeNumerically(">", 3000))
	g.Expect(outcomes[false]).To(BeNumerically(">", 3000))
}

// TestWhoIsNoUser: the answers of etcd 3.7.3 to senders that are nobody, not any more, or not yet.
func TestWhoIsNoUser(t *testing.T) {
	s := fresh(t)
	s.withRoot(t)
	s.must(t, s.AddUser(newUserRequest("u")), s.AddRole("r"), s.GrantRole("u", "r"), s.GrantPermission("r", permission(authpb.Permission_READWRITE, "a", "b")), s.Enable())
	now := s.View().Revision()
	put := entry(&pb.PutRequest{Key: []byte("a")})
	empty := entry(&pb.TxnRequest{})
	revoke := &pb.InternalRaftRequest{LeaseRevoke: &pb.LeaseRevokeRequest{ID: 1}}
	add := &pb.InternalRaftRequest{AuthRoleAdd: &pb.AuthRoleAddRequest{Name: "x"}}
	leases := hung{1: {"z"}}
	for name, c := range map[string]struct {
		who                     Identity
		put, empty, revoke, add error
	}{
		"nobody":        {Identity{}, ErrUserEmpty, nil, ErrUserEmpty, ErrUserEmpty},
		"a user":        {Identity{"u", now}, nil, nil, ErrPermissionDenied, ErrPermissionDenied},
		"an old one":    {Identity{"u", now - 1}, ErrAuthOldRevision, nil, ErrAuthOldRevision, ErrPermissionDenied},
		"a later one":   {Identity{"u", now + 1}, nil, nil, ErrPermissionDenied, ErrPermissionDenied},
		"a stranger":    {Identity{"x", now}, ErrPermissionDenied, nil, ErrPermissionDenied, ErrUserNotFound},
		"without name":  {Identity{"", now}, ErrPermissionDenied, nil, ErrPermissionDenied, ErrUserEmpty},
		"root":          {Identity{Root, now}, nil, nil, nil, nil},
		"root, but old": {Identity{Root, now - 1}, ErrAuthOldRevision, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			for r, want := range map[*pb.InternalRaftRequest]error{put: c.put, empty: c.empty, revoke: c.revoke, add: c.add} {
				if got := s.View().Decide(c.who, r, leases); want == nil {
					w.Expect(got).NotTo(HaveOccurred(), r.String())
				} else {
					w.Expect(got).To(MatchError(want), r.String())
				}
			}
		})
	}
	// What members send themselves has no sender.
	w := NewWithT(t)
	for _, r := range []*pb.InternalRaftRequest{
		{LeaseCheckpoint: &pb.LeaseCheckpointRequest{}}, {Alarm: &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE}}, {Compaction: &pb.CompactionRequest{}},
		{Authenticate: &pb.InternalAuthenticateRequest{}}, {LeaseGrant: &pb.LeaseGrantRequest{}},
	} {
		w.Expect(s.View().Decide(Identity{}, r, leases)).To(Succeed(), r.String())
	}
	s.Disable()
	w.Expect(s.View().Decide(Identity{}, put, leases)).To(Succeed())
	w.Expect(s.View().Seen(Identity{"u", 1})).To(Succeed())
}

// TestDecisionsNeedNoMemory: with thousands of permissions, too, they are a search.
func TestDecisionsNeedNoMemory(t *testing.T) {
	w := NewWithT(t)
	role := &authpb.Role{Name: []byte("r")}
	for i := range 5000 {
		role.KeyPermission = append(role.KeyPermission, permission(authpb.Permission_READWRITE, fmt.Sprintf("k%05d", i), ""))
	}
	v := &View{
		enabled: true, revision: 5, roles: map[string]*authpb.Role{"r": role},
		users: map[string]*user{"u": newUser(&authpb.User{Name: []byte("u"), Roles: []string{"r"}})},
	}
	r := entry(&pb.PutRequest{Key: []byte("k02500"), PrevKv: true})
	key, end := []byte("k00000"), []byte("k00001")
	w.Expect(testing.AllocsPerRun(100, func() {
		if err := errors.Join(v.Decide(Identity{"u", 5}, r, nil), v.Read(Identity{"u", 5}, key, nil)); err != nil {
			t.Error(err)
		}
		if v.Read(Identity{"u", 5}, key, end) == nil {
			t.Error("there are keys between the two")
		}
	})).To(BeZero())
}
