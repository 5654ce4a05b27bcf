// Command buildfiles keeps what Bazel is told about the Go code: the BUILD.bazel of every package, by gazelle, and the list
// of repositories in MODULE.bazel.
//
//	go run ./tools/buildfiles          # write them
//	go run ./tools/buildfiles -check   # fail when one of them would change, and name it
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"quoin.dev/quoin/tools/internal/workspace"
)

func main() {
	check := flag.Bool("check", false, "report stale files and exit 1 instead of writing them")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "buildfiles:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	w, err := workspace.Load(".")
	if err != nil {
		return err
	}
	changed, err := repositories(w, check)
	if err != nil {
		return err
	}
	stale, err := gazelle(w, check)
	if err != nil {
		return err
	}
	if stale = append(changed, stale...); check && len(stale) > 0 {
		return fmt.Errorf("stale: %s; run `go run ./tools/buildfiles`", strings.Join(stale, ", "))
	}
	return nil
}

// moduleFile lists the repositories of Go modules that BUILD files name.
const moduleFile = "MODULE.bazel"

var useRepo = regexp.MustCompile(`(?s)(\nuse_repo\(\n    go_deps,\n).*?(\)\n)`)

// repositories brings the list in MODULE.bazel to what gazelle's go_deps wants there: the modules that ours require
// themselves, and those that tools are from. It returns the name of the file when that is stale.
func repositories(w *workspace.Workspace, check bool) ([]string, error) {
	before, err := os.ReadFile(moduleFile)
	if err != nil {
		return nil, err
	}
	if !useRepo.Match(before) {
		return nil, fmt.Errorf("%s has no use_repo(go_deps, ...) on lines of its own", moduleFile)
	}
	var names []string
	for _, path := range direct(w) {
		// A module that Bazel has itself is not made of its Go module.
		if !bytes.Contains(before, fmt.Appendf(nil, "\nbazel_dep(name = %q,", strings.TrimPrefix(filepath.Base(path), "bazel-"))) {
			names = append(names, fmt.Sprintf("    %q,\n", repository(path)))
		}
	}
	slices.Sort(names)
	after := useRepo.ReplaceAll(before, []byte("${1}"+strings.Join(slices.Compact(names), "")+"${2}"))
	if bytes.Equal(before, after) {
		return nil, nil
	}
	if check {
		return []string{moduleFile}, nil
	}
	return nil, os.WriteFile(moduleFile, after, 0o644)
}

// direct are the paths of the modules that one of the workspace requires for its own packages, or for a tool.
func direct(w *workspace.Workspace) []string {
	var paths []string
	for _, m := range w.Released() {
		for _, r := range m.File.Require {
			isTool := false
			for _, t := range m.File.Tool {
				isTool = isTool || t.Path == r.Mod.Path || strings.HasPrefix(t.Path, r.Mod.Path+"/")
			}
			if (!r.Indirect || isTool) && !ours(w, r.Mod.Path) {
				paths = append(paths, r.Mod.Path)
			}
		}
	}
	return paths
}

func ours(w *workspace.Workspace, path string) bool {
	return slices.ContainsFunc(w.Modules, func(m *workspace.Module) bool { return m.Path == path })
}

var notInNames = regexp.MustCompile(`[^a-z0-9_]`)

// repository is the name that go_deps gives to a module: the host is turned round.
func repository(path string) string {
	host, rest, _ := strings.Cut(path, "/")
	labels := strings.Split(host, ".")
	slices.Reverse(labels)
	return notInNames.ReplaceAllString(strings.ToLower(strings.Join(append(labels, rest), "_")), "_")
}

// gazelle runs it and returns the names of stale files. It is told every module, and asks nobody.
func gazelle(w *workspace.Workspace, check bool) ([]string, error) {
	known := map[string]string{}
	for _, m := range w.Released() {
		for _, r := range m.File.Require {
			known[repository(r.Mod.Path)] = r.Mod.Path
		}
	}
	var config strings.Builder
	for name, path := range known {
		fmt.Fprintf(&config, "go_repository(name = %q, importpath = %q)\n", name, path)
	}
	dir, err := os.MkdirTemp("", "quoin-buildfiles-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "repositories.bzl")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return nil, err
	}
	args := []string{"tool", "gazelle", "update", "-bzlmod", "-external=static", "-repo_config=" + file}
	if check {
		args = append(args, "-mode=diff")
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var stale []string
	for line := range strings.Lines(stdout.String()) {
		if name, ok := strings.CutPrefix(line, "+++ "); ok {
			name, _, _ = strings.Cut(name, "\t")
			stale = append(stale, name)
		}
	}
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && len(stale) > 0) {
		return nil, fmt.Errorf("gazelle: %w\n%s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stale, nil
}
