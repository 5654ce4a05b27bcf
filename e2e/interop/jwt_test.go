package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// keyPair writes the keys with which members sign and verify tokens, and returns the flag that names them.
func keyPair(t *testing.T) (flag string) {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	private := must[[]byte](t)(x509.MarshalECPrivateKey(key))
	public := must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"key": {Type: "EC PRIVATE KEY", Bytes: private}, "pub": {Type: "PUBLIC KEY", Bytes: public}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("--auth-token=jwt,sign-method=ES256,pub-key=%s/pub,priv-key=%s/key,ttl=10m", dir, dir)
}

// TestJWTInMixedClusters: what a member of one kind signs, members of the other take, for as long as nobody changes users or roles.
func TestJWTInMixedClusters(t *testing.T) {
	t.Parallel()
	if lab.Subject(t) == lab.Etcd {
		t.Skip("it is about members of both kinds")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cluster := lab.PrepareCluster(t, 3, append([]string{keyPair(t), "--bcrypt-cost=4"}, patient...)...)
	cluster.Start(t, lab.Quoin, lab.Etcd, lab.Quoin)
	root := lab.Client(t, cluster.Members...)
	must[*clientv3.AuthUserAddResponse](t)(root.UserAdd(ctx, "root", "root"))
	must[*clientv3.AuthUserGrantRoleResponse](t)(root.UserGrantRole(ctx, "root", "root"))
	must[*clientv3.AuthRoleAddResponse](t)(root.RoleAdd(ctx, "r"))
	must[*clientv3.AuthRoleGrantPermissionResponse](t)(root.RoleGrantPermission(ctx, "r", "a", "b", clientv3.PermissionType(clientv3.PermReadWrite)))
	must[*clientv3.AuthUserAddResponse](t)(root.UserAdd(ctx, "alice", "alice"))
	must[*clientv3.AuthUserGrantRoleResponse](t)(root.UserGrantRole(ctx, "alice", "r"))
	must[*clientv3.AuthEnableResponse](t)(root.AuthEnable(ctx))
	asRoot := lab.Identity{User: "root", Password: "root"}
	cluster.Speak(asRoot)

	var tokens []string
	for _, m := range cluster.Members {
		login := must[*clientv3.AuthenticateResponse](t)(lab.ClientAs(t, lab.Identity{}, m).Authenticate(ctx, "alice", "alice"))
		tokens = append(tokens, login.Token)
	}
	try := func(signer, user *lab.Member, token, key string) string {
		_, err := lab.ClientAs(t, lab.Identity{Token: token}, user).Put(ctx, key, "")
		return fmt.Sprintf("signed by %s, used at %s: %v", signer.Kind, user.Kind, err)
	}
	for i, signer := range cluster.Members {
		for _, user := range cluster.Members {
			if got, want := try(signer, user, tokens[i], "a1"), fmt.Sprintf("signed by %s, used at %s: <nil>", signer.Kind, user.Kind); got != want {
				t.Error(got)
			}
			if got, want := try(signer, user, tokens[i], "x"), fmt.Sprintf("signed by %s, used at %s: etcdserver: permission denied", signer.Kind, user.Kind); got != want {
				t.Error(got)
			}
		}
	}
	must[*clientv3.AuthRoleAddResponse](t)(lab.ClientAs(t, asRoot, cluster.Members...).RoleAdd(ctx, "another"))
	for i, signer := range cluster.Members {
		for _, user := range cluster.Members {
			if got, want := try(signer, user, tokens[i], "a1"), fmt.Sprintf("signed by %s, used at %s: etcdserver: revision of auth store is old", signer.Kind, user.Kind); got != want {
				t.Error(got)
			}
		}
	}
}
