package build

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Quoin builds the server of this repository. The package and the directory of the spec may be left out.
func Quoin(ctx context.Context, s Spec) (string, error) {
	s.Package = cmp.Or(s.Package, "quoin.dev/server/cmd/quoin")
	if s.Dir == "" {
		root, err := Root(ctx)
		if err != nil {
			return "", err
		}
		s.Dir = root
	}
	return Static(ctx, s)
}

// etcdPackage is the server of etcd. No module of what ships may require it, and ours cannot share a process with it.
const etcdPackage = "go.etcd.io/etcd/server/v3"

var etcdVersion = regexp.MustCompile(`^3\.\d+\.\d+$`)

// Etcd builds the server of etcd at a version such as 3.7.3: the one that the module e2e/interop has pinned, or another one, which
// the go command then fetches from its module proxy.
func Etcd(ctx context.Context, version string) (string, error) {
	if !etcdVersion.MatchString(version) {
		return "", fmt.Errorf("build etcd: %q is not a version such as 3.7.3", version)
	}
	root, err := Root(ctx)
	if err != nil {
		return "", err
	}
	s := Spec{Package: etcdPackage, Dir: filepath.Join(root, "e2e", "interop"), Env: []string{"GOWORK=off"}}
	pinned, err := goCommand(ctx, s.Dir, "list", "-m", "-f={{.Version}}", etcdPackage)
	if err != nil {
		return "", fmt.Errorf("build etcd %s: %w", version, err)
	}
	if pinned != "v"+version {
		if s.Dir, err = etcdModule(ctx, version); err != nil {
			return "", fmt.Errorf("build etcd %s: %w", version, err)
		}
		s.Env = append(s.Env, "GOFLAGS=-mod=mod")
	}
	return Static(ctx, s)
}

// etcdModule makes a module in the cache that requires nothing but one version of etcd. etcd cannot be installed by itself, since its
// go.mod has lines that only hold in its repository.
func etcdModule(ctx context.Context, version string) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "etcd-"+version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	file := filepath.Join(dir, "go.mod")
	if _, err := os.Stat(filepath.Join(dir, "go.sum")); err == nil {
		return dir, nil
	}
	if err := os.WriteFile(file, []byte("module quoin.lab/etcd\n\ngo 1.24.0\n"), 0o644); err != nil {
		return "", err
	}
	_, err = goCommand(ctx, dir, "get", etcdPackage+"@v"+version)
	return dir, err
}

// goCommand runs the go command outside of the workspace.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
