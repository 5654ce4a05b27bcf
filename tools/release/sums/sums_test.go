package sums_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/sums"
)

func release(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"a.tar.gz", "b.deb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := sums.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCheckFindsEveryChange(t *testing.T) {
	g := NewWithT(t)
	g.Expect(sums.Check(release(t))).To(Succeed())
	for _, c := range []struct {
		change func(dir string) error
		want   string
	}{
		{func(dir string) error { return os.WriteFile(filepath.Join(dir, "a.tar.gz"), []byte("other"), 0o600) }, "a.tar.gz was changed after the release"},
		{func(dir string) error { return os.Remove(filepath.Join(dir, "b.deb")) }, "b.deb is listed in SHA256SUMS and is not there"},
		{func(dir string) error { return os.WriteFile(filepath.Join(dir, "c"), nil, 0o600) }, "c is not listed in SHA256SUMS"},
		{func(dir string) error { return os.WriteFile(filepath.Join(dir, sums.File), []byte("junk\n"), 0o600) }, "not a line of sha256sum"},
	} {
		dir := release(t)
		g.Expect(c.change(dir)).To(Succeed())
		g.Expect(sums.Check(dir)).To(MatchError(ContainSubstring(c.want)))
	}
}

// TestSha256sumReadsTheList: users check a download with the tool of their system.
func TestSha256sumReadsTheList(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("there is no sha256sum here")
	}
	cmd := exec.Command(tool, "--check", "--strict", sums.File)
	cmd.Dir = release(t)
	out, err := cmd.CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(out))
}

func writeKeys(t *testing.T, key crypto.Signer) (private, public string) {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	private, public = filepath.Join(dir, "key.pem"), filepath.Join(dir, "key.pub")
	der, err := x509.MarshalPKCS8PrivateKey(key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)).To(Succeed())
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)).To(Succeed())
	return private, public
}

func TestSignatures(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ecdsa": ec, "ed25519": ed} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			dir := release(t)
			private, public := writeKeys(t, key)
			g.Expect(sums.Verify(dir, public)).To(MatchError(ContainSubstring("not signed")))
			g.Expect(sums.Sign(dir, private)).To(Succeed())
			g.Expect(sums.Verify(dir, public)).To(Succeed())

			// The same key gives the same signature, so that a signed release can be made again, too.
			first, err := os.ReadFile(filepath.Join(dir, sums.Signature))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(sums.Sign(dir, private)).To(Succeed())
			g.Expect(os.ReadFile(filepath.Join(dir, sums.Signature))).To(Equal(first))

			// The signature is no part of what it signs.
			g.Expect(sums.Check(dir)).To(Succeed())
			list, err := os.ReadFile(filepath.Join(dir, sums.File))
			g.Expect(err).NotTo(HaveOccurred())
			list[0] ^= 1
			g.Expect(os.WriteFile(filepath.Join(dir, sums.File), list, 0o600)).To(Succeed())
			g.Expect(sums.Verify(dir, public)).To(MatchError(ContainSubstring("is not a signature")))
			g.Expect(sums.Sign(dir, public)).To(MatchError(ContainSubstring("is not an unencrypted private key")))
		})
	}
}

// TestOpenSSLVerifies: cosign, openssl and install.sh read the same signature.
func TestOpenSSLVerifies(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	g := NewWithT(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	dir := release(t)
	private, public := writeKeys(t, key)
	g.Expect(sums.Sign(dir, private)).To(Succeed())
	for _, args := range [][]string{
		{"base64", "-d", "-A", "-in", sums.Signature, "-out", "signature"},
		{"dgst", "-sha256", "-verify", public, "-signature", "signature", sums.File},
	} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
	}
}
