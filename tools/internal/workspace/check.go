package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// Check proves what `go mod tidy` does not: one version of each shared dependency and a release of it, no replace in a
// go.mod, one version of our own modules, and a go.work that knows every module.
func (w *Workspace) Check() error {
	_, version := w.Version()
	return errors.Join(w.OneVersion(), w.NoneUnreleased(), w.NoReplace(), version, w.Complete())
}

// OneVersion fails when two modules require different versions of the same dependency.
func (w *Workspace) OneVersion() error {
	type use struct{ dir, version string }
	first := map[string]use{}
	var failures []error
	for _, m := range w.Modules {
		for _, r := range m.File.Require {
			if seen, ok := first[r.Mod.Path]; ok && seen.version != r.Mod.Version {
				failures = append(failures, fmt.Errorf("%s is required at %s by %s and at %s by %s", r.Mod.Path, seen.version, seen.dir, r.Mod.Version, m.Dir))
				continue
			}
			first[r.Mod.Path] = use{m.Dir, r.Mod.Version}
		}
	}
	return errors.Join(failures...)
}

// demanded are dependencies whose unreleased commit is not our choice: a release of google.golang.org/grpc requires it.
var demanded = []string{"github.com/planetscale/vtprotobuf"}

// NoneUnreleased fails when a module requires a commit between two releases of a dependency: nobody stands behind that
// one, and its branch may go away. A dependency that never had a release is as its authors want it.
func (w *Workspace) NoneUnreleased() error {
	var failures []error
	for _, m := range w.Modules {
		for _, r := range m.File.Require {
			if r.Indirect || !module.IsPseudoVersion(r.Mod.Version) || slices.Contains(demanded, r.Mod.Path) {
				continue
			}
			base, err := module.PseudoVersionBase(r.Mod.Version)
			switch {
			case err != nil:
				failures = append(failures, fmt.Errorf("%s/go.mod: %s: %w", m.Dir, r.Mod.Path, err))
			case base != "":
				failures = append(failures, fmt.Errorf("%s/go.mod requires an unreleased %s, a commit behind %s (%s): require a release", m.Dir, r.Mod.Path, base, r.Mod.Version))
			}
		}
	}
	return errors.Join(failures...)
}

// NoReplace fails when a go.mod has a replace directive: others that require the module would build something else.
func (w *Workspace) NoReplace() error {
	var failures []error
	for _, m := range w.Modules {
		for _, r := range m.File.Replace {
			failures = append(failures, fmt.Errorf("%s/go.mod replaces %s", m.Dir, r.Old.Path))
		}
	}
	return errors.Join(failures...)
}

// Complete fails when there is a go.mod below the top that go.work does not use, or when go.work does not point the
// version that our modules require of each other at the working tree.
func (w *Workspace) Complete() error {
	var failures []error
	err := filepath.WalkDir(w.Root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != w.Root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.Name() != "go.mod":
			return nil
		}
		dir, err := filepath.Rel(w.Root, filepath.Dir(name))
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(w.Modules, func(m *Module) bool { return m.Dir == filepath.ToSlash(dir) }) {
			failures = append(failures, fmt.Errorf("%s/go.mod is a module that go.work does not use", filepath.ToSlash(dir)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	version, err := w.Version()
	if err != nil {
		return errors.Join(append(failures, err)...)
	}
	for _, m := range w.Released() {
		if m.Dir != "." && !w.replaced(m, version) {
			failures = append(failures, fmt.Errorf("go.work does not replace %s %s by ./%s", m.Path, version, m.Dir))
		}
	}
	return errors.Join(failures...)
}

// replaced reports whether go.work points a version of a module at its directory.
func (w *Workspace) replaced(m *Module, version string) bool {
	for _, r := range w.Work.Replace {
		if r.Old.Path == m.Path && r.Old.Version == version && path.Clean(r.New.Path) == m.Dir {
			return true
		}
	}
	return false
}
