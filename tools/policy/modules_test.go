package policy

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

var update = flag.Bool("update", false, "rewrite the dependency lists of the programs")

// modules returns the go.mod of every module of the workspace, by directory.
func modules(t *testing.T) map[string]*modfile.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*modfile.File{}
	for _, use := range work.Use {
		name := filepath.Join(root, use.Path, "go.mod")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if all[use.Path], err = modfile.Parse(name, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestNoReplace: a module with a replace directive can not be used by others as it is built here.
func TestNoReplace(t *testing.T) {
	for dir, f := range modules(t) {
		for _, r := range f.Replace {
			t.Errorf("%s/go.mod replaces %s", dir, r.Old.Path)
		}
	}
}

// TestOneVersion: every module of the workspace requires the same version of what they share.
func TestOneVersion(t *testing.T) {
	type use struct{ dir, version string }
	first := map[string]use{}
	for dir, f := range modules(t) {
		for _, r := range f.Require {
			if seen, ok := first[r.Mod.Path]; ok && seen.version != r.Mod.Version {
				t.Errorf("%s is required at %s by %s and at %s by %s", r.Mod.Path, seen.version, seen.dir, r.Mod.Version, dir)
			}
			first[r.Mod.Path] = use{dir, r.Mod.Version}
		}
	}
}

// TestTidy: go.mod and go.sum say exactly what is needed.
func TestTidy(t *testing.T) { runTool(t, "./tools/tidy", "-check") }

// TestGenerated: the generated code is what the .proto files say.
func TestGenerated(t *testing.T) { runTool(t, "./tools/protogen", "-check") }

func runTool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"run"}, args...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go run %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// programs are what ships as a binary, each with a list of the modules that are linked into it.
var programs = map[string]string{
	"quoin.dev/server/cmd/quoin": "src/server/cmd/quoin/modules.txt",
	"quoin.dev/ctl/cmd/quoinctl": "src/ctl/cmd/quoinctl/modules.txt",
}

// TestDependencyLists makes a new dependency of a program visible in review.
func TestDependencyLists(t *testing.T) {
	for program, list := range programs {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", program)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(string(out))
		slices.Sort(lines)
		got := strings.Join(slices.Compact(lines), "\n") + "\n"
		name := filepath.Join(root, list)
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(name)
		if err != nil || string(want) != got {
			t.Errorf("%s is stale: review the new dependencies and run `go test ./tools/policy -update`\ngot:\n%s", list, got)
		}
	}
}
