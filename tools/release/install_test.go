package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/archive"
	"quoin.dev/quoin/tools/release/sums"
)

// smallRelease is a release whose programs are scripts, signed; it returns the public key, too.
func smallRelease(t *testing.T) (dir, public string) {
	t.Helper()
	g := NewWithT(t)
	dir = t.TempDir()
	name := "quoin-0.9.1-" + runtime.GOOS + "-" + runtime.GOARCH
	var entries []archive.Entry
	for _, program := range []string{"quoin", "quoinctl", "quoinutl"} {
		entries = append(entries, archive.Entry{Name: name + "/bin/" + program, Mode: 0o755, Data: []byte("#!/bin/sh\necho this is " + program + "\n")})
	}
	g.Expect(archive.Create(filepath.Join(dir, name+".tar.gz"), time.Unix(0, 0), entries)).To(Succeed())
	g.Expect(sums.Write(dir)).To(Succeed())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	keys := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	g.Expect(err).NotTo(HaveOccurred())
	private := filepath.Join(keys, "key.pem")
	g.Expect(os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)).To(Succeed())
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	g.Expect(err).NotTo(HaveOccurred())
	public = filepath.Join(keys, "key.pub")
	g.Expect(os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)).To(Succeed())
	g.Expect(sums.Sign(dir, private)).To(Succeed())
	return dir, public
}

// install runs the script against a release that is served as it would be.
func install(t *testing.T, dir, prefix string, more ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(http.StripPrefix("/v0.9.1/", http.FileServer(http.Dir(dir))))
	defer server.Close()
	args := append([]string{"../../release/install.sh", "--url", server.URL + "/v0.9.1", "--prefix", prefix}, more...)
	out, err := exec.Command("sh", args...).CombinedOutput()
	return string(out), err
}

func TestInstallScript(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "openssl", "tar", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("install.sh needs " + tool + ", which is not here")
		}
	}
	g := NewWithT(t)
	dir, public := smallRelease(t)
	prefix := filepath.Join(t.TempDir(), "usr")
	out, err := install(t, dir, prefix, "--key", public, "--etcd-names")
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(out).To(ContainSubstring("quoin 0.9.1 is in " + prefix + "/bin"))
	for link, program := range map[string]string{"etcd": "quoin", "etcdctl": "quoinctl", "etcdutl": "quoinutl"} {
		ran, err := exec.Command(filepath.Join(prefix, "bin", link)).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(ran)).To(Equal("this is " + program + "\n"))
	}

	// Nothing of a release that was changed gets as far as the prefix.
	_, stranger := smallRelease(t)
	fresh := filepath.Join(t.TempDir(), "usr")
	out, err = install(t, dir, fresh, "--key", stranger)
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("SHA256SUMS is not signed by"))
	archives, err := filepath.Glob(filepath.Join(dir, "*.tar.gz"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(archives[0], []byte("something else"), 0o600)).To(Succeed())
	out, err = install(t, dir, fresh)
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("nothing was installed"))
	g.Expect(fresh).NotTo(BeADirectory())

	out, err = install(t, t.TempDir(), fresh)
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("/SHA256SUMS can not be fetched"))
}
