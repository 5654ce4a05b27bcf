package verify_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/internal/trial"
	"quoin.dev/quoin/tools/release/provenance"
	"quoin.dev/quoin/tools/release/source"
	"quoin.dev/quoin/tools/release/spec"
	"quoin.dev/quoin/tools/release/sums"
	"quoin.dev/quoin/tools/release/verify"
)

// release makes a directory that looks like a release of a commit.
func release(t *testing.T, commit string) string {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "artifact"), []byte("bytes"), 0o600)).To(Succeed())
	r := &spec.Release{Version: "0.9.1", Commit: commit, Time: time.Unix(1_700_000_000, 0), Builder: "https://quoin.dev/trial",
		Platforms: []spec.Platform{{OS: "linux", Arch: "amd64"}}}
	_, err := provenance.Write(r, dir, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sums.Write(dir)).To(Succeed())
	return dir
}

func TestWhatCanNotBeVerified(t *testing.T) {
	g := NewWithT(t)
	const commit = "0123456789abcdef0123456789abcdef01234567"
	check := func(dir string) error {
		return verify.Release(context.Background(), dir, verify.Options{Repository: "../../..", Progress: func(string) {}})
	}
	g.Expect(check(t.TempDir())).To(MatchError(os.ErrNotExist))
	g.Expect(check(release(t, commit))).To(MatchError(ContainSubstring("commit " + commit + " is not in this clone, fetch it first")))
	g.Expect(check(release(t, commit+source.Dirty))).To(MatchError(ContainSubstring("only --source can name that tree")))

	changed := release(t, commit)
	g.Expect(os.WriteFile(filepath.Join(changed, "artifact"), []byte("other"), 0o600)).To(Succeed())
	g.Expect(check(changed)).To(MatchError(ContainSubstring("artifact was changed after the release")))
}

func TestCompareNamesTheFile(t *testing.T) {
	g := NewWithT(t)
	a, b := release(t, "0123456789abcdef0123456789abcdef01234567"), release(t, "0123456789abcdef0123456789abcdef01234567")
	quiet := func(string) {}
	g.Expect(verify.Compare(a, b, quiet)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(b, "artifact"), []byte("bytEs"), 0o600)).To(Succeed())
	g.Expect(verify.Compare(a, b, quiet)).To(MatchError("first difference: artifact > byte 3 of 5 is 0x65 in the release and 0x45 in the rebuild"))
	g.Expect(os.Remove(filepath.Join(b, "artifact"))).To(Succeed())
	g.Expect(verify.Compare(a, b, quiet)).To(MatchError("artifact is only in the release"))
	g.Expect(verify.Compare(b, a, quiet)).To(MatchError("artifact is only in the rebuild"))
}

// TestCheckout: what is verified is the commit, not what lies around it.
func TestCheckout(t *testing.T) {
	g := NewWithT(t)
	repository := trial.Repository(t, "../../..")
	c, err := source.Read(repository)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Dirty).To(BeFalse())
	g.Expect(c.Time).To(Equal(time.Unix(1_700_000_000, 0).UTC()))
	g.Expect(os.WriteFile(filepath.Join(repository, "LICENSE"), []byte("other"), 0o600)).To(Succeed())
	c, err = source.Read(repository)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Name()).To(HaveSuffix("-dirty"))

	dir := filepath.Join(t.TempDir(), "checkout")
	g.Expect(source.Checkout(context.Background(), repository, c.Hash, dir)).To(Succeed())
	license, err := os.ReadFile(filepath.Join(dir, "LICENSE"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(license)).To(ContainSubstring("Apache License"))
}
