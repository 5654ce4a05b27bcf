package apply

import (
	"encoding/base64"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/auth"
)

// TestPermissionsAreThoseOfTheMomentOfApplying: what was allowed when it was proposed is refused when its sender may it no more, by
// every member.
func TestPermissionsAreThoseOfTheMomentOfApplying(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	user := func(name string) *pb.InternalRaftRequest {
		return &pb.InternalRaftRequest{AuthUserAdd: &pb.AuthUserAddRequest{Name: name, HashedPassword: base64.StdEncoding.EncodeToString([]byte("hash"))}}
	}
	give := func(name, role string) *pb.InternalRaftRequest {
		return &pb.InternalRaftRequest{AuthUserGrantRole: &pb.AuthUserGrantRoleRequest{User: name, Role: role}}
	}
	for _, r := range []*pb.InternalRaftRequest{
		user(auth.Root), give(auth.Root, auth.Root), user("alice"),
		{AuthRoleAdd: &pb.AuthRoleAddRequest{Name: "writer"}},
		{AuthRoleGrantPermission: &pb.AuthRoleGrantPermissionRequest{Name: "writer", Perm: &authpb.Permission{PermType: authpb.Permission_READWRITE, Key: []byte("k")}}},
		give("alice", "writer"),
		{AuthEnable: &pb.AuthEnableRequest{}},
	} {
		w.Expect(m.apply(r).Err).NotTo(HaveOccurred(), "%v", r)
	}
	// as is a request of a user who knew the users and roles of a revision.
	as := func(name string, revision uint64, r *pb.InternalRaftRequest) *pb.InternalRaftRequest {
		r.Header = &pb.RequestHeader{Username: name, AuthRevision: revision}
		return r
	}
	requests := map[string]func() *pb.InternalRaftRequest{
		"put":    func() *pb.InternalRaftRequest { return entry(put("k", "2")) },
		"delete": func() *pb.InternalRaftRequest { return entry(del("k")) },
		"txn":    func() *pb.InternalRaftRequest { return entry(txn(op(put("k", "3")), op(txn(op(del("k")))))) },
	}
	before := m.Auth.View().Revision()
	for name, request := range requests {
		w.Expect(m.apply(as("alice", before, request())).Err).NotTo(HaveOccurred(), name)
	}
	w.Expect(m.apply(as("alice", before, entry(put("k", "1")))).Err).NotTo(HaveOccurred())
	take := &pb.InternalRaftRequest{AuthUserRevokeRole: &pb.AuthUserRevokeRoleRequest{Name: "alice", Role: "writer"}}
	w.Expect(m.apply(as(auth.Root, before, take)).Err).NotTo(HaveOccurred())
	now := m.Auth.View().Revision()
	w.Expect(now).To(BeNumerically(">", before))
	for name, request := range requests {
		w.Expect(m.apply(as("alice", before, request())).Err).To(MatchError(auth.ErrAuthOldRevision), name)
		w.Expect(m.apply(as("alice", now, request())).Err).To(MatchError(auth.ErrPermissionDenied), name)
	}
	w.Expect(m.values(t)).To(Equal(map[string]string{"k": "1"}))
}
