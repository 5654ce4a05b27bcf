package auth

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// TestChangesAnswerAndCount follows a store from its beginning: what each change answers, and the revision after it, are what
// etcd 3.7.3 answered to the same requests.
func TestChangesAnswerAndCount(t *testing.T) {
	s := fresh(t)
	grant := func(role, key, end string) error {
		return s.GrantPermission(role, permission(authpb.Permission_READ, key, end))
	}
	change := func(name, hash string) error {
		return s.ChangePassword(&pb.AuthUserChangePasswordRequest{Name: name, HashedPassword: hash})
	}
	off := func() error { s.Disable(); return nil }
	for i, c := range []struct {
		what     string
		do       func() error
		want     error
		revision uint64
	}{
		{"enable without root", s.Enable, ErrRootUserNotExist, 1},
		{"disable while off", off, nil, 1},
		{"add root", func() error { return s.AddUser(newUserRequest(Root)) }, nil, 2},
		{"add root again", func() error { return s.AddUser(newUserRequest(Root)) }, ErrUserAlreadyExist, 2},
		{"add nobody", func() error { return s.AddUser(newUserRequest("")) }, ErrUserEmpty, 2},
		{"add one without password", func() error {
			return s.AddUser(&pb.AuthUserAddRequest{Name: "cert", Options: &authpb.UserAddOptions{NoPassword: true}})
		}, nil, 3},
		{"give it a password", func() error { return change("cert", "eA==") }, nil, 4},
		{"a password for nobody", func() error { return change("none", "eA==") }, ErrUserNotFound, 4},
		{"no password", func() error { return change(Root, "") }, nil, 5},
		{"enable without the role", s.Enable, ErrRootRoleNotExist, 5},
		{"grant root, which is no row", func() error { return s.GrantRole(Root, Root) }, nil, 6},
		{"grant root again", func() error { return s.GrantRole(Root, Root) }, nil, 6},
		{"grant nothing to nobody", func() error { return s.GrantRole("none", "none") }, ErrUserNotFound, 6},
		{"grant nothing", func() error { return s.GrantRole("cert", "") }, ErrRoleNotFound, 6},
		{"delete root, which is no row", func() error { return s.DeleteRole(Root) }, ErrRoleNotFound, 6},
		{"role without a name", func() error { return s.AddRole("") }, ErrRoleEmpty, 6},
		{"role", func() error { return s.AddRole("r") }, nil, 7},
		{"role again", func() error { return s.AddRole("r") }, ErrRoleAlreadyExist, 7},
		{"grant role", func() error { return s.GrantRole("cert", "r") }, nil, 8},
		{"revoke what was not granted", func() error { return s.RevokeRole("cert", "none") }, ErrRoleNotGranted, 8},
		{"revoke of nobody", func() error { return s.RevokeRole("none", "r") }, ErrUserNotFound, 8},
		{"no permission", func() error { return s.GrantPermission("none", nil) }, ErrPermissionNotGiven, 8},
		{"permission to nobody", func() error { return grant("none", "a", "b") }, ErrRoleNotFound, 8},
		// etcd#15619: permissions for no key at all.
		{"backwards", func() error { return grant("none", "b", "a") }, ErrInvalidAuthMgmt, 8},
		{"empty", func() error { return grant("r", "b", "b") }, ErrInvalidAuthMgmt, 8},
		{"no key", func() error { return grant("r", "", "") }, ErrInvalidAuthMgmt, 8},
		{"no key, without end", func() error { return grant("r", "", "\x00") }, ErrInvalidAuthMgmt, 8},
		{"one key as a range", func() error { return grant("r", "b", "b\x00") }, nil, 9},
		{"all keys", func() error { return grant("r", "\x00", "\x00") }, nil, 10},
		{"the same again", func() error { return grant("r", "b", "b\x00") }, nil, 11},
		{"revoke permission", func() error { return s.RevokePermission("r", []byte("b"), []byte("b\x00")) }, nil, 12},
		{"revoke it again", func() error { return s.RevokePermission("r", []byte("b"), []byte("b\x00")) }, ErrPermissionNotGranted, 12},
		{"revoke of none", func() error { return s.RevokePermission("none", []byte("b"), nil) }, ErrRoleNotFound, 12},
		{"enable", s.Enable, nil, 12},
		{"enable again", s.Enable, nil, 12},
		{"delete root", func() error { return s.DeleteUser(Root) }, ErrInvalidAuthMgmt, 12},
		{"delete nobody", func() error { return s.DeleteUser("none") }, ErrUserNotFound, 12},
		{"root without root", func() error { return s.RevokeRole(Root, Root) }, ErrInvalidAuthMgmt, 12},
		{"delete the role root", func() error { return s.DeleteRole(Root) }, ErrInvalidAuthMgmt, 12},
		{"delete the role", func() error { return s.DeleteRole("r") }, nil, 13},
		{"delete a user", func() error { return s.DeleteUser("cert") }, nil, 14},
		{"disable", off, nil, 15},
		{"disable again", off, nil, 15},
		{"delete root at last", func() error { return s.DeleteUser(Root) }, nil, 16},
	} {
		t.Run(fmt.Sprintf("%02d %s", i, c.what), func(t *testing.T) {
			w := NewWithT(t)
			err := c.do()
			s.commit()
			if c.want == nil {
				w.Expect(err).NotTo(HaveOccurred())
			} else {
				w.Expect(err).To(MatchError(c.want))
			}
			w.Expect(s.View().Revision()).To(Equal(c.revision))
		})
	}
	NewWithT(t).Expect(s.book.told).To(Equal([]string{"disable", "forget cert", "forget root", "enable", "forget cert", "disable", "forget root"}))
}

// TestPermissionsLieAsInEtcd: a list was made by etcd 3.7.3 with the same grants. Permissions with one key are in the order that an
// unstable sorting has left, and the rows of all members have to be equal.
func TestPermissionsLieAsInEtcd(t *testing.T) {
	w := NewWithT(t)
	s := fresh(t)
	s.must(t, s.AddRole("r"))
	for i, p := range [][2]string{
		{"a", "c"}, {"a", "b"}, {"a", ""}, {"a", "b"}, {"a", "c"}, {"a", "d"}, {"0", "5"}, {"a", "\x00"}, {"a", "b"},
		{"b", "c"}, {"b", ""}, {"a", "e"}, {"a", "f"}, {"a", "g"}, {"a", "h"}, {"a", "i"}, {"a", "aa"}, {"0", "4"},
	} {
		s.must(t, s.GrantPermission("r", permission(authpb.Permission_Type(i%3), p[0], p[1])))
	}
	list := func() (all []string) {
		permissions, err := s.View().Permissions("r")
		w.Expect(err).NotTo(HaveOccurred())
		for _, p := range permissions {
			all = append(all, fmt.Sprintf("%s-%s %d", p.Key, p.RangeEnd, p.PermType))
		}
		return all
	}
	w.Expect(list()).To(Equal([]string{
		"0-5 0", "0-4 2", "a-f 0", "a-b 2", "a-b 0", "a-d 2", "a-c 1", "a-e 2", "a-h 2", "a- 2", "a-g 1", "a-\x00 1", "a-i 0", "a-aa 1", "a-b 1", "b- 1", "b-c 0",
	}))
	before := list()
	s.must(t, s.RevokePermission("r", []byte("a"), []byte("b")))
	w.Expect(list()).To(Equal(slices.DeleteFunc(before, func(p string) bool { return p[:4] == "a-b " })), "all three of them")
}

// TestWhatIsStoredComesBack compares a store with the one that a start finds (etcd#14355), the switch and the revision included.
func TestWhatIsStoredComesBack(t *testing.T) {
	w := NewWithT(t)
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	s.commit()
	view := s.b.View()
	w.Expect(schema.AuthRevision(view)).To(BeEquivalentTo(1), "etcd begins with this row, too")
	view.Close()
	s.withRoot(t)
	s.must(t, s.AddUser(newUserRequest("u")), s.AddRole("r"), s.AddRole("gone"), s.GrantRole("u", "r"), s.GrantRole("u", "gone"))
	s.must(t, s.GrantPermission("r", permission(authpb.Permission_READ, "a", "")), s.DeleteRole("gone"), s.Enable())
	s.close()

	s = open(t, path)
	v := s.View()
	w.Expect([]any{v.Enabled(), v.Revision(), v.Users(), v.Roles()}).To(Equal([]any{true, uint64(10), []string{Root, "u"}, []string{"r"}}))
	w.Expect(v.RolesOf("u")).To(Equal([]string{"r"}))
	w.Expect(v.Password("u")).To(BeEquivalentTo("hash of u"))
	w.Expect(v.Read(Identity{"u", 10}, []byte("a"), nil)).To(Succeed())
	w.Expect(v.Read(Identity{"u", 10}, []byte("b"), nil)).To(MatchError(ErrPermissionDenied))
	w.Expect(s.book.told).To(Equal([]string{"enable"}))
}

// TestAReceivedDatabaseCountsAtOnce: the same store goes on with another file. etcd#14571: nothing of what was known before decides any
// more. etcd#13205: tokens stay, but for those of users who are not who they were.
func TestAReceivedDatabaseCountsAtOnce(t *testing.T) {
	w := NewWithT(t)
	s := fresh(t)
	s.withRoot(t)
	s.must(t, s.AddUser(newUserRequest("same")), s.AddUser(newUserRequest("gone")), s.AddUser(newUserRequest("changed")), s.AddRole("r"))
	s.must(t, s.GrantPermission("r", permission(authpb.Permission_WRITE, "a", "b")), s.GrantRole("same", "r"), s.Enable())
	w.Expect(s.View().Decide(Identity{"same", s.View().Revision()}, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte("a")}}, nil)).To(Succeed())

	path := filepath.Join(t.TempDir(), "db")
	other := open(t, path)
	other.withRoot(t)
	other.must(t, other.AddUser(newUserRequest("same")), other.AddUser(newUserRequest("changed")), other.AddRole("r"))
	other.must(t, other.ChangePassword(&pb.AuthUserChangePasswordRequest{Name: "changed", HashedPassword: "eA=="}))
	other.must(t, other.GrantPermission("r", permission(authpb.Permission_WRITE, "c", "d")), other.GrantRole("same", "r"), other.Enable())
	other.close()

	s.book.told = nil
	b, err := backend.Open(backend.Options{Path: path})
	w.Expect(err).NotTo(HaveOccurred())
	s.close()
	s.b = b
	s.load(t)
	w.Expect(s.book.told).To(ConsistOf("enable", "forget gone", "forget changed"))
	who := Identity{"same", s.View().Revision()}
	w.Expect(s.View().Decide(who, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte("a")}}, nil)).To(MatchError(ErrPermissionDenied))
	w.Expect(s.View().Decide(who, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte("c")}}, nil)).To(Succeed())
	s.must(t, s.AddRole("goes into the new file"))
}

// TestAChangeOfARoleCountsAtOnce, for users who were asked about before, too.
func TestAChangeOfARoleCountsAtOnce(t *testing.T) {
	w := NewWithT(t)
	s := fresh(t)
	s.withRoot(t)
	s.must(t, s.AddUser(newUserRequest("alice")), s.AddRole("reader"), s.GrantRole("alice", "reader"), s.Enable())
	may := func() error {
		v := s.View()
		return v.Read(Identity{User: "alice", Revision: v.Revision()}, []byte("k"), nil)
	}
	w.Expect(may()).To(MatchError(ErrPermissionDenied))
	s.must(t, s.GrantPermission("reader", permission(authpb.Permission_READ, "k", "")))
	w.Expect(may()).To(Succeed())
	s.must(t, s.RevokePermission("reader", []byte("k"), nil))
	w.Expect(may()).To(MatchError(ErrPermissionDenied))
	s.must(t, s.GrantPermission("reader", permission(authpb.Permission_READ, "k", "")))
	w.Expect(may()).To(Succeed())
	s.must(t, s.DeleteRole("reader"))
	w.Expect(may()).To(MatchError(ErrPermissionDenied))
}

func TestLoginAssignsWhatTheEntryBrings(t *testing.T) {
	w := NewWithT(t)
	s := fresh(t)
	s.withRoot(t)
	_, err := s.Login(Root, "secret", 7)
	w.Expect(err).To(MatchError(ErrAuthNotEnabled))
	s.must(t, s.AddUser(&pb.AuthUserAddRequest{Name: "cert", Options: &authpb.UserAddOptions{NoPassword: true}}), s.Enable())
	l, err := s.Login(Root, "secret", 7)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(l).To(Equal(Login{Token: "root at 4: secret.7", Revision: 4, Password: []byte("hash of root")}))
	l, err = s.Login(Root, "", 7)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(l.Token).To(BeEmpty(), "who asked makes it")
	_, err = s.Login("cert", "secret", 7)
	w.Expect(err).To(MatchError(ErrNoPasswordUser))
	_, err = s.Login("none", "secret", 7)
	w.Expect(err).To(MatchError(ErrAuthFailed))
}
