package workspace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// Tidy runs `go mod tidy` over every module, and makes all of them require the same version of what they share. With
// check it changes nothing and reports the modules that would change.
//
// The modules require each other by a version that is published only at a release, so plain `go mod tidy` cannot
// resolve them before that. A temporary modfile with replace directives points the toolchain at the working tree, and
// the result is written back without them.
func (w *Workspace) Tidy(check bool) error {
	version, err := w.Version()
	if err != nil {
		return err
	}
	newest := w.newest()
	var failures []error
	for _, m := range w.Modules {
		if err := w.tidy(m, version, newest, check); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", m.Dir, err))
		}
	}
	return errors.Join(failures...)
}

// newest returns, for every dependency of any module, the highest version that one of them requires; all of them will
// require that.
func (w *Workspace) newest() map[string]string {
	newest := map[string]string{}
	for _, m := range w.Modules {
		for _, r := range m.File.Require {
			if semver.Compare(r.Mod.Version, newest[r.Mod.Path]) > 0 {
				newest[r.Mod.Path] = r.Mod.Version
			}
		}
	}
	return newest
}

func (w *Workspace) tidy(m *Module, version string, newest map[string]string, check bool) error {
	modName, sumName := w.file(m.Dir, "go.mod"), w.file(m.Dir, "go.sum")
	modBefore, err := os.ReadFile(modName)
	if err != nil {
		return err
	}
	sumBefore, _ := os.ReadFile(sumName) // a module without dependencies has none
	tmp, err := os.MkdirTemp("", "quoin-tidy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	tmpMod, tmpSum := filepath.Join(tmp, "go.mod"), filepath.Join(tmp, "go.sum")
	data, err := w.withReplaces(modName, modBefore, newest)
	if err != nil {
		return err
	}
	if err := os.WriteFile(tmpMod, data, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(tmpSum, sumBefore, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("go", "mod", "tidy", "-modfile="+tmpMod)
	cmd.Dir = filepath.Dir(modName)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	modAfter, err := w.withoutReplaces(tmpMod, version)
	if err != nil {
		return err
	}
	sumAfter, _ := os.ReadFile(tmpSum)
	if bytes.Equal(modBefore, modAfter) && bytes.Equal(sumBefore, sumAfter) {
		return nil
	}
	if check {
		return errors.New("not tidy, run `go run ./tools/tidy`")
	}
	if err := os.WriteFile(modName, modAfter, 0o644); err != nil {
		return err
	}
	return os.WriteFile(sumName, sumAfter, 0o644)
}

// withReplaces returns a go.mod that requires the newest versions, and finds our own modules in the working tree.
func (w *Workspace) withReplaces(name string, data []byte, newest map[string]string) ([]byte, error) {
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return nil, err
	}
	for _, other := range w.Modules {
		if other.Path == f.Module.Mod.Path {
			continue
		}
		if err := f.AddReplace(other.Path, "", w.file(other.Dir, ""), ""); err != nil {
			return nil, err
		}
	}
	for _, r := range f.Require {
		if err := f.AddRequire(r.Mod.Path, newest[r.Mod.Path]); err != nil {
			return nil, err
		}
	}
	return f.Format()
}

// withoutReplaces returns the tidied go.mod with our own modules required by version instead of by directory.
func (w *Workspace) withoutReplaces(name, version string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return nil, err
	}
	for _, other := range w.Modules {
		if err := f.DropReplace(other.Path, ""); err != nil {
			return nil, err
		}
	}
	for _, r := range f.Require {
		if ours(r.Mod.Path) {
			if err := f.AddRequire(r.Mod.Path, version); err != nil {
				return nil, err
			}
		}
	}
	f.Cleanup()
	return f.Format()
}
