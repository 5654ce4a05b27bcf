package policy

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quoin.dev/quoin/tools/internal/workspace"
)

var update = flag.Bool("update", false, "rewrite the dependency lists of the programs")

// TestModulesFitTogether: no replace, which others who use a module would not see; one version of each dependency that
// modules share, and of our own modules; every module in go.work.
func TestModulesFitTogether(t *testing.T) {
	w, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Check(); err != nil {
		t.Error(err)
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
	"quoin.dev/utl/cmd/quoinutl": "src/utl/cmd/quoinutl/modules.txt",
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
