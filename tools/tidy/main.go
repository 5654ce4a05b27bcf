// Command tidy runs `go mod tidy` over every module of the workspace, and makes all of them require the same version of
// what they share.
//
// The modules require each other by a version that is published only at a release, so plain `go mod tidy` cannot resolve
// them before that. This command points the toolchain at the working tree through a temporary modfile with replace
// directives, and writes the result back without them:
//
//	go run ./tools/tidy          # rewrite go.mod and go.sum of every module
//	go run ./tools/tidy -check   # fail when one of them would change
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// version is what the modules require of each other between releases.
const version = "v0.1.0"

func main() {
	check := flag.Bool("check", false, "report modules that are not tidy and exit 1 instead of rewriting them")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "tidy:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	dirs, err := moduleDirs()
	if err != nil {
		return err
	}
	paths := map[string]string{} // module path -> absolute directory
	for _, dir := range dirs {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			return err
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		paths[modfile.ModulePath(data)] = abs
	}
	newest, err := newestVersions(dirs)
	if err != nil {
		return err
	}
	var failures []error
	for _, dir := range dirs {
		if err := tidyModule(dir, paths, newest, check); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", dir, err))
		}
	}
	return errors.Join(failures...)
}

// moduleDirs lists the directories of go.work, and the module that has to stay outside of it.
func moduleDirs() ([]string, error) {
	data, err := os.ReadFile("go.work")
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, use := range work.Use {
		dirs = append(dirs, use.Path)
	}
	return append(dirs, "e2e/interop"), nil
}

// newestVersions returns, for every dependency of any module, the highest version that one of them requires; all of them
// will require that.
func newestVersions(dirs []string) (map[string]string, error) {
	newest := map[string]string{}
	for _, dir := range dirs {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			return nil, err
		}
		f, err := modfile.Parse(dir, data, nil)
		if err != nil {
			return nil, err
		}
		for _, r := range f.Require {
			if semver.Compare(r.Mod.Version, newest[r.Mod.Path]) > 0 {
				newest[r.Mod.Path] = r.Mod.Version
			}
		}
	}
	return newest, nil
}

func tidyModule(dir string, paths, newest map[string]string, check bool) error {
	name := filepath.Join(dir, "go.mod")
	before, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := modfile.Parse(name, before, nil)
	if err != nil {
		return err
	}
	for path, abs := range paths {
		if path == f.Module.Mod.Path {
			continue
		}
		if err := f.AddReplace(path, "", abs, ""); err != nil {
			return err
		}
	}
	for _, r := range f.Require {
		if err := f.AddRequire(r.Mod.Path, newest[r.Mod.Path]); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp("", "quoin-tidy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	tmpMod, tmpSum := filepath.Join(tmp, "go.mod"), filepath.Join(tmp, "go.sum")
	data, err := f.Format()
	if err != nil {
		return err
	}
	if err := os.WriteFile(tmpMod, data, 0o644); err != nil {
		return err
	}
	sumBefore, _ := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err := os.WriteFile(tmpSum, sumBefore, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("go", "mod", "tidy", "-modfile="+tmpMod)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	after, err := withoutReplaces(tmpMod, paths)
	if err != nil {
		return err
	}
	sumAfter, _ := os.ReadFile(tmpSum)
	if bytes.Equal(before, after) && bytes.Equal(sumBefore, sumAfter) {
		return nil
	}
	if check {
		return errors.New("not tidy, run `go run ./tools/tidy`")
	}
	if err := os.WriteFile(name, after, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sumAfter, 0o644)
}

// withoutReplaces returns the tidied go.mod with our own modules required by version instead of by directory.
func withoutReplaces(name string, paths map[string]string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return nil, err
	}
	for path := range paths {
		if err := f.DropReplace(path, ""); err != nil {
			return nil, err
		}
	}
	for _, r := range f.Require {
		if strings.HasPrefix(r.Mod.Path, "quoin.dev/") {
			if err := f.AddRequire(r.Mod.Path, version); err != nil {
				return nil, err
			}
		}
	}
	f.Cleanup()
	return f.Format()
}
