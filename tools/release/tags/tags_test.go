package tags_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/internal/trial"
	"quoin.dev/quoin/tools/internal/workspace"
	"quoin.dev/quoin/tools/release/source"
	"quoin.dev/quoin/tools/release/tags"
)

// clone returns a copy of this repository with an empty bare remote called origin.
func clone(t *testing.T) (dir, remote string) {
	t.Helper()
	dir, remote = trial.Repository(t, "../../.."), t.TempDir()
	trial.Git(t, remote, "init", "--quiet", "--bare")
	trial.Git(t, dir, "remote", "add", "origin", remote)
	return dir, remote
}

func push(t *testing.T, dir string, really bool) (string, error) {
	t.Helper()
	w, err := workspace.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = tags.Push(context.Background(), w, tags.Options{Remote: "origin", Push: really, Out: &out})
	return out.String(), err
}

// signWithSSH makes a key and lets git sign with it; it returns what git needs to verify.
func signWithSSH(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen here, which git signs with")
	}
	g := NewWithT(t)
	key := filepath.Join(t.TempDir(), "key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "trial", "-f", key).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	public, err := os.ReadFile(key + ".pub")
	g.Expect(err).NotTo(HaveOccurred())
	signers := filepath.Join(filepath.Dir(key), "signers")
	g.Expect(os.WriteFile(signers, append([]byte("trial@quoin.dev "), public...), 0o600)).To(Succeed())
	for name, value := range map[string]string{"gpg.format": "ssh", "user.signingkey": key + ".pub", "gpg.ssh.allowedSignersFile": signers} {
		trial.Git(t, dir, "config", name, value)
	}
}

func TestOneSignedTagForEveryModule(t *testing.T) {
	g := NewWithT(t)
	dir, remote := clone(t)
	signWithSSH(t, dir)
	w, err := workspace.Load(dir)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = w.UpdateVersions("v0.9.1")
	g.Expect(err).NotTo(HaveOccurred())

	// What is not committed is not released.
	_, err = push(t, dir, true)
	g.Expect(err).To(MatchError(source.ErrDirty))
	trial.Commit(t, dir)

	out, err := push(t, dir, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("dry run"))
	g.Expect(trial.Git(t, dir, "tag")).To(BeEmpty())
	g.Expect(trial.Git(t, remote, "tag")).To(BeEmpty())

	_, err = push(t, dir, true)
	g.Expect(err).NotTo(HaveOccurred())
	pushed := strings.Fields(trial.Git(t, remote, "tag"))
	g.Expect(pushed).To(HaveLen(len(w.Released())))
	g.Expect(pushed).To(ContainElements("v0.9.1", "src/api/v0.9.1", "src/server/v0.9.1"))
	head := strings.TrimSpace(trial.Git(t, dir, "rev-parse", "HEAD"))
	for _, tag := range pushed {
		g.Expect(strings.TrimSpace(trial.Git(t, remote, "rev-parse", tag+"^{commit}"))).To(Equal(head))
		trial.Git(t, dir, "verify-tag", tag)
	}

	// A version is released once.
	_, err = push(t, dir, true)
	g.Expect(err).To(MatchError(ContainSubstring("exists already here")))
	for _, tag := range pushed {
		trial.Git(t, dir, "tag", "--delete", tag)
	}
	_, err = push(t, dir, true)
	g.Expect(err).To(MatchError(ContainSubstring("exists already at origin")))
}

// TestAllOrNothing: when a signature or the push fails, no tag is left behind.
func TestAllOrNothing(t *testing.T) {
	g := NewWithT(t)
	dir, remote := clone(t)
	trial.Git(t, dir, "config", "gpg.format", "ssh")
	trial.Git(t, dir, "config", "user.signingkey", filepath.Join(dir, "nowhere.pub"))
	_, err := push(t, dir, true)
	g.Expect(err).To(MatchError(ContainSubstring("could not be signed")))
	g.Expect(trial.Git(t, dir, "tag")).To(BeEmpty())

	signWithSSH(t, dir)
	hook := filepath.Join(remote, "hooks", "pre-receive")
	g.Expect(os.MkdirAll(filepath.Dir(hook), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(hook, []byte("#!/bin/sh\necho no releases today >&2\nexit 1\n"), 0o755)).To(Succeed())
	_, err = push(t, dir, true)
	g.Expect(err).To(MatchError(ContainSubstring("no releases today")))
	g.Expect(trial.Git(t, dir, "tag")).To(BeEmpty())
	g.Expect(trial.Git(t, remote, "tag")).To(BeEmpty())
}
