package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sync"
	"syscall"
)

// builds remembers where programs are built, and which were.
var builds struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// BuildsIn says where programs are built. Processes that run one suite together say the same, and share them.
func BuildsIn(dir string) {
	builds.Lock()
	defer builds.Unlock()
	builds.dir, builds.paths = dir, map[string]string{}
}

// NewBuilds makes a directory to build in, and returns it.
func NewBuilds() (string, error) {
	dir, err := os.MkdirTemp("", "quoin-bin-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // a test may run a binary as another user
}

// Build builds a program of this repository, once per directory of builds, and returns the path of its binary.
func Build(program string) (string, error) {
	builds.Lock()
	defer builds.Unlock()
	if p, ok := builds.paths[program]; ok {
		return p, nil
	}
	if builds.dir == "" {
		dir, err := NewBuilds()
		if err != nil {
			return "", err
		}
		builds.dir, builds.paths = dir, map[string]string{}
	}
	binary := filepath.Join(builds.dir, path.Base(program))
	if err := buildOnce(program, binary); err != nil {
		return "", fmt.Errorf("build %s: %w", program, err)
	}
	builds.paths[program] = binary
	return binary, nil
}

// buildOnce lets one process build and the others wait for it.
func buildOnce(program, binary string) error {
	lock, err := os.Create(binary + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	args := []string{"build", "-o", binary}
	if os.Getenv(raceVariable) != "" {
		args = append(args, "-race")
		// A race ends its process; and processes end at once, instead of a second after they are done.
		if err := os.Setenv("GORACE", "halt_on_error=1 atexit_sleep_ms=0"); err != nil {
			return err
		}
	}
	if _, err := os.Stat(binary); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if out, err := exec.Command("go", append(args, program)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
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
