package member

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/auth"
	"quoin.dev/server/config"
	"quoin.dev/storage/backend"
)

// enter returns who a user is once the password was shown to this member.
func (m *Member) enter(t testing.TB, user string) (auth.Identity, string) {
	t.Helper()
	token, err := m.Authenticate(t.Context(), user, "password of "+user)
	if err != nil {
		t.Fatalf("authenticate %s: %v", user, err)
	}
	who, err := m.Identify(t.Context(), Credentials{Token: token})
	if err != nil {
		t.Fatalf("identify %s: %v", user, err)
	}
	return who, token
}

// authRows are all rows about users and roles, byte by byte.
func (m *Member) authRows(t testing.TB) map[string]string {
	t.Helper()
	rows := map[string]string{}
	err := m.onBackend(func(b *backend.Backend) error {
		view := b.View()
		defer view.Close()
		for _, bucket := range []backend.Bucket{backend.Auth, backend.AuthUsers, backend.AuthRoles} {
			err := view.Scan(bucket, nil, nil, func(key, value []byte) error {
				rows[bucket.Name()+"/"+string(key)] = string(value)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// putAs is a put of a user.
func (m *Member) putAs(ctx context.Context, who auth.Identity, r *pb.PutRequest) error {
	_, err := m.ProposeFor(ctx, who, &pb.InternalRaftRequest{Put: r})
	return err
}

// guardKeys lets the user u write from a to b, and switches authentication on.
func (m *Member) guardKeys(t testing.TB) {
	t.Helper()
	for _, user := range []string{auth.Root, "u"} {
		if err := m.AddUser(t.Context(), auth.Identity{}, &pb.AuthUserAddRequest{Name: user, Password: "password of " + user}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*pb.InternalRaftRequest{
		{AuthRoleAdd: &pb.AuthRoleAddRequest{Name: "r"}},
		{AuthRoleGrantPermission: &pb.AuthRoleGrantPermissionRequest{Name: "r", Perm: &authpb.Permission{
			PermType: authpb.Permission_WRITE, Key: []byte("a"), RangeEnd: []byte("b"),
		}}},
		{AuthUserGrantRole: &pb.AuthUserGrantRoleRequest{User: "u", Role: "r"}},
		{AuthUserGrantRole: &pb.AuthUserGrantRoleRequest{User: auth.Root, Role: auth.Root}},
		{AuthEnable: &pb.AuthEnableRequest{}},
	} {
		if _, err := m.Propose(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func cheapPasswords(cfg *config.Config) { cfg.Security.BcryptCost = 4 }

// TestMembersDecideAlike: what one member accepts all accept, whichever way it came to know the users.
//
//   - etcd#14571: a member that got a snapshot knows the users and roles in it.
//   - etcd#14355, etcd#13946: a member that was started again does.
//   - etcd#11651: entries about users are not applied twice after a start, which the revision would tell.
//   - etcd#13205, and leases in clusters with authentication in general: they end, on every member, and also when a member that got a
//     snapshot leads.
func TestMembersDecideAlike(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) {
		cheapPasswords(cfg)
		cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5
	})
	c.start(t, 0, 1, 2)
	late := (c.awaitLeader(t) + 1) % 3
	from := c.members[(late+1)%3]
	c.stop(late)
	from.guardKeys(t)
	u, token := from.enter(t, "u")
	root := from.asRoot()
	for i := range 60 {
		w.Expect(from.putAs(t.Context(), u, &pb.PutRequest{Key: []byte("a" + strconv.Itoa(i%7))})).To(Succeed())
	}
	for i, m := range c.members {
		if i != late {
			w.Eventually(func() uint64 { first, _ := m.log.FirstIndex(); return first }, "30s").Should(BeNumerically(">", 20), "the log is cut")
		}
	}
	alike := func() {
		t.Helper()
		for _, m := range c.members { // from among them
			w.Expect(m.ReadIndex(t.Context())).To(Succeed())
		}
		for _, m := range c.members {
			w.Expect(m.Auth().Enabled()).To(BeTrue())
			w.Expect(m.Auth().Revision()).To(Equal(from.Auth().Revision()))
			w.Expect(m.hash(t)).To(Equal(from.hash(t)))
			w.Expect(m.authRows(t)).To(Equal(from.authRows(t)))
		}
	}
	c.start(t, late)
	w.Expect(c.members[late].snapshots.last.Load()).To(BeNumerically(">=", 20))
	alike()
	for round := range 2 {
		for _, m := range c.members {
			who, fresh := m.enter(t, "u")
			w.Expect(m.putAs(t.Context(), who, &pb.PutRequest{Key: []byte("a"), Value: []byte(fmt.Sprint(round))})).To(Succeed())
			w.Expect(m.putAs(t.Context(), who, &pb.PutRequest{Key: []byte("b")})).To(MatchError(auth.ErrPermissionDenied))
			for _, other := range c.members {
				same, err := other.Identify(t.Context(), Credentials{Token: fresh})
				w.Expect(err).NotTo(HaveOccurred(), "every member knows the token that one has made")
				w.Expect(same).To(Equal(who))
			}
		}
		alike()
		_, err := c.members[late].ProposeFor(t.Context(), root, &pb.InternalRaftRequest{AuthRoleAdd: &pb.AuthRoleAddRequest{Name: fmt.Sprint("role", round)}})
		w.Expect(err).NotTo(HaveOccurred())
		alike()
		for i := range c.members {
			c.stop(i)
		}
		c.start(t, 0, 1, 2)
		from = c.members[(late+1)%3]
		alike()
	}
	_, err := c.members[0].Identify(t.Context(), Credentials{Token: token})
	w.Expect(err).To(MatchError(auth.ErrInvalidAuthToken), "simple tokens end with their member")

	// A lease with a key that only root may write ends, whoever leads.
	root = from.asRoot()
	for n := range 3 {
		leads := c.members[n]
		w.Eventually(func() uint64 {
			if leader := c.leader(); leader >= 0 && leader != n {
				c.members[leader].node.TransferLeader(leads.id)
			}
			return leads.node.Leader()
		}, "60s", "100ms").Should(Equal(leads.id))
		_, err := from.LeaseGrant(t.Context(), root, &pb.LeaseGrantRequest{ID: int64(n + 1), TTL: 5})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(from.putAs(t.Context(), root, &pb.PutRequest{Key: []byte("z"), Value: []byte("1"), Lease: int64(n + 1)})).To(Succeed())
	}
	for _, m := range c.members {
		w.Eventually(func() string { return m.get(t, "z") }, "30s").Should(BeEmpty())
		w.Eventually(func() int { leases, _, _ := m.Leases(); return len(leases) }, "30s").Should(BeZero())
	}
	alike()
}

// TestMemberThatIsBehindAsksBeforeItRefuses: what was granted elsewhere, and acknowledged, counts here at once.
func TestMemberThatIsBehindAsksBeforeItRefuses(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, cheapPasswords)
	c.start(t, 0, 1, 2)
	leads := c.members[c.awaitLeader(t)]
	leads.guardKeys(t)
	behind := c.members[(place(c, leads)+1)%3]
	w.Expect(behind.ReadIndex(t.Context())).To(Succeed())
	for n := range 20 {
		key := []byte(fmt.Sprint("new", n))
		_, err := leads.ProposeFor(t.Context(), leads.asRoot(), &pb.InternalRaftRequest{AuthRoleGrantPermission: &pb.AuthRoleGrantPermissionRequest{
			Name: "r", Perm: &authpb.Permission{PermType: authpb.Permission_READWRITE, Key: key},
		}})
		w.Expect(err).NotTo(HaveOccurred())
		// The follower may not have applied the grant; the credentials say as much as the leader knows.
		who := auth.Identity{User: "u", Revision: leads.Auth().Revision()}
		w.Expect(behind.putAs(t.Context(), who, &pb.PutRequest{Key: key})).To(Succeed())
	}
}

// TestRefusalsDoNotFillTheLog: who may not write does not make the disk of anybody busy either.
func TestRefusalsDoNotFillTheLog(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cheapPasswords(cfg)
	m := beginReady(t, cfg)
	m.speaks(t, "3.7.0") // that comes into the log, too
	m.guardKeys(t)
	before := m.Status().Commit
	for range 50 {
		w.Expect(m.putAs(t.Context(), auth.Identity{}, &pb.PutRequest{Key: []byte("a")})).To(MatchError(auth.ErrUserEmpty))
	}
	w.Expect(m.Status().Commit).To(Equal(before))
	// Decided here by mistake, it is refused where it is applied.
	_, err := m.Propose(t.Context(), &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte("a")}})
	w.Expect(err).To(MatchError(auth.ErrUserEmpty))
	w.Expect(m.get(t, "a")).To(BeEmpty())
}

// A token whose entry is not applied here yet is waited for, no longer than its request, and leaves nothing behind.
func TestTokenOfTheFutureIsWaitedFor(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cheapPasswords(cfg)
	m := beginReady(t, cfg)
	m.guardKeys(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := m.Identify(ctx, Credentials{Token: "abcdefghijklmnop." + strconv.FormatUint(m.applied.index()+1_000, 10)})
	w.Expect(err).To(MatchError(auth.ErrInvalidAuthToken))
	m.applied.mu.Lock()
	defer m.applied.mu.Unlock()
	w.Expect(m.applied.waiting).To(BeEmpty())
}

// TestPasswordThatChangesMeanwhileDoesNotCount: it was right when it was checked, and another one when the entry was applied.
func TestPasswordThatChangesMeanwhileDoesNotCount(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cheapPasswords(cfg)
	m := beginReady(t, cfg)
	m.guardKeys(t)
	stop := make(chan struct{})
	changed := make(chan error, 1)
	go func() {
		var err error
		for n := 0; err == nil; n++ {
			select {
			case <-stop:
				changed <- nil
				return
			default:
				err = m.ChangePassword(context.WithoutCancel(t.Context()), m.asRoot(), &pb.AuthUserChangePasswordRequest{Name: "u", Password: []string{"password of u", "other"}[n%2]})
			}
		}
		changed <- err
	}()
	for range 50 {
		token, err := m.Authenticate(t.Context(), "u", "password of u")
		switch {
		case err == nil:
			w.Expect(token).NotTo(BeEmpty())
		case errors.Is(err, auth.ErrAuthFailed), errors.Is(err, auth.ErrAuthOldRevision):
		default:
			t.Error(err)
		}
	}
	close(stop)
	w.Expect(<-changed).To(Succeed())
}

// CVE-2021-28235: neither passwords, nor their hashes, nor tokens come into the log, at any level.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	w := NewWithT(t)
	core, seen := observer.New(zapcore.DebugLevel)
	cfg := alone(t)
	cheapPasswords(cfg)
	cfg.WarningApplyDuration = 1 // every request is too slow
	m, err := Start(Options{Config: cfg, Logger: zap.New(core), Fatal: func(err error) { t.Error(err) }})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(m.Stop)
	w.Eventually(m.Ready(), "30s").Should(BeClosed())
	m.guardKeys(t)
	_, token := m.enter(t, "u")
	w.Expect(m.ChangePassword(t.Context(), m.asRoot(), &pb.AuthUserChangePasswordRequest{Name: "u", Password: "a newer password"})).To(Succeed())
	_, err = m.Authenticate(t.Context(), "u", "a wrong password")
	w.Expect(err).To(MatchError(auth.ErrAuthFailed))
	_, err = m.Identify(t.Context(), Credentials{Token: token})
	w.Expect(err).To(MatchError(auth.ErrInvalidAuthToken))
	hash, err := m.Auth().Password("u")
	w.Expect(err).NotTo(HaveOccurred())
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	lines := 0
	for _, entry := range seen.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		w.Expect(err).NotTo(HaveOccurred())
		lines++
		for _, secret := range []string{"password of", "newer password", "wrong password", token, strings.Split(token, ".")[0], string(hash), "$2a$"} {
			w.Expect(line.String()).NotTo(ContainSubstring(secret))
		}
	}
	w.Expect(lines).To(BeNumerically(">", 10))
}

// TestUnknownUsersTakeAsLong: a clock does not tell which users there are.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.guardKeys(t)
	fastest := func(user string) time.Duration {
		least := time.Hour
		for range 5 {
			began := time.Now()
			_, err := m.Authenticate(t.Context(), user, "wrong")
			least = min(least, time.Since(began))
			w.Expect(err).To(MatchError(auth.ErrAuthFailed))
		}
		return least
	}
	w.Expect(fastest("stranger")).To(BeNumerically(">", fastest("u")/10))
}
