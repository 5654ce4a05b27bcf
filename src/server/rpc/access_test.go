package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"

	"quoin.dev/server/config"
)

// guarded is a member that asks who is there: root may do everything; the user limited may read from a to b, write from c to d, and
// do both from e to f; the user bare has no role.
type guarded struct {
	*served
	tokens map[string]string // by user
	// Leases: one without a key, and one each with a key that limited may not touch, may write, may read.
	keyless, foreign, writable, readable int64
	locks                                int
}

const (
	nobody  = "nobody"
	forger  = "forger" // shows a token that nobody made
	bare    = "bare"
	limited = "limited"
	root    = "root"
)

func guard(t *testing.T) *guarded {
	t.Helper()
	w := NewWithT(t)
	s := serve(t, func(cfg *config.Config) { cfg.Security.BcryptCost = 4 })
	g := &guarded{served: s, tokens: map[string]string{nobody: "", forger: "abcdefghijklmnop.1"}}
	g.keyless, g.foreign, g.writable, g.readable = g.lease(t), g.lease(t, "Z"), g.lease(t, "cz"), g.lease(t, "az")
	a := pb.NewAuthClient(s.conn)
	for _, user := range []string{root, limited, bare} {
		_, err := a.UserAdd(t.Context(), &pb.AuthUserAddRequest{Name: user, Password: "secret of " + user})
		w.Expect(err).NotTo(HaveOccurred())
	}
	_, err := a.RoleAdd(t.Context(), &pb.AuthRoleAddRequest{Name: "some"})
	w.Expect(err).NotTo(HaveOccurred())
	for _, p := range []*authpb.Permission{
		{PermType: authpb.Permission_READ, Key: []byte("a"), RangeEnd: []byte("b")},
		{PermType: authpb.Permission_WRITE, Key: []byte("c"), RangeEnd: []byte("d")},
		{PermType: authpb.Permission_READWRITE, Key: []byte("e"), RangeEnd: []byte("f")},
	} {
		_, err = a.RoleGrantPermission(t.Context(), &pb.AuthRoleGrantPermissionRequest{Name: "some", Perm: p})
		w.Expect(err).NotTo(HaveOccurred())
	}
	for user, role := range map[string]string{root: "root", limited: "some"} {
		_, err = a.UserGrantRole(t.Context(), &pb.AuthUserGrantRoleRequest{User: user, Role: role})
		w.Expect(err).NotTo(HaveOccurred())
	}
	_, err = a.AuthEnable(t.Context(), &pb.AuthEnableRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	for _, user := range []string{root, limited, bare} {
		r, err := a.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: user, Password: "secret of " + user})
		w.Expect(err).NotTo(HaveOccurred())
		g.tokens[user] = r.Token
	}
	return g
}

// lease makes a lease with keys, before authentication is on.
func (g *guarded) lease(t *testing.T, keys ...string) int64 {
	t.Helper()
	w := NewWithT(t)
	l, err := pb.NewLeaseClient(g.conn).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 6000})
	w.Expect(err).NotTo(HaveOccurred())
	for _, key := range keys {
		_, err := g.kv.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Lease: l.ID})
		w.Expect(err).NotTo(HaveOccurred())
	}
	return l.ID
}

// as is the context of a request of a user.
func (g *guarded) as(t *testing.T, user string) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	if g.tokens[user] == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, g.tokens[user])
}

// refusedBecause is the text of a refusal, "" for a request that was let through, whatever became of it.
func refusedBecause(err error) string {
	for _, refusal := range []error{
		rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCAuthOldRevision,
	} {
		if err != nil && strings.HasSuffix(status.Convert(err).Message(), status.Convert(refusal).Message()) {
			return status.Convert(refusal).Message()
		}
	}
	return ""
}

// call is one request; asks is the method that it is about.
type call struct {
	asks string
	what string
	do   func(context.Context, *guarded) error
	// allowed says that limited may do it.
	allowed bool
}

// unary calls a method with a request.
func unary[R any](method, what string, allowed bool, request func(*guarded) any) call {
	return call{method, what, func(ctx context.Context, g *guarded) error {
		return g.conn.Invoke(ctx, method, request(g), new(R))
	}, allowed}
}

func just(request any) func(*guarded) any { return func(*guarded) any { return request } }

// streaming calls a method with a stream, sends one message and waits for one.
func streaming[Q, R any](method, what string, allowed bool, request func(*guarded) *Q, judge func(*R) error) call {
	return call{method, what, func(ctx context.Context, g *guarded) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := g.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(request(g)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		answer := new(R)
		if err := stream.RecvMsg(answer); err != nil {
			return err
		}
		return judge(answer)
	}, allowed}
}

func fine[R any](*R) error { return nil }

// wrapped is an operation in as many transactions as depth says, by turns in the branch that runs and in the other.
func wrapped(depth int, request any) *pb.TxnRequest {
	inner := op(request)
	for n := 1; ; n++ {
		t := &pb.TxnRequest{Success: []*pb.RequestOp{inner}}
		if n%2 == 0 {
			t = &pb.TxnRequest{Failure: []*pb.RequestOp{inner}}
		}
		if n == depth {
			return t
		}
		inner = op(t)
	}
}

func ranging(key, end string) *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte(key), RangeEnd: []byte(end)}
}
func putting(key string) *pb.PutRequest { return &pb.PutRequest{Key: []byte(key)} }
func deleting(key, end string, previous bool) *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end), PrevKv: previous}
}

func keyCalls() []call {
	onLease := func(id func(*guarded) int64) func(*guarded) any {
		return func(g *guarded) any { return &pb.PutRequest{Key: []byte("c"), Lease: id(g)} }
	}
	foreign := func(g *guarded) int64 { return g.foreign }
	comparing := &pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte("c"), Target: pb.Compare_VERSION}}}
	calls := []call{
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "a", true, just(ranging("a", ""))),
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "a, serializable", true, just(&pb.RangeRequest{Key: []byte("a"), Serializable: true})),
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "a to b", true, just(ranging("a", "b"))),
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "a to c", false, just(ranging("a", "c"))),
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "from a on", false, just(ranging("a", "\x00"))),
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "c", false, just(ranging("c", ""))),
		unary[pb.RangeResponse](pb.KV_Range_FullMethodName, "c, serializable", false, just(&pb.RangeRequest{Key: []byte("c"), Serializable: true})),
		streaming(pb.KV_RangeStream_FullMethodName, "a to b", true, func(*guarded) *pb.RangeRequest { return ranging("a", "b") }, fine[pb.RangeStreamResponse]),
		streaming(pb.KV_RangeStream_FullMethodName, "a to c", false, func(*guarded) *pb.RangeRequest { return ranging("a", "c") }, fine[pb.RangeStreamResponse]),
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "c", true, just(putting("c"))),
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "a", false, just(putting("a"))),
		// CVE-2026-44283: the previous value is a read, and a lease ends with all of its keys.
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "c, with the previous value", false, just(&pb.PutRequest{Key: []byte("c"), PrevKv: true})),
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "e, with the previous value", true, just(&pb.PutRequest{Key: []byte("e"), PrevKv: true})),
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "c on a foreign lease", false, onLease(foreign)),
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "c on a lease of its own", true, onLease(func(g *guarded) int64 { return g.writable })),
		unary[pb.PutResponse](pb.KV_Put_FullMethodName, "c on no lease at all", true, onLease(func(*guarded) int64 { return 404 })),
		unary[pb.DeleteRangeResponse](pb.KV_DeleteRange_FullMethodName, "c", true, just(deleting("c", "", false))),
		unary[pb.DeleteRangeResponse](pb.KV_DeleteRange_FullMethodName, "c, with the previous value", false, just(deleting("c", "", true))),
		unary[pb.DeleteRangeResponse](pb.KV_DeleteRange_FullMethodName, "a", false, just(deleting("a", "", false))),
		unary[pb.DeleteRangeResponse](pb.KV_DeleteRange_FullMethodName, "from c on", false, just(deleting("c", "\x00", false))),
		unary[pb.TxnResponse](pb.KV_Txn_FullMethodName, "compare c", false, just(comparing)),
		unary[pb.CompactionResponse](pb.KV_Compact_FullMethodName, "", false, just(&pb.CompactionRequest{Revision: 1 << 40})),
	}
	// CVE-2026-33343: what is nested counts, however deep, and whether it would run or not.
	for depth := 1; depth <= 5; depth++ {
		for _, c := range []struct {
			what    string
			request any
			allowed bool
		}{
			{"range a", ranging("a", "b"), true}, {"range c", ranging("c", ""), false},
			{"put c", putting("c"), true}, {"put a", putting("a"), false},
			{"put c with the previous value", &pb.PutRequest{Key: []byte("c"), PrevKv: true}, false},
			{"delete e with the previous value", deleting("e", "", true), true},
			{"delete c with the previous value", deleting("c", "", true), false},
			{"delete from c on", deleting("c", "\x00", false), false},
			{"compare c", comparing, false},
		} {
			calls = append(calls, unary[pb.TxnResponse](pb.KV_Txn_FullMethodName, fmt.Sprintf("%s, at depth %d", c.what, depth), c.allowed, just(wrapped(depth, c.request))))
		}
		calls = append(calls, unary[pb.TxnResponse](pb.KV_Txn_FullMethodName, fmt.Sprintf("put c on a foreign lease, at depth %d", depth), false,
			func(g *guarded) any { return wrapped(depth, onLease(foreign)(g)) }))
	}
	watching := func(key, end string, allowed bool) call {
		create := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte(key), RangeEnd: []byte(end)}}}
		return streaming(pb.Watch_Watch_FullMethodName, fmt.Sprintf("%q to %q", key, end), allowed, func(*guarded) *pb.WatchRequest { return create },
			func(r *pb.WatchResponse) error {
				if r.Canceled && r.WatchId != -1 {
					return errors.New("canceled, and has an id")
				}
				if r.Canceled {
					return errors.New(r.CancelReason)
				}
				return nil
			})
	}
	// CVE-2026-73499: a watch without end needs more than its first key.
	return append(calls, watching("a", "", true), watching("a", "b", true), watching("a", "\x00", false), watching("a", "c", false), watching("", "", false), watching("c", "", false))
}

// leaseCalls: CVE-2026-33413 for all of them, CVE-2023-32082 for the keys of a foreign lease.
func leaseCalls() []call {
	left := func(what string, allowed, keys bool, id func(*guarded) int64) call {
		return unary[pb.LeaseTimeToLiveResponse](pb.Lease_LeaseTimeToLive_FullMethodName, what, allowed, func(g *guarded) any {
			return &pb.LeaseTimeToLiveRequest{ID: id(g), Keys: keys}
		})
	}
	renew := func(what string, allowed bool, id func(*guarded) int64) call {
		return streaming(pb.Lease_LeaseKeepAlive_FullMethodName, what, allowed, func(g *guarded) *pb.LeaseKeepAliveRequest {
			return &pb.LeaseKeepAliveRequest{ID: id(g)}
		}, fine[pb.LeaseKeepAliveResponse])
	}
	revoke := func(what string, allowed bool, id func(*guarded) int64) call {
		return unary[pb.LeaseRevokeResponse](pb.Lease_LeaseRevoke_FullMethodName, what, allowed, func(g *guarded) any { return &pb.LeaseRevokeRequest{ID: id(g)} })
	}
	keyless, foreign := func(g *guarded) int64 { return g.keyless }, func(g *guarded) int64 { return g.foreign }
	writable, readable := func(g *guarded) int64 { return g.writable }, func(g *guarded) int64 { return g.readable }
	unknown := func(*guarded) int64 { return 404 }
	return []call{
		unary[pb.LeaseGrantResponse](pb.Lease_LeaseGrant_FullMethodName, "", true, just(&pb.LeaseGrantRequest{TTL: 6000})),
		left("foreign, without its keys", true, false, foreign), left("foreign", false, true, foreign), left("writable", false, true, writable),
		left("readable", true, true, readable), left("keyless", true, true, keyless), left("unknown", true, true, unknown),
		renew("foreign", false, foreign), renew("readable", false, readable), renew("writable", true, writable), renew("keyless", true, keyless), renew("unknown", true, unknown),
		unary[pb.LeaseLeasesResponse](pb.Lease_LeaseLeases_FullMethodName, "", false, just(&pb.LeaseLeasesRequest{})),
		revoke("foreign", false, foreign), revoke("readable", false, readable), revoke("unknown", true, unknown),
		// These end with the first who may.
		revoke("keyless", true, keyless), revoke("writable", true, writable),
	}
}

// clusterCalls: CVE-2026-33413.
func clusterCalls() []call {
	return []call{
		unary[pb.MemberListResponse](pb.Cluster_MemberList_FullMethodName, "", true, just(&pb.MemberListRequest{})),
		unary[pb.MemberListResponse](pb.Cluster_MemberList_FullMethodName, "linearizable", true, just(&pb.MemberListRequest{Linearizable: true})),
		unary[pb.MemberAddResponse](pb.Cluster_MemberAdd_FullMethodName, "", false, just(&pb.MemberAddRequest{})),
		unary[pb.MemberRemoveResponse](pb.Cluster_MemberRemove_FullMethodName, "", false, just(&pb.MemberRemoveRequest{ID: 404})),
		unary[pb.MemberUpdateResponse](pb.Cluster_MemberUpdate_FullMethodName, "", false, just(&pb.MemberUpdateRequest{ID: 404, PeerURLs: []string{"http://127.0.0.1:1"}})),
		unary[pb.MemberPromoteResponse](pb.Cluster_MemberPromote_FullMethodName, "", false, just(&pb.MemberPromoteRequest{ID: 404})),
		unary[pb.StatusResponse](pb.Maintenance_Status_FullMethodName, "", true, just(&pb.StatusRequest{})),
		unary[pb.AlarmResponse](pb.Maintenance_Alarm_FullMethodName, "list", true, just(&pb.AlarmRequest{})),
		unary[pb.AlarmResponse](pb.Maintenance_Alarm_FullMethodName, "raise", false, just(&pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE})),
		unary[pb.AlarmResponse](pb.Maintenance_Alarm_FullMethodName, "clear", false, just(&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE})),
		unary[pb.DefragmentResponse](pb.Maintenance_Defragment_FullMethodName, "", false, just(&pb.DefragmentRequest{})),
		unary[pb.HashResponse](pb.Maintenance_Hash_FullMethodName, "", false, just(&pb.HashRequest{})),
		unary[pb.HashKVResponse](pb.Maintenance_HashKV_FullMethodName, "", false, just(&pb.HashKVRequest{})),
		unary[pb.MoveLeaderResponse](pb.Maintenance_MoveLeader_FullMethodName, "", false, just(&pb.MoveLeaderRequest{TargetID: 404})),
		unary[pb.DowngradeResponse](pb.Maintenance_Downgrade_FullMethodName, "", false, just(&pb.DowngradeRequest{Version: "3.1.0"})),
		streaming(pb.Maintenance_Snapshot_FullMethodName, "", false, func(*guarded) *pb.SnapshotRequest { return &pb.SnapshotRequest{} }, fine[pb.SnapshotResponse]),
	}
}

func authCalls() []call {
	changes := []call{
		unary[pb.AuthEnableResponse](pb.Auth_AuthEnable_FullMethodName, "", false, just(&pb.AuthEnableRequest{})),
		unary[pb.AuthUserAddResponse](pb.Auth_UserAdd_FullMethodName, "", false, just(&pb.AuthUserAddRequest{Name: root})),
		unary[pb.AuthUserGetResponse](pb.Auth_UserGet_FullMethodName, "itself", true, just(&pb.AuthUserGetRequest{Name: limited})),
		unary[pb.AuthUserGetResponse](pb.Auth_UserGet_FullMethodName, "root", false, just(&pb.AuthUserGetRequest{Name: root})),
		unary[pb.AuthUserGetResponse](pb.Auth_UserGet_FullMethodName, "without a name", false, just(&pb.AuthUserGetRequest{})),
		unary[pb.AuthUserListResponse](pb.Auth_UserList_FullMethodName, "", false, just(&pb.AuthUserListRequest{})),
		unary[pb.AuthUserDeleteResponse](pb.Auth_UserDelete_FullMethodName, "", false, just(&pb.AuthUserDeleteRequest{Name: root})),
		unary[pb.AuthUserChangePasswordResponse](pb.Auth_UserChangePassword_FullMethodName, "", false, just(&pb.AuthUserChangePasswordRequest{Name: "x", Password: "x"})),
		unary[pb.AuthUserChangePasswordResponse](pb.Auth_UserChangePassword_FullMethodName, "of itself", false, just(&pb.AuthUserChangePasswordRequest{Name: bare})),
		unary[pb.AuthUserGrantRoleResponse](pb.Auth_UserGrantRole_FullMethodName, "", false, just(&pb.AuthUserGrantRoleRequest{User: root, Role: root})),
		unary[pb.AuthUserRevokeRoleResponse](pb.Auth_UserRevokeRole_FullMethodName, "", false, just(&pb.AuthUserRevokeRoleRequest{Name: root, Role: root})),
		unary[pb.AuthRoleAddResponse](pb.Auth_RoleAdd_FullMethodName, "", false, just(&pb.AuthRoleAddRequest{Name: "some"})),
		unary[pb.AuthRoleGetResponse](pb.Auth_RoleGet_FullMethodName, "its own", true, just(&pb.AuthRoleGetRequest{Role: "some"})),
		unary[pb.AuthRoleGetResponse](pb.Auth_RoleGet_FullMethodName, "root", false, just(&pb.AuthRoleGetRequest{Role: root})),
		unary[pb.AuthRoleListResponse](pb.Auth_RoleList_FullMethodName, "", false, just(&pb.AuthRoleListRequest{})),
		unary[pb.AuthRoleDeleteResponse](pb.Auth_RoleDelete_FullMethodName, "", false, just(&pb.AuthRoleDeleteRequest{Role: "none"})),
		unary[pb.AuthRoleGrantPermissionResponse](pb.Auth_RoleGrantPermission_FullMethodName, "", false, just(&pb.AuthRoleGrantPermissionRequest{Name: "some"})),
		unary[pb.AuthRoleRevokePermissionResponse](pb.Auth_RoleRevokePermission_FullMethodName, "", false, just(&pb.AuthRoleRevokePermissionRequest{Role: "some", Key: []byte("z")})),
	}
	leader := func(key string) *v3electionpb.LeaderKey {
		return &v3electionpb.LeaderKey{Name: []byte(key), Key: []byte(key + "/1"), Rev: 1}
	}
	lines := []call{
		unary[v3lockpb.LockResponse](v3lockpb.Lock_Lock_FullMethodName, "may not look", false, just(&v3lockpb.LockRequest{Name: []byte("c")})),
		unary[v3lockpb.LockResponse](v3lockpb.Lock_Lock_FullMethodName, "may all", true, func(g *guarded) any {
			g.locks++ // each is held until its lease ends
			return &v3lockpb.LockRequest{Name: fmt.Append(nil, "e", g.locks)}
		}),
		unary[v3lockpb.UnlockResponse](v3lockpb.Lock_Unlock_FullMethodName, "", false, just(&v3lockpb.UnlockRequest{Key: []byte("a/1")})),
		unary[v3lockpb.UnlockResponse](v3lockpb.Lock_Unlock_FullMethodName, "all", true, just(&v3lockpb.UnlockRequest{Key: []byte("e/1")})),
		unary[v3electionpb.CampaignResponse](v3electionpb.Election_Campaign_FullMethodName, "", false, just(&v3electionpb.CampaignRequest{Name: []byte("z")})),
		unary[v3electionpb.ProclaimResponse](v3electionpb.Election_Proclaim_FullMethodName, "", false, just(&v3electionpb.ProclaimRequest{Leader: leader("z")})),
		unary[v3electionpb.LeaderResponse](v3electionpb.Election_Leader_FullMethodName, "", false, just(&v3electionpb.LeaderRequest{Name: []byte("z")})),
		unary[v3electionpb.LeaderResponse](v3electionpb.Election_Leader_FullMethodName, "of what it may read", true, just(&v3electionpb.LeaderRequest{Name: []byte("a")})),
		unary[v3electionpb.ResignResponse](v3electionpb.Election_Resign_FullMethodName, "", false, just(&v3electionpb.ResignRequest{Leader: leader("z")})),
	}
	return append(changes, lines...)
}

// TestEveryMethodAsksWho is the table of all methods and all kinds of callers (CVE-2026-33413).
func TestEveryMethodAsksWho(t *testing.T) {
	asked := map[string]bool{}
	var g *guarded
	for _, calls := range [][]call{keyCalls(), leaseCalls(), clusterCalls(), authCalls()} {
		g = guard(t) // what root does leaves traces
		for _, c := range calls {
			asked[c.asks] = true
			t.Run(c.asks+" "+c.what, func(t *testing.T) {
				w := NewWithT(t)
				w.Expect(refusedBecause(c.do(g.as(t, nobody), g))).To(Equal("etcdserver: user name is empty"))
				w.Expect(refusedBecause(c.do(g.as(t, forger), g))).To(Equal("etcdserver: invalid auth token"))
				want := "etcdserver: permission denied"
				if c.allowed {
					want = ""
				}
				err := c.do(g.as(t, limited), g)
				w.Expect(refusedBecause(err)).To(Equal(want), "%v", err)
				err = c.do(g.as(t, root), g)
				w.Expect(refusedBecause(err)).To(BeEmpty(), "%v", err)
			})
		}
	}
	// These are looked at one by one below.
	for _, method := range []string{
		pb.Auth_AuthStatus_FullMethodName, pb.Auth_Authenticate_FullMethodName, pb.Auth_AuthDisable_FullMethodName, v3electionpb.Election_Observe_FullMethodName,
		healthpb.Health_Check_FullMethodName, healthpb.Health_List_FullMethodName, healthpb.Health_Watch_FullMethodName,
	} {
		asked[method] = true
	}
	for name, service := range NewServer(g.m, Options{}).GetServiceInfo() {
		for _, method := range service.Methods {
			full := "/" + name + "/" + method.Name
			if _, known := rules[full]; !known || !asked[full] {
				t.Errorf("%s: known to the table of rules: %v, asked here: %v", full, known, asked[full])
			}
		}
	}
}

func TestWhatIsOpenToAll(t *testing.T) {
	w := NewWithT(t)
	g := guard(t)
	a := pb.NewAuthClient(g.conn)
	r, err := a.AuthStatus(g.as(t, nobody), &pb.AuthStatusRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Enabled).To(BeTrue())
	w.Expect(r.AuthRevision).To(BeEquivalentTo(10), "1, and the changes of the users and of the role")
	_, err = a.AuthStatus(g.as(t, forger), &pb.AuthStatusRequest{})
	w.Expect(refusedBecause(err)).To(Equal("etcdserver: invalid auth token"))
	// Whoever has an old token needs another.
	_, err = a.Authenticate(g.as(t, forger), &pb.AuthenticateRequest{Name: bare, Password: "secret of bare"})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = healthpb.NewHealthClient(g.conn).Check(g.as(t, nobody), &healthpb.HealthCheckRequest{})
	w.Expect(err).NotTo(HaveOccurred())

	for user, password := range map[string]string{root: "secret of bare", "stranger": "x", "": ""} {
		_, err := a.Authenticate(g.as(t, nobody), &pb.AuthenticateRequest{Name: user, Password: password})
		w.Expect(err).To(MatchError(rpctypes.ErrGRPCAuthFailed), user)
	}
	observe, err := v3electionpb.NewElectionClient(g.conn).Observe(g.as(t, limited), &v3electionpb.LeaderRequest{Name: []byte("z")})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = observe.Recv()
	w.Expect(refusedBecause(err)).To(Equal("etcdserver: permission denied"))

	_, err = a.AuthDisable(g.as(t, limited), &pb.AuthDisableRequest{})
	w.Expect(err).To(MatchError(rpctypes.ErrGRPCPermissionDenied))
	_, err = a.AuthDisable(g.as(t, root), &pb.AuthDisableRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = g.kv.Put(g.as(t, forger), putting("a"))
	w.Expect(err).NotTo(HaveOccurred(), "nobody asks any more")
	_, err = a.Authenticate(g.as(t, nobody), &pb.AuthenticateRequest{Name: root, Password: "secret of root"})
	w.Expect(err).To(MatchError(rpctypes.ErrGRPCAuthNotEnabled))
}

// A change of users or roles counts at once, on requests that are under way with older credentials, too.
func TestChangesCountAtOnce(t *testing.T) {
	w := NewWithT(t)
	g := guard(t)
	a := pb.NewAuthClient(g.conn)
	_, err := g.kv.Put(g.as(t, limited), putting("c"))
	w.Expect(err).NotTo(HaveOccurred())
	_, err = a.RoleRevokePermission(g.as(t, root), &pb.AuthRoleRevokePermissionRequest{Role: "some", Key: []byte("c"), RangeEnd: []byte("d")})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = g.kv.Put(g.as(t, limited), putting("c"))
	w.Expect(err).To(MatchError(rpctypes.ErrGRPCPermissionDenied))
	_, err = g.kv.Range(g.as(t, limited), ranging("a", "b"))
	w.Expect(err).NotTo(HaveOccurred())
	_, err = a.UserChangePassword(g.as(t, root), &pb.AuthUserChangePasswordRequest{Name: limited, Password: "another"})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = g.kv.Range(g.as(t, limited), ranging("a", "b"))
	w.Expect(err).To(MatchError(rpctypes.ErrGRPCInvalidAuthToken), "the token went with the password")
	_, err = a.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: limited, Password: "secret of limited"})
	w.Expect(err).To(MatchError(rpctypes.ErrGRPCAuthFailed))
	_, err = a.UserDelete(g.as(t, root), &pb.AuthUserDeleteRequest{Name: bare})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = pb.NewClusterClient(g.conn).MemberList(g.as(t, bare), &pb.MemberListRequest{})
	w.Expect(err).To(MatchError(rpctypes.ErrGRPCInvalidAuthToken))
}

// GHSA-vjg6-93fv-qv64: a user without password is told apart from one with a wrong password, and never let in by one.
func TestUsersWithoutPassword(t *testing.T) {
	w := NewWithT(t)
	g := guard(t)
	a := pb.NewAuthClient(g.conn)
	_, err := a.UserAdd(g.as(t, root), &pb.AuthUserAddRequest{Name: "machine", Password: "ignored", Options: &authpb.UserAddOptions{NoPassword: true}})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = a.UserChangePassword(g.as(t, root), &pb.AuthUserChangePasswordRequest{Name: "machine", Password: "more"})
	w.Expect(err).NotTo(HaveOccurred())
	for _, password := range []string{"", "ignored", "more"} {
		_, err = a.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "machine", Password: password})
		w.Expect(status.Convert(err).Message()).To(Equal("auth: authentication failed, password was given for no password user"))
	}
	_, err = a.UserAdd(g.as(t, root), &pb.AuthUserAddRequest{Name: "talkative", Password: strings.Repeat("x", 73)})
	w.Expect(status.Convert(err).Message()).To(Equal("bcrypt: password length exceeds 72 bytes"))
	// A hash that comes from outside would let its author in.
	_, err = a.UserAdd(g.as(t, root), &pb.AuthUserAddRequest{Name: "guest", Password: "p", HashedPassword: "JDJhJDA0JA=="})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = a.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "guest", Password: "p"})
	w.Expect(err).NotTo(HaveOccurred())
}
