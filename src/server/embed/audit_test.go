package embed

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc/metadata"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/audit"
)

// audited is a member with an audit log, and a log at level debug.
type audited struct {
	*Server
	t          *testing.T
	audit, log string
	auth       pb.AuthClient
	kv         pb.KVClient
	rootsToken string
	aliceToken string
}

const (
	rootPassword  = "correct-horse-battery"
	alicePassword = "staple-of-secrets"
	wrongPassword = "guess-that-is-wrong"
	secretValue   = "value-that-nobody-may-see"
)

// startAudited starts a member with the users root, alice, who may use the keys from a to b, and carol, who has no password.
func startAudited(t *testing.T, level audit.Level) *audited {
	w := NewWithT(t)
	dir := t.TempDir()
	a := &audited{t: t, audit: filepath.Join(dir, "audit.log"), log: filepath.Join(dir, "debug.log")}
	cfg := settings(t)
	cfg.Security.BcryptCost = 4
	cfg.Audit = audit.Options{Path: a.audit, Level: level}
	cfg.WarningUnaryRequestDuration, cfg.WarningApplyDuration = 1, 1 // every request is slow
	out, err := os.Create(a.log)
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = out.Close() })
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(out), zap.DebugLevel))
	a.Server, err = Start(cfg, logger)
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(a.Stop)
	w.Eventually(a.Serving(), "30s").Should(BeClosed())
	conn := connect(t, a.ClientAddrs()[0].String())
	a.auth, a.kv = pb.NewAuthClient(conn), pb.NewKVClient(conn)
	ctx := t.Context()
	for _, change := range []func() error{
		func() error { _, err := a.auth.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: "root"}); return err },
		func() error { _, err := a.auth.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: "ab"}); return err },
		func() error {
			_, err := a.auth.RoleGrantPermission(ctx, &pb.AuthRoleGrantPermissionRequest{Name: "ab", Perm: &authpb.Permission{PermType: authpb.Permission_READWRITE, Key: []byte("a"), RangeEnd: []byte("b")}})
			return err
		},
		func() error {
			_, err := a.auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "root", Password: rootPassword})
			return err
		},
		func() error {
			_, err := a.auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "alice", Password: alicePassword})
			return err
		},
		func() error {
			_, err := a.auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "carol", Options: &authpb.UserAddOptions{NoPassword: true}})
			return err
		},
		func() error {
			_, err := a.auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"})
			return err
		},
		func() error {
			_, err := a.auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "alice", Role: "ab"})
			return err
		},
		func() error { _, err := a.auth.AuthEnable(ctx, &pb.AuthEnableRequest{}); return err },
	} {
		w.Expect(change()).To(Succeed())
	}
	a.rootsToken, a.aliceToken = a.login("root", rootPassword), a.login("alice", alicePassword)
	return a
}

func (a *audited) login(name, password string) string {
	a.t.Helper()
	r, err := a.auth.Authenticate(a.t.Context(), &pb.AuthenticateRequest{Name: name, Password: password})
	NewWithT(a.t).Expect(err).NotTo(HaveOccurred())
	return r.Token
}

func (a *audited) as(token string) context.Context {
	return metadata.AppendToOutgoingContext(a.t.Context(), "token", token)
}

type auditLine struct {
	User, Address, Forwarded, Method, Outcome, Code, Reason string
	Targets                                                 []map[string]any
	Revision                                                int64
}

// stopAndRead returns the lines of the log in order, with the methods without their service.
func (a *audited) stopAndRead() (lines []auditLine) {
	a.t.Helper()
	w := NewWithT(a.t)
	a.Stop()
	text, err := os.ReadFile(a.audit)
	w.Expect(err).NotTo(HaveOccurred())
	for text := range strings.Lines(string(text)) {
		var l auditLine
		w.Expect(json.Unmarshal([]byte(text), &l)).To(Succeed(), text)
		l.Method = l.Method[strings.LastIndex(l.Method, "/")+1:]
		lines = append(lines, l)
	}
	return lines
}

// with matches a line by method, user and outcome.
func with(method, user, outcome string) *auditMatch { return &auditMatch{method, user, outcome} }

type auditMatch struct{ method, user, outcome string }

func (m *auditMatch) in(lines []auditLine) (found []auditLine) {
	for _, l := range lines {
		if l.Method == m.method && l.User == m.user && l.Outcome == m.outcome {
			found = append(found, l)
		}
	}
	return found
}

// TestAuditTellsWhoAskedForWhat sends requests of every outcome, by users, by nobody, and through the gateway.
func TestAuditTellsWhoAskedForWhat(t *testing.T) {
	w := NewWithT(t)
	a := startAudited(t, audit.LevelAll)
	root, alice := a.as(a.rootsToken), a.as(a.aliceToken)
	put := func(ctx context.Context, key string) error {
		_, err := a.kv.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: []byte(secretValue)})
		return err
	}
	w.Expect(put(alice, "a1")).To(Succeed())
	w.Expect(put(root, "x1")).To(Succeed())
	w.Expect(put(alice, "x2")).NotTo(Succeed())
	w.Expect(put(t.Context(), "x3")).NotTo(Succeed())
	w.Expect(put(a.as("abcdefghijklmnop.1"), "x4")).NotTo(Succeed())
	_, err := a.kv.Range(alice, &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("b")})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = a.kv.Range(alice, &pb.RangeRequest{Key: []byte("a"), Revision: 1 << 40})
	w.Expect(err).To(HaveOccurred())
	_, err = a.auth.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "alice", Password: wrongPassword})
	w.Expect(err).To(HaveOccurred())
	_, err = a.auth.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "carol", Password: wrongPassword})
	w.Expect(err).To(HaveOccurred())
	_, err = a.auth.UserAdd(alice, &pb.AuthUserAddRequest{Name: "mallory", Password: wrongPassword})
	w.Expect(err).To(HaveOccurred())

	// Two watches and many renewals, on two streams.
	conn := connect(t, a.ClientAddrs()[0].String())
	watch, err := pb.NewWatchClient(conn).Watch(alice)
	w.Expect(err).NotTo(HaveOccurred())
	for _, key := range []string{"a", "x"} {
		w.Expect(watch.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte(key)}}})).To(Succeed())
		_, err = watch.Recv()
		w.Expect(err).NotTo(HaveOccurred())
	}
	w.Expect(watch.CloseSend()).To(Succeed())
	leases := pb.NewLeaseClient(conn)
	granted, err := leases.LeaseGrant(alice, &pb.LeaseGrantRequest{TTL: 100})
	w.Expect(err).NotTo(HaveOccurred())
	renewals, err := leases.LeaseKeepAlive(alice)
	w.Expect(err).NotTo(HaveOccurred())
	for range 5 {
		w.Expect(renewals.Send(&pb.LeaseKeepAliveRequest{ID: granted.ID})).To(Succeed())
		_, err = renewals.Recv()
		w.Expect(err).NotTo(HaveOccurred())
	}
	w.Expect(renewals.CloseSend()).To(Succeed())
	_, err = renewals.Recv()
	w.Expect(err).To(MatchError(io.EOF))

	body := strings.NewReader(`{"key":"YTI=","value":"YQ=="}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.ClientAddrs()[0].String()+"/v3/kv/put", body)
	w.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", a.aliceToken)
	response, err := http.DefaultClient.Do(request)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(response.Body.Close()).To(Succeed())
	w.Expect(response.StatusCode).To(Equal(http.StatusOK))

	lines := a.stopAndRead()
	allowed := with("Put", "alice", "allowed").in(lines)
	w.Expect(allowed).To(HaveLen(2))
	w.Expect(allowed[0].Targets).To(Equal([]map[string]any{{"op": "put", "key": "a1"}}))
	w.Expect(allowed[0].Revision).To(BeEquivalentTo(2))
	w.Expect(allowed[0].Address).To(HavePrefix("127.0.0.1:"))
	w.Expect(allowed[1].Forwarded).To(Equal("127.0.0.1"))
	denied := with("Put", "alice", "denied").in(lines)
	w.Expect(denied).To(HaveLen(1))
	w.Expect([]string{denied[0].Code, denied[0].Reason}).To(Equal([]string{"PermissionDenied", "etcdserver: permission denied"}))
	w.Expect(with("Put", "", "denied").in(lines)).To(ConsistOf(
		HaveField("Reason", "etcdserver: user name is empty"), HaveField("Reason", "etcdserver: invalid auth token")))
	w.Expect(with("Put", "root", "allowed").in(lines)).To(HaveLen(1))
	w.Expect(with("Range", "alice", "allowed").in(lines)).To(HaveLen(1))
	w.Expect(with("Range", "alice", "failed").in(lines)).To(ConsistOf(HaveField("Code", "OutOfRange")))
	w.Expect(with("Authenticate", "", "allowed").in(lines)).To(HaveLen(2))
	// GHSA-vjg6-93fv-qv64: a login of a user without a password is told for what it was.
	w.Expect(with("Authenticate", "", "denied").in(lines)).To(ConsistOf(
		And(HaveField("Targets", ConsistOf(HaveKeyWithValue("user", "alice"))), HaveField("Reason", "etcdserver: authentication failed, invalid user ID or password")),
		And(HaveField("Targets", ConsistOf(HaveKeyWithValue("user", "carol"))), HaveField("Reason", ContainSubstring("password was given for no password user")))))
	w.Expect(with("UserAdd", "alice", "denied").in(lines)).To(HaveLen(1))
	w.Expect(with("UserAdd", "", "allowed").in(lines)).To(HaveLen(3), "before authentication was on")
	w.Expect(with("Watch", "alice", "allowed").in(lines)).To(ConsistOf(HaveField("Targets", ConsistOf(HaveKeyWithValue("key", "a")))))
	w.Expect(with("Watch", "alice", "denied").in(lines)).To(ConsistOf(HaveField("Targets", ConsistOf(HaveKeyWithValue("key", "x")))))
	w.Expect(with("LeaseKeepAlive", "alice", "allowed").in(lines)).To(HaveLen(1), "not for each renewal")
	a.hideSecrets()
}

// hideSecrets looks for passwords, tokens and values in both logs (CVE-2021-28235, etcd#20941).
func (a *audited) hideSecrets() {
	a.t.Helper()
	w := NewWithT(a.t)
	for _, path := range []string{a.audit, a.log} {
		text, err := os.ReadFile(path)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(text).NotTo(BeEmpty())
		for _, secret := range []string{rootPassword, alicePassword, wrongPassword, secretValue, a.rootsToken, a.aliceToken, a.aliceToken[:16], "$2a$"} {
			w.Expect(strings.Contains(string(text), secret)).To(BeFalse(), "%s in %s", secret, path)
		}
	}
}

// TestAuditLevels has the requests of the levels, and no others.
func TestAuditLevels(t *testing.T) {
	for level, want := range map[audit.Level][]string{
		audit.LevelDenied: {"Range denied"},
		audit.LevelWrites: {"RoleAdd allowed", "AuthEnable allowed", "Authenticate allowed", "Put allowed", "Range denied"},
	} {
		t.Run(string(level), func(t *testing.T) {
			w := NewWithT(t)
			a := startAudited(t, level)
			alice := a.as(a.aliceToken)
			_, err := a.kv.Put(alice, &pb.PutRequest{Key: []byte("a1")})
			w.Expect(err).NotTo(HaveOccurred())
			_, err = a.kv.Range(alice, &pb.RangeRequest{Key: []byte("a1")})
			w.Expect(err).NotTo(HaveOccurred())
			_, err = a.kv.Range(alice, &pb.RangeRequest{Key: []byte("b1")})
			w.Expect(err).To(HaveOccurred())
			var got []string
			for _, l := range a.stopAndRead() {
				got = append(got, l.Method+" "+l.Outcome)
			}
			w.Expect(got).To(ContainElements(want))
			w.Expect(got).NotTo(ContainElement("Range allowed"))
			if level == audit.LevelDenied {
				w.Expect(got).To(HaveLen(1))
			}
		})
	}
}

func TestAuditThatCanNotBeWrittenStopsTheStart(t *testing.T) {
	cfg := settings(t)
	cfg.Audit = audit.Options{Path: filepath.Join(t.TempDir(), "missing", "audit.log"), Level: audit.LevelWrites}
	_, err := Start(cfg, nil)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("audit: open")))
}
