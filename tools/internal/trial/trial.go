// Package trial gives tests a copy of this repository that they may change, with a history of one commit.
package trial

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// When is the time of the commit, in git's own format.
const When = "1700000000 +0000"

// Files copies what git tracks or would track from the top of this repository into a new directory.
func Files(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range strings.Split(strings.TrimRight(run(t, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"), "\x00"), "\x00") {
		from, to := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if os.IsNotExist(err) {
			continue // deleted and not committed yet
		}
		must(t, err)
		data, err := os.ReadFile(from)
		must(t, err)
		must(t, os.MkdirAll(filepath.Dir(to), 0o755))
		must(t, os.WriteFile(to, data, info.Mode().Perm()|0o200))
	}
	return dir
}

// Repository is Files, committed, in a repository that none of the user's settings of git reach.
func Repository(t *testing.T, root string) string {
	t.Helper()
	dir := Files(t, root)
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "Trial", "GIT_AUTHOR_EMAIL": "trial@quoin.dev", "GIT_AUTHOR_DATE": When,
		"GIT_COMMITTER_NAME": "Trial", "GIT_COMMITTER_EMAIL": "trial@quoin.dev", "GIT_COMMITTER_DATE": When,
	} {
		t.Setenv(name, value)
	}
	Git(t, dir, "init", "--quiet", "--initial-branch=main")
	Commit(t, dir)
	return dir
}

// Commit commits everything in dir.
func Commit(t *testing.T, dir string) {
	t.Helper()
	Git(t, dir, "add", "--all")
	Git(t, dir, "commit", "--quiet", "--message", "trial")
}

// Git runs git in dir and returns what it prints.
func Git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return run(t, dir, "git", args...)
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
