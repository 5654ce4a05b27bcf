package workspace_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/internal/trial"
	"quoin.dev/quoin/tools/internal/workspace"
)

const root = "../../.."

func load(t *testing.T, dir string) *workspace.Workspace {
	t.Helper()
	w, err := workspace.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestThisRepositoryFitsTogether(t *testing.T) {
	NewWithT(t).Expect(load(t, root).Check()).To(Succeed())
}

// TestUpdateVersions: one command moves every requirement, go.work and the product, and the workspace still builds.
func TestUpdateVersions(t *testing.T) {
	g := NewWithT(t)
	dir := trial.Repository(t, root)
	changed, err := load(t, dir).UpdateVersions("v0.9.1-rc.2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(changed).To(ContainElements("go.mod", "go.work", "src/server/go.mod", "src/api/version/version.go"))

	w := load(t, dir)
	g.Expect(w.Version()).To(Equal("v0.9.1-rc.2"))
	g.Expect(w.Check()).To(Succeed())
	g.Expect(w.Tidy(true)).To(Succeed())

	// Nothing but the versions has changed: no line was added or lost, no comment, no order.
	for line := range strings.Lines(trial.Git(t, dir, "diff", "--numstat")) {
		fields := strings.Fields(line)
		g.Expect(fields[0]).To(Equal(fields[1]), line)
	}
	cmd := exec.Command("go", "list", "-deps", "./src/server/cmd/quoin")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))

	// Once more changes nothing, and back again gives the files of before.
	g.Expect(load(t, dir).UpdateVersions("v0.9.1-rc.2")).To(BeEmpty())
	before, err := load(t, root).Version()
	g.Expect(err).NotTo(HaveOccurred())
	_, err = load(t, dir).UpdateVersions(before)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(trial.Git(t, dir, "status", "--porcelain")).To(BeEmpty())
}

func TestVersionsThatCanNotBe(t *testing.T) {
	g := NewWithT(t)
	w := load(t, trial.Files(t, root))
	for _, version := range []string{"0.2.0", "v0.2", "v0.2.0+build", "latest", "v2.0.0"} {
		_, err := w.UpdateVersions(version)
		g.Expect(err).To(MatchError(ContainSubstring(version)), version)
	}
}

// TestCheckFinds breaks a copy in each way that the check is for.
func TestCheckFinds(t *testing.T) {
	g := NewWithT(t)
	dir := trial.Repository(t, root)
	edit := func(name, old, replacement string) {
		t.Helper()
		file := filepath.Join(dir, name)
		data, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(data)).To(ContainSubstring(old))
		g.Expect(os.WriteFile(file, []byte(strings.Replace(string(data), old, replacement, 1)), 0o600)).To(Succeed())
	}
	for _, c := range []struct {
		want   string
		change func()
	}{
		{"is required at", func() { edit("src/client/go.mod", "go.uber.org/zap v1.", "go.uber.org/zap v1.1") }},
		{"requires an unreleased go.uber.org/zap, a commit behind v1.99.0", func() {
			edit("src/client/go.mod", "go.uber.org/zap v1.", "go.uber.org/zap v1.99.1-0.20260102030405-0123456789ab // was v1.")
		}},
		{"src/client/go.mod replaces quoin.dev/api", func() {
			edit("src/client/go.mod", "go 1.", "replace quoin.dev/api => ../api\n\ngo 1.")
		}},
		{"of our modules", func() { edit("src/client/go.mod", "quoin.dev/api v0", "quoin.dev/api v1") }},
		{"go.work does not replace quoin.dev/api", func() { edit("go.work", "quoin.dev/api v0", "quoin.dev/api v1") }},
		{"extra/go.mod is a module that go.work does not use", func() {
			g.Expect(os.Mkdir(filepath.Join(dir, "extra"), 0o755)).To(Succeed())
			g.Expect(os.WriteFile(filepath.Join(dir, "extra", "go.mod"), []byte("module quoin.dev/extra\n"), 0o600)).To(Succeed())
		}},
	} {
		c.change()
		g.Expect(load(t, dir).Check()).To(MatchError(ContainSubstring(c.want)))
		trial.Git(t, dir, "reset", "--quiet", "--hard")
		trial.Git(t, dir, "clean", "--quiet", "-fd")
	}
	g.Expect(load(t, dir).Check()).To(Succeed())
}
