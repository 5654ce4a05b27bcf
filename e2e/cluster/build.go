package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// Build builds a program of this repository once per test process and returns the path of its binary.
func Build(program string) (string, error) {
	builds.Lock()
	defer builds.Unlock()
	if p, ok := builds.paths[program]; ok {
		return p, nil
	}
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "quoin-bin-")
		if err != nil {
			return "", err
		}
		if err := os.Chmod(dir, 0o755); err != nil { // a test may run the binary as another user
			return "", err
		}
		builds.dir, builds.paths = dir, map[string]string{}
	}
	binary := filepath.Join(builds.dir, path.Base(program))
	args := []string{"build", "-o", binary}
	if os.Getenv(raceVariable) != "" {
		args = append(args, "-race")
		// A race ends its process; and processes end at once, instead of a second after they are done.
		if err := os.Setenv("GORACE", "halt_on_error=1 atexit_sleep_ms=0"); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", append(args, program)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", program, err, out)
	}
	builds.paths[program] = binary
	return binary, nil
}

// raceVariable, when set, makes the programs look for data races: they are slower then, and end when they find one.
// CONTRIBUTING.md says how to use it.
const raceVariable = "QUOIN_E2E_RACE"

// RemoveBuilds removes what Build made; a suite calls it at its end.
func RemoveBuilds() {
	builds.Lock()
	defer builds.Unlock()
	if builds.dir != "" {
		_ = os.RemoveAll(builds.dir)
		builds.dir, builds.paths = "", nil
	}
}
