package embed

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
)

// TestSignedTokensOutliveTheMember logs in at one member, and goes on with the token at the one that a restart makes of it. What
// changes users ends the token, since it carries their revision.
func TestSignedTokensOutliveTheMember(t *testing.T) {
	w := NewWithT(t)
	secret := filepath.Join(t.TempDir(), "secret")
	w.Expect(os.WriteFile(secret, []byte("a secret of all members, which is long enough"), 0o600)).To(Succeed())
	cfg := settings(t)
	cfg.Security.BcryptCost = 4
	cfg.Security.AuthToken = "jwt,sign-method=HS256,priv-key=" + secret
	s := startServing(t, cfg)
	auth := pb.NewAuthClient(connect(t, s.ClientAddrs()[0].String()))
	_, err := auth.RoleAdd(t.Context(), &pb.AuthRoleAddRequest{Name: "root"})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = auth.UserAdd(t.Context(), &pb.AuthUserAddRequest{Name: "root", Password: "p"})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = auth.UserGrantRole(t.Context(), &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = auth.AuthEnable(t.Context(), &pb.AuthEnableRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	login, err := auth.Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "root", Password: "p"})
	w.Expect(err).NotTo(HaveOccurred())
	s.Stop()

	s = startServing(t, cfg)
	conn := connect(t, s.ClientAddrs()[0].String())
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+login.Token)
	kv := pb.NewKVClient(conn)
	_, err = kv.Put(ctx, &pb.PutRequest{Key: []byte("a")})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = kv.Put(metadata.AppendToOutgoingContext(t.Context(), "token", login.Token+"A"), &pb.PutRequest{Key: []byte("a")})
	w.Expect(err).To(MatchError(ContainSubstring("invalid auth token")))
	_, err = pb.NewAuthClient(conn).RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: "more"})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = kv.Put(ctx, &pb.PutRequest{Key: []byte("a")})
	w.Expect(err).To(MatchError(ContainSubstring("revision of auth store is old")))
}
