package policy

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the top of the repository, seen from this package.
const root = "../.."

// pkg is what `go list` says of one of our packages.
type pkg struct {
	Dir        string
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
	Standard   bool
	Module     struct{ Path, Dir string }
}

// listPackages returns every package of the workspace.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,Name,Doc,Imports,Module", "./...", "quoin.dev/api/...",
		"quoin.dev/pkg/...", "quoin.dev/client/...", "quoin.dev/storage/...", "quoin.dev/server/...", "quoin.dev/ctl/...", "quoin.dev/utl/...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found %d packages: expected the whole workspace", len(all))
	}
	return all
}

// row matches a line of the package table in ARCHITECTURE.md: package, sentence, what it may import.
var row = regexp.MustCompile("^\\| `([^`]+)` \\|.*\\|([^|]*)\\|$")

// allowedImports reads the table.
func allowedImports(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	allowed := map[string][]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		m := row.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		imports := []string{}
		for _, name := range strings.Split(m[2], ",") {
			if name = strings.Trim(strings.TrimSpace(name), "`"); name != "" && name != "-" {
				imports = append(imports, name)
			}
		}
		allowed[m[1]] = imports
	}
	return allowed
}

// matches reports whether a package path is covered by a name of the table; `x/...` covers x and all below it.
func matches(name, path string) bool {
	if tree, ok := strings.CutSuffix(name, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return name == path
}

// TestImports holds the imports of every shipped package to the table in ARCHITECTURE.md.
func TestImports(t *testing.T) {
	allowed := allowedImports(t)
	for _, p := range listPackages(t) {
		path, ours := strings.CutPrefix(p.ImportPath, "quoin.dev/")
		if !ours || strings.HasPrefix(path, "quoin") {
			continue // what is not shipped may import everything
		}
		name := ""
		for candidate := range allowed {
			if matches(candidate, path) && len(candidate) > len(name) {
				name = candidate
			}
		}
		if name == "" {
			t.Errorf("%s is not in the package table of ARCHITECTURE.md: add a row for it", path)
			continue
		}
		for _, imported := range p.Imports {
			imported, ours := strings.CutPrefix(imported, "quoin.dev/")
			if ours && !matches(name, imported) && !anyMatches(allowed[name], imported) {
				t.Errorf("%s imports %s, which its row in ARCHITECTURE.md does not allow", path, imported)
			}
		}
	}
}

func anyMatches(names []string, path string) bool {
	for _, name := range names {
		if matches(name, path) {
			return true
		}
	}
	return false
}

// TestPackageDocs wants one sentence about every package that people read.
func TestPackageDocs(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.Doc == "" && !generated(p.Dir) {
			t.Errorf("package %s has no package comment", p.ImportPath)
		}
	}
}

// generated reports whether all Go files of a directory are generated.
func generated(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, f := range files {
		if !strings.HasSuffix(f, ".pb.go") {
			return false
		}
	}
	return true
}

// TestNoEtcdModules: what ships is independent of etcd; only raft and bbolt, engines in their own right, are shared.
func TestNoEtcdModules(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "go.etcd.io/etcd/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}
