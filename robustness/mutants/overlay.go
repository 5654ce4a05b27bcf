package mutants

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/build"
)

// plantTimeout bounds two short commands.
const plantTimeout = time.Minute

// Overlay plants the bug into copies of the source files below dir, which it makes, and returns the file there that
// `go build -overlay` takes. base are replacements that the build has already, by the absolute path of what they replace; the
// result has them, too, and a file of both is patched as base has it. The working directory has to be in the repository. It is an
// error if the patch does not fit the source any more.
func (m Mutant) Overlay(dir string, base map[string]string) (file string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("mutants: plant %s: %w", m.Name, err)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), plantTimeout)
	defer cancel()
	root, err := build.Root(ctx)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // git compares paths
		return "", err
	}
	tree := filepath.Join(dir, "source")
	replace := maps.Clone(base)
	if replace == nil {
		replace = map[string]string{}
	}
	for _, name := range m.Files() {
		original, copied := filepath.Join(root, name), filepath.Join(tree, name)
		from := original
		if r := base[original]; r != "" {
			from = r
		}
		if err := copyFile(from, copied); err != nil {
			return "", err
		}
		replace[original] = copied
	}
	if err := m.apply(ctx, tree); err != nil {
		return "", err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, writeOverlay(file, replace)
}

// patched matches the line of a diff that names the file as it will be. Mutants change files, they do not add or remove any.
var patched = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)$`)

// Files are the source files that the bug is in, relative to the top of the repository.
func (m Mutant) Files() []string {
	var files []string
	for _, match := range patched.FindAllSubmatch(m.patch, -1) {
		files = append(files, string(match[1]))
	}
	return files
}

// apply changes the copies. git takes a place whose lines all match, and nothing less.
func (m Mutant) apply(ctx context.Context, tree string) error {
	cmd := exec.CommandContext(ctx, "git", "apply", "-")
	cmd.Dir, cmd.Stdin = tree, strings.NewReader(string(m.patch))
	// A repository around the tree, or one that the environment names, would make git look there for the files.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	cmd.Env = append(cmd.Env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(tree))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the patch does not fit the source any more: %w\n%s", err, out)
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// writeOverlay writes what `go help build` describes.
func writeOverlay(file string, replace map[string]string) error {
	data, err := json.MarshalIndent(struct{ Replace map[string]string }{replace}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
