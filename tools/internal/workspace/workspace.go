// Package workspace knows the modules of this repository: where they are, what they require, and how they are kept
// tidy, equal and released together.
package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// prefix is what the paths of all our modules begin with.
const prefix = "quoin.dev/"

// outsiders are modules that can not be in go.work: etcd's client registers the same protobuf names as ours, and one
// build can not hold both. They are not released, only kept in step.
var outsiders = []string{"e2e/interop"}

// Module is one go.mod of the repository.
type Module struct {
	Dir  string // slash-separated, relative to the top; "." for the root module
	Path string // as in its module line
	File *modfile.File
	// Outside marks a module that go.work does not use.
	Outside bool
}

// TagPrefix is what stands before the version in the tag of a module.
func (m *Module) TagPrefix() string {
	if m.Dir == "." {
		return ""
	}
	return m.Dir + "/"
}

// Workspace is the repository at Root.
type Workspace struct {
	Root    string
	Work    *modfile.WorkFile
	Modules []*Module // those of go.work in its order, then the outsiders
}

// Load reads go.work and every go.mod that it uses.
func Load(root string) (*Workspace, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(root, "go.work")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("the top of the repository has a go.work: %w", err)
	}
	work, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return nil, err
	}
	w := &Workspace{Root: root, Work: work}
	for _, use := range work.Use {
		if err := w.add(path.Clean(use.Path), false); err != nil {
			return nil, err
		}
	}
	for _, dir := range outsiders {
		err := w.add(dir, true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return w, nil
}

func (w *Workspace) add(dir string, outside bool) error {
	name := w.file(dir, "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return err
	}
	w.Modules = append(w.Modules, &Module{Dir: dir, Path: f.Module.Mod.Path, File: f, Outside: outside})
	return nil
}

func (w *Workspace) file(dir, name string) string {
	return filepath.Join(w.Root, filepath.FromSlash(dir), name)
}

// Version is what the modules require of each other, with its leading v. It is an error when they disagree.
func (w *Workspace) Version() (string, error) {
	version, where := "", ""
	for _, m := range w.Modules {
		for _, r := range m.File.Require {
			if !ours(r.Mod.Path) {
				continue
			}
			if version != "" && version != r.Mod.Version {
				return "", fmt.Errorf("%s requires %s of our modules and %s requires %s: run `go run ./tools/release modules update-versions`",
					m.Dir, r.Mod.Version, where, version)
			}
			version, where = r.Mod.Version, m.Dir
		}
	}
	if version == "" {
		return "", errors.New("no module requires another one of ours")
	}
	return version, nil
}

// Released are the modules that get a tag at a release.
func (w *Workspace) Released() []*Module {
	return slices.DeleteFunc(slices.Clone(w.Modules), func(m *Module) bool { return m.Outside })
}

// ours reports whether a module path is one of this repository.
func ours(path string) bool { return strings.HasPrefix(path, prefix) }
