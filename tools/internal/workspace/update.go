package workspace

import (
	"bytes"
	"fmt"
	"os"
	"regexp"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// productFile holds the version that the programs print.
const productFile = "src/api/version/version.go"

var productLine = regexp.MustCompile(`(?m)^(var Product = )"[^"]*"$`)

// UpdateVersions makes every module require the others at one version, points that version at the working tree in
// go.work, and gives it to the programs. The version has a leading v; the names of the changed files are returned.
func (w *Workspace) UpdateVersions(version string) ([]string, error) {
	if semver.Canonical(version) != version {
		return nil, fmt.Errorf("%q is not a version like v1.2.3 or v1.2.3-rc.1", version)
	}
	if major := semver.Major(version); major != "v0" && major != "v1" {
		return nil, fmt.Errorf("%s: from v2 on the path of every module has to end in /%s first", version, major)
	}
	var changed []string
	write := func(name string, before, after []byte) error {
		if bytes.Equal(before, after) {
			return nil
		}
		changed = append(changed, name)
		return os.WriteFile(w.file(".", name), after, 0o644)
	}
	for _, m := range w.Modules {
		before, after, err := requireAt(m.File, version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Dir, err)
		}
		if err := write(m.TagPrefix()+"go.mod", before, after); err != nil {
			return nil, err
		}
	}
	before := modfile.Format(w.Work.Syntax)
	after, err := w.replaceAt(version)
	if err != nil {
		return nil, err
	}
	if err := write("go.work", before, after); err != nil {
		return nil, err
	}
	before, err = os.ReadFile(w.file(".", productFile))
	if err != nil {
		return nil, err
	}
	if !productLine.Match(before) {
		return nil, fmt.Errorf("%s has no line that matches %s", productFile, productLine)
	}
	after = productLine.ReplaceAll(before, fmt.Appendf(nil, `${1}"%s"`, version[1:]))
	return changed, write(productFile, before, after)
}

func requireAt(f *modfile.File, version string) (before, after []byte, err error) {
	if before, err = f.Format(); err != nil {
		return nil, nil, err
	}
	for _, r := range f.Require {
		if ours(r.Mod.Path) {
			if err := f.AddRequire(r.Mod.Path, version); err != nil {
				return nil, nil, err
			}
		}
	}
	f.Cleanup()
	after, err = f.Format()
	return before, after, err
}

func (w *Workspace) replaceAt(version string) ([]byte, error) {
	for _, r := range w.Work.Replace {
		if !ours(r.Old.Path) || r.Old.Version == version {
			continue
		}
		// Changed in place: dropping and adding would lose the order and the comments of the block.
		for i, token := range r.Syntax.Token {
			if token == r.Old.Version {
				r.Syntax.Token[i] = version
			}
		}
		r.Old.Version = version
	}
	w.Work.Cleanup()
	return modfile.Format(w.Work.Syntax), nil
}
