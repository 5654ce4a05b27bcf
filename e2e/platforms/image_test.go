package platforms

import (
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/image"
)

// label marks everything that these tests start in the engine.
const label = "dev.quoin.test=platforms"

// docker runs a command of the Docker client and returns what it prints.
func docker(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// engine skips the test without a Docker engine; else it returns a function that runs a command which must succeed.
func engine(t *testing.T) func(args ...string) string {
	t.Helper()
	if out, err := docker("version", "--format", "{{.Server.Version}}"); err != nil {
		t.Skipf("there is no Docker engine here: %s", out)
	}
	return func(args ...string) string {
		t.Helper()
		out, err := docker(args...)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), out)
		return out
	}
}

// load loads an image for the time of the test and returns its name.
func load(t *testing.T, tag string, debug bool) string {
	t.Helper()
	do := engine(t)
	name := image.Repository + ":" + tag
	NewWithT(t).Expect(do("load", "--input", imageArchive(t, tag, debug))).To(ContainSubstring(name))
	t.Cleanup(func() { _, _ = docker("image", "rm", name) })
	return name
}

// TestImage: the archive loads, and a member runs and serves as a user without privileges on a file system that it can
// not write to, but for its data.
func TestImage(t *testing.T) {
	g := NewWithT(t)
	do := engine(t)
	container := do("run", "--detach", "--label", label, "--network", "none", "--read-only", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--tmpfs", "/var/lib/quoin:uid=65532,gid=65532,mode=0700", load(t, "trial", false))
	t.Cleanup(func() { _, _ = docker("rm", "--force", "--volumes", container) })
	g.Eventually(func() (string, error) { return docker("exec", container, "quoinctl", "put", "greeting", "hello") }, "60s", "200ms").Should(Equal("OK"))
	// The names that scripts for etcd use are there, too.
	g.Expect(do("exec", container, "etcdctl", "get", "greeting")).To(Equal("greeting\nhello"))
	g.Expect(do("exec", container, "etcd", "--version")).To(ContainSubstring("quoin Version: 0.0.0-trial"))
	g.Expect(do("top", container, "-eo", "pid,uid,args")).To(MatchRegexp(`(?m)^\s*\d+\s+65532\s+/usr/local/bin/quoin`))

	out, err := docker("exec", container, "sh", "-c", "true")
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("not found"))

	do("stop", "--time", "60", container)
	g.Expect(do("inspect", "--format", "{{.State.ExitCode}}", container)).To(Equal("0"))
}

// TestDataInAVolume: a new volume takes over the owner of the directory, and keeps the keys from one container to the next.
func TestDataInAVolume(t *testing.T) {
	g := NewWithT(t)
	do := engine(t)
	name := load(t, "volume", false)
	volume := do("volume", "create", "--label", label)
	t.Cleanup(func() { _, _ = docker("volume", "rm", "--force", volume) })
	for round, want := range []string{"OK", "kept\nhere"} {
		container := do("run", "--detach", "--label", label, "--network", "none", "--read-only", "--volume", volume+":/var/lib/quoin", name)
		t.Cleanup(func() { _, _ = docker("rm", "--force", container) })
		args := []string{"exec", container, "quoinctl", "put", "kept", "here"}
		if round == 1 {
			args = []string{"exec", container, "quoinctl", "get", "kept"}
		}
		g.Eventually(func() (string, error) { return docker(args...) }, "60s", "200ms").Should(Equal(want))
		do("stop", "--time", "60", container)
	}
}

// TestDebugImage: it has a shell with the usual commands, and programs with symbols.
func TestDebugImage(t *testing.T) {
	g := NewWithT(t)
	do := engine(t)
	run := []string{"run", "--rm", "--label", label, "--network", "none", "--read-only", load(t, "trial-debug", true), "sh", "-c"}
	g.Expect(do(append(run, "cd /etc && ls passwd && for f in n*.conf; do cat $f; done")...)).To(Equal("passwd\nhosts: files dns"))
	out, err := docker(append(run, "exit 7")...)
	g.Expect(err).To(MatchError(ContainSubstring("exit status 7")), out)
}
