package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"quoin.dev/quoin/e2e/interop/lab"
)

// furnishAuth makes users, roles, keys and leases, and enables auth. The passwords are those of passwordOf.
func furnishAuth(t *testing.T, m *lab.Member) {
	t.Helper()
	conn := m.Conn(t)
	auth, kv, leases := pb.NewAuthClient(conn), pb.NewKVClient(conn), pb.NewLeaseClient(conn)
	for _, p := range []struct {
		role string
		perm *authpb.Permission
	}{
		{"reader", &authpb.Permission{Key: []byte("a"), RangeEnd: []byte("c")}},
		{"writer", &authpb.Permission{PermType: authpb.WRITE, Key: []byte("b"), RangeEnd: []byte("d")}},
		{"writer", &authpb.Permission{PermType: authpb.READWRITE, Key: []byte("k")}},
		{"writer", &authpb.Permission{PermType: authpb.READWRITE, Key: []byte("w/"), RangeEnd: []byte("w0")}},
		{"open", &authpb.Permission{PermType: authpb.READ, Key: []byte("z"), RangeEnd: []byte{0}}},
		{"root", nil},
	} {
		made(t, "already exists", func() (*pb.AuthRoleAddResponse, error) {
			return auth.RoleAdd(deadline(t), &pb.AuthRoleAddRequest{Name: p.role})
		})
		if p.perm != nil {
			succeeding(t, func() (*pb.AuthRoleGrantPermissionResponse, error) {
				return auth.RoleGrantPermission(deadline(t), &pb.AuthRoleGrantPermissionRequest{Name: p.role, Perm: p.perm})
			})
		}
	}
	for user, roles := range map[string][]string{"root": {"root"}, "alice": {"reader", "writer"}, "carol": nil, "bob": {"reader", "open"}} {
		r := &pb.AuthUserAddRequest{Name: user, Password: passwordOf(user), Options: &authpb.UserAddOptions{NoPassword: user == "bob"}}
		made(t, "already exists", func() (*pb.AuthUserAddResponse, error) { return auth.UserAdd(deadline(t), r) })
		for _, role := range roles {
			succeeding(t, func() (*pb.AuthUserGrantRoleResponse, error) {
				return auth.UserGrantRole(deadline(t), &pb.AuthUserGrantRoleRequest{User: user, Role: role})
			})
		}
	}
	put := func(key string, lease int64) {
		succeeding(t, func() (*pb.PutResponse, error) {
			return kv.Put(deadline(t), &pb.PutRequest{Key: []byte(key), Value: []byte("v"), Lease: lease})
		})
	}
	for id, key := range map[int64]string{1: "secret", 2: "w/1"} {
		made(t, "already exists", func() (*pb.LeaseGrantResponse, error) {
			return leases.LeaseGrant(deadline(t), &pb.LeaseGrantRequest{ID: id, TTL: 5000})
		})
		put(key, id)
	}
	for _, key := range []string{"a1", "b1", "k", "z1"} {
		put(key, 0)
	}
	made(t, "user name is empty", func() (*pb.AuthEnableResponse, error) { return auth.AuthEnable(deadline(t), &pb.AuthEnableRequest{}) })
}

// made repeats a change until it succeeds, or says that it has been made already: the answer to an earlier attempt was lost.
func made[T any](t *testing.T, already string, change func() (T, error)) {
	t.Helper()
	succeeding(t, func() (T, error) {
		v, err := change()
		if err != nil && strings.Contains(err.Error(), already) {
			return v, nil
		}
		return v, err
	})
}

// passwordOf is the password of everybody but bob, who has none.
func passwordOf(user string) string {
	if user == "bob" {
		return ""
	}
	return user + "-pw"
}

func login(user string) lab.Identity { return lab.Identity{User: user, Password: passwordOf(user)} }

// attempt is something that somebody tries.
type attempt struct {
	what string
	do   func(context.Context, *grpc.ClientConn) (any, error)
}

// call is an attempt of one unary call.
func call[Q, A any](what string, method func(*grpc.ClientConn) func(context.Context, *Q, ...grpc.CallOption) (*A, error), q *Q) attempt {
	return attempt{what, func(ctx context.Context, conn *grpc.ClientConn) (any, error) { return method(conn)(ctx, q) }}
}

// attempts is every RPC, with requests that are allowed for some and not for others. None of them changes who may do what.
func attempts() []attempt {
	put := func(conn *grpc.ClientConn) func(context.Context, *pb.PutRequest, ...grpc.CallOption) (*pb.PutResponse, error) {
		return pb.NewKVClient(conn).Put
	}
	get := func(conn *grpc.ClientConn) func(context.Context, *pb.RangeRequest, ...grpc.CallOption) (*pb.RangeResponse, error) {
		return pb.NewKVClient(conn).Range
	}
	del := func(conn *grpc.ClientConn) func(context.Context, *pb.DeleteRangeRequest, ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
		return pb.NewKVClient(conn).DeleteRange
	}
	commit := func(conn *grpc.ClientConn) func(context.Context, *pb.TxnRequest, ...grpc.CallOption) (*pb.TxnResponse, error) {
		return pb.NewKVClient(conn).Txn
	}
	all := []attempt{
		call("get a1", get, &pb.RangeRequest{Key: []byte("a1")}),
		call("get secret", get, &pb.RangeRequest{Key: []byte("secret")}),
		call("get secret, serializable", get, &pb.RangeRequest{Key: []byte("secret"), Serializable: true}),
		call("get a1, serializable", get, &pb.RangeRequest{Key: []byte("a1"), Serializable: true}),
		call("get [a, c)", get, &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("c")}),
		call("get [a, d)", get, &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("d")}),
		call("get from z on", get, &pb.RangeRequest{Key: []byte("z"), RangeEnd: []byte{0}}),
		call("get everything", get, everything(0)),
		call("get nothing", get, &pb.RangeRequest{Key: []byte("c"), RangeEnd: []byte("a")}),
		call("get at a future revision", get, &pb.RangeRequest{Key: []byte("secret"), Revision: 1 << 40}),
		call("get the empty key", get, &pb.RangeRequest{}),
		call("put k", put, &pb.PutRequest{Key: []byte("k"), Value: []byte("v")}),
		call("put b2", put, &pb.PutRequest{Key: []byte("b2")}),
		call("put c2, previous", put, &pb.PutRequest{Key: []byte("c2"), PrevKv: true}),
		call("put b2, previous", put, &pb.PutRequest{Key: []byte("b2"), PrevKv: true}),
		call("put secret", put, &pb.PutRequest{Key: []byte("secret"), IgnoreLease: true}),
		call("put k on the lease of secret", put, &pb.PutRequest{Key: []byte("k"), Lease: 1}),
		call("put w/2 on the lease of w/1", put, &pb.PutRequest{Key: []byte("w/2"), Lease: 2}),
		call("put w/3 on no lease", put, &pb.PutRequest{Key: []byte("w/3"), Lease: 77}),
		call("put a1", put, &pb.PutRequest{Key: []byte("a1")}),
		call("delete [b, c)", del, &pb.DeleteRangeRequest{Key: []byte("b2"), RangeEnd: []byte("c")}),
		call("delete [c, d), previous", del, &pb.DeleteRangeRequest{Key: []byte("c"), RangeEnd: []byte("d"), PrevKv: true}),
		call("delete [c, e)", del, &pb.DeleteRangeRequest{Key: []byte("c"), RangeEnd: []byte("e")}),
		call("empty txn", commit, &pb.TxnRequest{}),
		call("compare secret", commit, &pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte("secret"), Target: pb.Compare_VERSION}}}),
		call("compare [a, d)", commit, &pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte("a"), RangeEnd: []byte("d")}}}),
		call("txn whose other branch puts secret", commit, &pb.TxnRequest{Failure: []*pb.RequestOp{putOp("secret")}}),
		call("txn with k on the lease of secret", commit, &pb.TxnRequest{Success: []*pb.RequestOp{{
			Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("k"), Lease: 1}},
		}}}),
		call("compact", func(conn *grpc.ClientConn) func(context.Context, *pb.CompactionRequest, ...grpc.CallOption) (*pb.CompactionResponse, error) {
			return pb.NewKVClient(conn).Compact
		}, &pb.CompactionRequest{Revision: 1 << 40}),
	}
	for depth := range 4 {
		nested := txn(putOp("secret"))
		allowed := txn(putOp("w/n"), rangeOp("a1", 0))
		for range depth {
			nested = &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: nested}}}}
			allowed = txn(&pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: allowed}})
		}
		all = append(all, call(fmt.Sprint("put secret at depth ", depth), commit, nested), call(fmt.Sprint("allowed txn at depth ", depth), commit, allowed))
	}
	all = append(all, leaseAttempts()...)
	all = append(all, maintenanceAttempts()...)
	return append(all, authAttempts()...)
}

func leaseAttempts() []attempt {
	revoke := func(conn *grpc.ClientConn) func(context.Context, *pb.LeaseRevokeRequest, ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
		return pb.NewLeaseClient(conn).LeaseRevoke
	}
	timeToLive := func(id int64, keys bool) attempt {
		return attempt{fmt.Sprint("time of lease ", id, " ", keys), func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			r, err := pb.NewLeaseClient(conn).LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: id, Keys: keys})
			return fmt.Sprint(r.GetGrantedTTL(), len(r.GetKeys())), err
		}}
	}
	keepAlive := func(id int64) attempt {
		return attempt{fmt.Sprint("renew lease ", id), func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			s, err := pb.NewLeaseClient(conn).LeaseKeepAlive(ctx)
			if err != nil {
				return nil, err
			}
			_ = s.Send(&pb.LeaseKeepAliveRequest{ID: id}) // Recv has the error
			r, err := s.Recv()
			return fmt.Sprint(r.GetTTL()), err
		}}
	}
	watch := func(key, end string) attempt {
		return attempt{fmt.Sprintf("watch %q %q", key, end), func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			s, err := pb.NewWatchClient(conn).Watch(ctx)
			if err != nil {
				return nil, err
			}
			_ = s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
				CreateRequest: &pb.WatchCreateRequest{Key: []byte(key), RangeEnd: []byte(end)},
			}})
			r, err := s.Recv()
			return fmt.Sprint(r.GetWatchId(), r.GetCreated(), r.GetCanceled(), r.GetCancelReason()), err
		}}
	}
	lock := func(name string) attempt {
		return attempt{"lock " + name, func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			_, err := v3lockpb.NewLockClient(conn).Lock(ctx, &v3lockpb.LockRequest{Name: []byte(name), Lease: 2})
			return "", err
		}}
	}
	return []attempt{
		{"grant and revoke a lease", func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			c := pb.NewLeaseClient(conn)
			if _, err := c.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: 9, TTL: 1000}); err != nil {
				return nil, err
			}
			_, err := c.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: 9})
			return "", err
		}},
		call("revoke no lease", revoke, &pb.LeaseRevokeRequest{ID: 77}),
		timeToLive(1, true), timeToLive(1, false), timeToLive(2, true), timeToLive(77, true), keepAlive(1), keepAlive(2), keepAlive(77),
		{"leases", func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			r, err := pb.NewLeaseClient(conn).LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
			return len(r.GetLeases()), err
		}},
		watch("a1", ""), watch("secret", ""), watch("a", "c"), watch("a", "d"), watch("z", "\x00"), watch("", "\x00"), watch("", ""), lock("w/lock"), lock("secret-lock"),
	}
}

// port is another one for each member that is added.
var port atomic.Int64

func maintenanceAttempts() []attempt {
	of := func(what string, do func(context.Context, pb.MaintenanceClient) error) attempt {
		return attempt{what, func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			return "", do(ctx, pb.NewMaintenanceClient(conn))
		}}
	}
	member := func(what string, do func(context.Context, pb.ClusterClient) error) attempt {
		return attempt{what, func(ctx context.Context, conn *grpc.ClientConn) (any, error) {
			return "", do(ctx, pb.NewClusterClient(conn))
		}}
	}
	return []attempt{
		of("alarms", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Alarm(ctx, &pb.AlarmRequest{})
			return err
		}),
		of("clear alarms", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE})
			return err
		}),
		of("activate no alarm", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE})
			return err
		}),
		of("status", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Status(ctx, &pb.StatusRequest{})
			return err
		}),
		of("defragment", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Defragment(ctx, &pb.DefragmentRequest{})
			return err
		}),
		of("hash", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Hash(ctx, &pb.HashRequest{})
			return err
		}),
		of("hash of keys", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.HashKV(ctx, &pb.HashKVRequest{})
			return err
		}),
		of("snapshot", func(ctx context.Context, c pb.MaintenanceClient) error {
			s, err := c.Snapshot(ctx, &pb.SnapshotRequest{})
			if err == nil {
				_, err = s.Recv()
			}
			return err
		}),
		of("move the leader", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: 1})
			return err
		}),
		of("validate a downgrade", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Downgrade(ctx, &pb.DowngradeRequest{Version: "3.7"})
			return err
		}),
		of("cancel a downgrade", func(ctx context.Context, c pb.MaintenanceClient) error {
			_, err := c.Downgrade(ctx, &pb.DowngradeRequest{Action: pb.DowngradeRequest_CANCEL})
			return err
		}),
		member("list members", func(ctx context.Context, c pb.ClusterClient) error {
			_, err := c.MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
			return err
		}),
		member("list members, serializable", func(ctx context.Context, c pb.ClusterClient) error {
			_, err := c.MemberList(ctx, &pb.MemberListRequest{})
			return err
		}),
		member("add a member", func(ctx context.Context, c pb.ClusterClient) error {
			r, err := c.MemberAdd(ctx, &pb.MemberAddRequest{PeerURLs: []string{fmt.Sprint("http://127.0.0.1:", port.Add(1))}, IsLearner: true})
			if err == nil {
				_, err = c.MemberRemove(ctx, &pb.MemberRemoveRequest{ID: r.Member.ID})
			}
			return err
		}),
		member("remove a member", func(ctx context.Context, c pb.ClusterClient) error {
			_, err := c.MemberRemove(ctx, &pb.MemberRemoveRequest{ID: 5})
			return err
		}),
		member("update a member", func(ctx context.Context, c pb.ClusterClient) error {
			_, err := c.MemberUpdate(ctx, &pb.MemberUpdateRequest{ID: 5, PeerURLs: []string{"http://127.0.0.1:1"}})
			return err
		}),
		member("promote a member", func(ctx context.Context, c pb.ClusterClient) error {
			_, err := c.MemberPromote(ctx, &pb.MemberPromoteRequest{ID: 5})
			return err
		}),
	}
}

func authAttempts() []attempt {
	of := func(what string, do func(context.Context, pb.AuthClient) (any, error)) attempt {
		return attempt{what, func(ctx context.Context, conn *grpc.ClientConn) (any, error) { return do(ctx, pb.NewAuthClient(conn)) }}
	}
	roles := func(name string) attempt {
		return of("roles of "+name, func(ctx context.Context, c pb.AuthClient) (any, error) {
			r, err := c.UserGet(ctx, &pb.AuthUserGetRequest{Name: name})
			return r.GetRoles(), err
		})
	}
	permissions := func(name string) attempt {
		return of("permissions of "+name, func(ctx context.Context, c pb.AuthClient) (any, error) {
			r, err := c.RoleGet(ctx, &pb.AuthRoleGetRequest{Role: name})
			return r.GetPerm(), err
		})
	}
	authenticate := func(name, password string) attempt {
		return of(fmt.Sprintf("authenticate %s %s", name, password), func(ctx context.Context, c pb.AuthClient) (any, error) {
			_, err := c.Authenticate(ctx, &pb.AuthenticateRequest{Name: name, Password: password})
			return "", err
		})
	}
	return []attempt{
		roles("alice"), roles("bob"), roles("root"), roles("stranger"), permissions("reader"), permissions("open"), permissions("root"), permissions("none"),
		authenticate("alice", "alice-pw"), authenticate("alice", ""), authenticate("bob", ""), authenticate("bob", "x"), authenticate("stranger", "x"), authenticate("", ""),
		of("status of auth", func(ctx context.Context, c pb.AuthClient) (any, error) {
			r, err := c.AuthStatus(ctx, &pb.AuthStatusRequest{})
			return fmt.Sprint(r.GetEnabled(), r.GetAuthRevision()), err
		}),
		of("enable auth", func(ctx context.Context, c pb.AuthClient) (any, error) {
			_, err := c.AuthEnable(ctx, &pb.AuthEnableRequest{})
			return "", err
		}),
		of("users", func(ctx context.Context, c pb.AuthClient) (any, error) {
			r, err := c.UserList(ctx, &pb.AuthUserListRequest{})
			return r.GetUsers(), err
		}),
		of("roles", func(ctx context.Context, c pb.AuthClient) (any, error) {
			r, err := c.RoleList(ctx, &pb.AuthRoleListRequest{})
			return r.GetRoles(), err
		}),
		of("add a user twice", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "alice", Password: "x"})
		}),
		of("add a user without a name", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserAdd(ctx, &pb.AuthUserAddRequest{})
		}),
		of("delete no user", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserDelete(ctx, &pb.AuthUserDeleteRequest{Name: "stranger"})
		}),
		of("delete root", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserDelete(ctx, &pb.AuthUserDeleteRequest{Name: "root"})
		}),
		of("change the password of nobody", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserChangePassword(ctx, &pb.AuthUserChangePasswordRequest{Name: "stranger", Password: "x"})
		}),
		of("grant no role", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "alice", Role: "none"})
		}),
		of("revoke no role", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.UserRevokeRole(ctx, &pb.AuthUserRevokeRoleRequest{Name: "alice", Role: "open"})
		}),
		of("add a role twice", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: "reader"})
		}),
		of("delete no role", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.RoleDelete(ctx, &pb.AuthRoleDeleteRequest{Role: "none"})
		}),
		of("grant a permission that is none", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.RoleGrantPermission(ctx, &pb.AuthRoleGrantPermissionRequest{Name: "reader"})
		}),
		of("grant an empty interval", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.RoleGrantPermission(ctx, &pb.AuthRoleGrantPermissionRequest{
				Name: "reader", Perm: &authpb.Permission{Key: []byte("b"), RangeEnd: []byte("a")},
			})
		}),
		of("revoke no permission", func(ctx context.Context, c pb.AuthClient) (any, error) {
			return c.RoleRevokePermission(ctx, &pb.AuthRoleRevokePermissionRequest{Role: "reader", Key: []byte("q")})
		}),
	}
}

// outcome says what an attempt came to. Of answers that are messages it counts that they came.
func (a attempt) outcome(t *testing.T, conn *grpc.ClientConn) string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := a.do(ctx, conn)
	if err != nil {
		return fmt.Sprintf("%s: %s", status.Code(err), status.Convert(err).Message())
	}
	if r, ok := answer.(*pb.RangeResponse); ok {
		return fmt.Sprint("keys ", r.Count)
	}
	if _, ok := answer.(interface{ GetHeader() *pb.ResponseHeader }); ok {
		return "ok"
	}
	return fmt.Sprint("ok ", answer)
}

// outcomes is what all attempts come to, in their order.
func outcomes(t *testing.T, conn *grpc.ClientConn) (all []string) {
	for _, a := range attempts() {
		all = append(all, a.outcome(t, conn))
	}
	return all
}

// TestAccess lets several people attempt everything, and expects what etcd answers (CVE-2026-33413, CVE-2018-16886). They are known
// by the common names of their certificates, by passwords, which win over certificates, or not at all.
func TestAccess(t *testing.T) {
	t.Parallel()
	a := lab.NewAuthority(t)
	clusters := map[lab.Kind]*lab.Cluster{}
	for _, kind := range []lab.Kind{lab.Etcd, lab.Subject(t)} {
		if clusters[kind] == nil {
			clusters[kind] = lab.PrepareSecureCluster(t, a, 1, "--client-cert-auth", "--bcrypt-cost=4")
			clusters[kind].Start(t, kind)
			furnishAuth(t, clusters[kind].Members[0])
		}
	}
	certificates := map[string]lab.Certificate{}
	for _, cn := range []string{"root", "alice", "bob", "carol", "stranger"} {
		certificates[cn] = a.Issue(t, cn)
	}
	for _, who := range []struct{ certificate, user, token string }{
		{certificate: "alice"}, {certificate: "bob"}, {certificate: "carol"}, {certificate: "stranger"}, {certificate: "root"},
		{certificate: "root", user: "alice"}, {certificate: "stranger", user: "root"}, {certificate: "root", token: "bad"},
		{certificate: "root", token: "abcdefghijklmnop.1"},
	} {
		var conns []*grpc.ClientConn
		id := login(who.user)
		if who.user == "" {
			id = lab.Identity{Token: who.token}
		}
		c := certificates[who.certificate]
		id.Certificate = &c
		for _, kind := range []lab.Kind{lab.Etcd, lab.Subject(t)} {
			conns = append(conns, clusters[kind].Members[0].ConnAs(t, id))
		}
		denied := 0
		for _, attempt := range attempts() {
			want, got := attempt.outcome(t, conns[0]), attempt.outcome(t, conns[1])
			if want != got {
				t.Errorf("%+v attempts to %s: %s says %q, etcd says %q", who, attempt.what, lab.Subject(t), got, want)
			}
			if strings.Contains(want, "permission denied") {
				denied++
			}
		}
		isRoot := who.user == "root" || who.user == "" && who.certificate == "root"
		if mayDeny := !isRoot && who.token == ""; mayDeny != (denied > 0) {
			t.Errorf("%+v was denied %d attempts", who, denied)
		}
	}
	for kind, c := range clusters {
		gatewayIgnoresCertificates(t, a, c.Members[0], kind, certificates["root"])
	}
}

// gatewayIgnoresCertificates asks over HTTP with the certificate of root: what arrives in JSON is the gateway's own call.
func gatewayIgnoresCertificates(t *testing.T, a *lab.Authority, m *lab.Member, kind lab.Kind, root lab.Certificate) {
	t.Helper()
	config := m.TLSAs(lab.Identity{Certificate: &root})
	said := post(t, config, m.ClientURL+"/v3/kv/range", `{"key":"c2VjcmV0"}`)
	if !strings.HasPrefix(said, "400 ") || !strings.Contains(said, "CommonName of client sending a request against gateway will be ignored and not used as expected") {
		t.Errorf("%s: the gateway answers the certificate of root with %s", kind, said)
	}
}

func post(t *testing.T, config *tls.Config, url, body string) string {
	t.Helper()
	c := http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: time.Minute}
	defer c.CloseIdleConnections()
	resp, err := c.Post(url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status + " " + string(text)
}
