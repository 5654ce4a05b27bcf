package assemble_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	. "github.com/onsi/gomega"
	spdx "github.com/spdx/tools-golang/json"

	"quoin.dev/quoin/tools/internal/trial"
	"quoin.dev/quoin/tools/release/assemble"
	"quoin.dev/quoin/tools/release/provenance"
	"quoin.dev/quoin/tools/release/spec"
	"quoin.dev/quoin/tools/release/sums"
	"quoin.dev/quoin/tools/release/verify"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// smallTree is a copy of this repository whose release has one program, which makes the test a short one.
func smallTree(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	dir := trial.Files(t, "../../..")
	table, err := spec.ReadTable(dir)
	g.Expect(err).NotTo(HaveOccurred())
	table.Programs, table.DebugPrograms = table.Programs[1:2], nil
	g.Expect(table.Programs[0].Name).To(Equal("quoinctl"))
	data, err := json.Marshal(table)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(dir, "release", "table.json"), data, 0o600)).To(Succeed())

	name := filepath.Join(dir, "release", "nfpm.yaml")
	description, err := os.ReadFile(name)
	g.Expect(err).NotTo(HaveOccurred())
	var kept strings.Builder
	for line := range strings.Lines(string(description)) {
		if !strings.Contains(line, `/bin/quoin"`) && !strings.Contains(line, `/bin/quoinutl"`) {
			kept.WriteString(line)
		}
	}
	g.Expect(os.WriteFile(name, []byte(kept.String()), 0o600)).To(Succeed())
	return dir
}

func build(t *testing.T, root string) string {
	t.Helper()
	g := NewWithT(t)
	table, err := spec.ReadTable(root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(table.CheckToolchain()).To(Succeed())
	platforms, err := table.Select("linux/amd64")
	g.Expect(err).NotTo(HaveOccurred())
	r := &spec.Release{
		Table: *table, Root: root, Version: "0.9.1", Commit: commit, Time: time.Unix(1_700_000_000, 0).UTC(),
		Builder: "https://quoin.dev/trial", Platforms: platforms,
	}
	out := filepath.Join(t.TempDir(), "dist")
	g.Expect(assemble.Release(context.Background(), r, assemble.Options{Out: out, Jobs: 1})).To(Succeed())
	return out
}

// elsewhere makes this process look like one of another user on another machine in another country, whose settings of Go
// would change the bytes if they were heeded.
func elsewhere(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, strings.TrimSpace(string(out)))
	}
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "USER": "somebody", "LOGNAME": "somebody", "TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8",
		"CGO_ENABLED": "1", "GOAMD64": "v3", "GOFLAGS": "-tags=elsewhere", "GOOS": "linux", "SOURCE_DATE_EPOCH": "1",
	} {
		t.Setenv(name, value)
	}
	umask, local, cpus := syscall.Umask(0o077), time.Local, runtime.GOMAXPROCS(1)
	time.Local = time.FixedZone("far", 9*60*60)
	t.Cleanup(func() {
		syscall.Umask(umask)
		time.Local = local
		runtime.GOMAXPROCS(cpus)
	})
}

// TestTwoBuildsAreEqual: another directory, user, day, zone, umask and number of CPUs, the same bytes. The clock of the second
// build is that of a test bubble, which begins with the year 2000.
func TestTwoBuildsAreEqual(t *testing.T) {
	first := build(t, smallTree(t))
	t.Run("holds what was asked for", func(t *testing.T) { inspect(t, first) })
	t.Run("again elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := NewWithT(t)
			elsewhere(t)
			second := build(t, smallTree(t))
			g.Expect(time.Now().Year()).To(Equal(2000), "the day is another one")
			g.Expect(verify.Compare(first, second, func(string) {})).To(Succeed())
		})
	})
}

func inspect(t *testing.T, dir string) {
	g := NewWithT(t)
	g.Expect(sums.Check(dir)).To(Succeed())
	names, err := sums.Files(dir)
	g.Expect(err).NotTo(HaveOccurred())
	artifacts := []string{
		"quoin-0.9.1-linux-amd64.tar.gz", "quoin_0.9.1-1_amd64.deb", "quoin-0.9.1-1.x86_64.rpm",
		"quoin-0.9.1-linux-amd64.docker.tar", "quoin-0.9.1-image.oci.tar", "quoin-0.9.1-image-debug.oci.tar",
	}
	g.Expect(names).To(ContainElements(artifacts))
	for _, a := range artifacts {
		data, err := os.ReadFile(filepath.Join(dir, a+".spdx.json"))
		g.Expect(err).NotTo(HaveOccurred())
		doc, err := spdx.Read(bytes.NewReader(data))
		g.Expect(err).NotTo(HaveOccurred())
		packages := map[string]string{}
		for _, p := range doc.Packages {
			packages[p.PackageName] = p.PackageVersion
		}
		g.Expect(packages).To(HaveKeyWithValue("quoin.dev/ctl", "v0.9.1"))
		g.Expect(packages).To(HaveKeyWithValue("stdlib", strings.TrimPrefix(runtime.Version(), "go")))
		g.Expect(packages).To(HaveKey("google.golang.org/grpc"))
	}
	p, err := provenance.Read(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p).To(Equal(&provenance.Parameters{
		Commit: commit, Version: "0.9.1", Builder: "https://quoin.dev/trial", Platforms: []string{"linux/amd64"}, Unix: 1_700_000_000,
	}))

	img, err := tarball.ImageFromPath(filepath.Join(dir, artifacts[3]), nil)
	g.Expect(err).NotTo(HaveOccurred())
	config, err := img.ConfigFile()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config.Config.User).To(Equal("65532:65532"))
	g.Expect(config.Config.Labels).To(HaveKeyWithValue("org.opencontainers.image.revision", commit))
	content := new(bytes.Buffer)
	_, err = content.ReadFrom(mutate.Extract(img))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(content.String()).To(ContainSubstring("usr/local/bin/etcdctl"))
	g.Expect(content.String()).To(ContainSubstring("-----BEGIN CERTIFICATE-----"))
	g.Expect(content.String()).NotTo(ContainSubstring("bin/sh\x00"))

	// The program knows what it is.
	archive := filepath.Join(dir, artifacts[0])
	to := t.TempDir()
	out, err := exec.Command("tar", "-xzf", archive, "-C", to).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	bin := filepath.Join(to, "quoin-0.9.1-linux-amd64", "bin")
	if runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" {
		out, err = exec.Command(filepath.Join(bin, "quoinctl"), "version").CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
		g.Expect(string(out)).To(ContainSubstring("quoinctl version: 0.9.1\n"))
	}
	g.Expect(os.Readlink(filepath.Join(bin, "etcdctl"))).To(Equal("quoinctl"))
}

// TestAReleaseIsAllThatIsInItsDirectory: sums over files of an older release would vouch for them.
func TestAReleaseIsAllThatIsInItsDirectory(t *testing.T) {
	dir := t.TempDir()
	g := NewWithT(t)
	g.Expect(os.WriteFile(filepath.Join(dir, "old"), nil, 0o600)).To(Succeed())
	g.Expect(assemble.Release(context.Background(), &spec.Release{}, assemble.Options{Out: dir})).To(MatchError(ContainSubstring("is not empty")))
}
