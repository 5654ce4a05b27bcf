package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/build"
)

// listed is what `go list` says of a package.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
}

// TestEveryMutantCompiles: every patch fits the source, changes each file that it names, and leaves a package that compiles. The
// types are checked, which is most of what a compiler refuses, against what is compiled of the other packages already.
func TestEveryMutantCompiles(t *testing.T) {
	mutants := all(t)
	root, err := build.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byDir, byPath := compiled(t, root, mutants)
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(p string) (io.ReadCloser, error) {
		if byPath[p].Export == "" {
			return nil, fmt.Errorf("package %s is not compiled", p)
		}
		return os.Open(byPath[p].Export)
	})
	for _, m := range mutants {
		t.Run(m.Name, func(t *testing.T) {
			replaced := replacements(t, m, t.TempDir(), nil)
			dirs := map[string]bool{}
			for original, copied := range replaced {
				dirs[filepath.Dir(original)] = true
				if read(t, original) == read(t, copied) {
					t.Errorf("%s is as before", original)
				}
			}
			for dir := range dirs {
				if err := check(fset, imports, byDir[dir], replaced); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// compiled lists the packages that mutants are in, and all that those import, after the go command has compiled them.
func compiled(t *testing.T, root string, mutants []Mutant) (byDir, byPath map[string]listed) {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles"}
	for _, m := range mutants {
		for _, file := range m.Files() {
			args = append(args, "./"+path.Dir(file))
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	byDir, byPath = map[string]listed{}, map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return byDir, byPath
		} else if err != nil {
			t.Fatal(err)
		}
		byDir[p.Dir], byPath[p.ImportPath] = p, p
	}
}

func check(fset *token.FileSet, imports types.Importer, p listed, replaced map[string]string) error {
	var files []*ast.File
	for _, name := range p.GoFiles {
		file := filepath.Join(p.Dir, name)
		if r := replaced[file]; r != "" {
			file = r
		}
		parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, parsed)
	}
	_, err := (&types.Config{Importer: imports}).Check(p.ImportPath, fset, files, nil)
	return err
}
