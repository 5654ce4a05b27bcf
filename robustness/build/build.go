// Package build makes the programs that the lab runs: static binaries, which need nothing of the machine or container that they run
// in. They are kept in the user's cache directory under a name that says what is in them, so that a binary never changes under a lab
// that uses it, and one that was built before costs little.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Spec says what to build.
type Spec struct {
	// Package is the import path of a main package, Dir the directory in whose module or workspace it is found.
	Package, Dir string
	// Race makes the program look for data races. That needs a C compiler and a static C library.
	Race bool
	// Tags are build tags, with commas between them.
	Tags string
	// Overlay is the path of a file for `go build -overlay`, which replaces source files.
	Overlay string
	// Env are more variables for the go command, such as GOWORK=off.
	Env []string
}

// done are the builds of this process.
var done struct {
	sync.Mutex
	paths map[string]string
}

// Static builds the program and returns the path of the binary. It builds one program at a time, and each only once in a process.
func Static(ctx context.Context, s Spec) (string, error) {
	done.Lock()
	defer done.Unlock()
	key, err := s.key()
	if err != nil {
		return "", err
	}
	if p, ok := done.paths[key]; ok {
		return p, nil
	}
	p, err := s.build(ctx, key)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", s.Package, err)
	}
	if done.paths == nil {
		done.paths = map[string]string{}
	}
	done.paths[key] = p
	return p, nil
}

// key stands for the spec and the content of its overlay; not for the source, which the go command looks at.
func (s Spec) key() (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q %t %q %q", s.Package, s.Dir, s.Race, s.Tags, s.Env)
	if s.Overlay != "" {
		if err := hashOverlay(hash, s.Overlay); err != nil {
			return "", fmt.Errorf("build %s: overlay: %w", s.Package, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// hashOverlay hashes what the files are replaced by, wherever that is.
func hashOverlay(hash io.Writer, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(data, &overlay); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, name := range slices.Sorted(maps.Keys(overlay.Replace)) {
		content := []byte("removed")
		if by := overlay.Replace[name]; by != "" {
			if content, err = os.ReadFile(by); err != nil {
				return err
			}
		}
		fmt.Fprintf(hash, "%q %q", name, content)
	}
	return nil
}

// build has the go command bring a file of this spec up to date, which is quick if it is already, and gives its content a name. Labs
// that build the same at the same time do so one after the other.
func (s Spec) build(ctx context.Context, key string) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	draft := filepath.Join(cache, "drafts", key, filepath.Base(s.Package))
	if err := os.MkdirAll(filepath.Dir(draft), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Dir(draft))
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := s.command(ctx, draft)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, strings.TrimSpace(string(out)))
	}
	return keep(draft, cache)
}

func (s Spec) command(ctx context.Context, output string) *exec.Cmd {
	args := []string{"build", "-buildvcs=false", "-o", output}
	env := append(os.Environ(), s.Env...)
	if s.Race {
		// Without these tags the C library would look up names and users, which it cannot do when it is linked statically.
		s.Tags = strings.Trim(s.Tags+",netgo,osusergo", ",")
		args = append(args, "-race", "-ldflags=-linkmode=external -extldflags=-static")
		env = append(env, "CGO_ENABLED=1")
	} else {
		env = append(env, "CGO_ENABLED=0")
	}
	if s.Tags != "" {
		args = append(args, "-tags="+s.Tags)
	}
	if s.Overlay != "" {
		args = append(args, "-overlay="+s.Overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.Package)...)
	cmd.Dir, cmd.Env = s.Dir, env
	return cmd
}

// keep links the file to a name that is the hash of its content.
func keep(draft, cache string) (string, error) {
	hash, err := Hash(draft)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "programs", hash)
	kept := filepath.Join(dir, filepath.Base(draft))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.Link(draft, kept); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return kept, errors.Join(forget(dir), forget(filepath.Dir(draft)))
}

// keptFor is how long programs are kept that nobody asks for.
const keptFor = 3 * 24 * time.Hour

// forget removes the neighbours of a directory that were asked for last long before it, which is now.
func forget(dir string) error {
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(now.Add(-keptFor)) {
			_ = os.RemoveAll(filepath.Join(filepath.Dir(dir), e.Name()))
		}
	}
	return nil
}

// Hash is that of the content of a file: 16 hexadecimal digits.
func Hash(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// Cache is the directory that the lab keeps things in between runs.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "quoin-lab"), nil
}

// Root is the top directory of the repository that the process runs in.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOWORK").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOWORK: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == "off" {
		return "", errors.New("the lab builds what it runs, so it has to be started inside of the repository")
	}
	return filepath.Dir(file), nil
}

// lock waits until this process alone has the directory.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("lock %s, which another lab has: %w", dir, ctx.Err())
		case <-time.After(lockInterval):
		}
	}
}

// lockInterval is how often a lock that another process has is tried again.
const lockInterval = 50 * time.Millisecond
