// Package compile runs the canonical build command.
package compile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"quoin.dev/quoin/tools/release/spec"
)

// passed are the variables of the caller that the go command needs and that do not get into the bytes: where caches and
// proxies are.
var passed = []string{
	"PATH", "HOME", "USERPROFILE", "LOCALAPPDATA", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// settings are those of the go command that may stand in its own file, which the canonical environment turns off.
var settings = []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE"}

// Run compiles and returns the path of each program's binary, by name.
func Run(ctx context.Context, r *spec.Release, b spec.Build) (map[string]string, error) {
	if err := os.MkdirAll(b.Out, 0o755); err != nil {
		return nil, err
	}
	var err error
	if b.Out, err = filepath.Abs(b.Out); err != nil {
		return nil, err
	}
	env, err := callerEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	// With a separator at its end, -o names a directory, and each binary is called as its package.
	out := b.Out
	b.Out += string(filepath.Separator)
	cmd := exec.CommandContext(ctx, "go", r.Args(b)...)
	cmd.Dir = r.Root // go.work is found from here
	cmd.Env = append(env, r.Environment(b.Platform)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build for %s: %w\n%s", b.Platform, err, bytes.TrimSpace(text))
	}
	binaries := map[string]string{}
	for _, p := range b.Programs {
		built := filepath.Join(out, b.Platform.Binary(path.Base(p.Package)))
		binaries[p.Name] = filepath.Join(out, b.Platform.Binary(p.Name))
		if built == binaries[p.Name] {
			continue
		}
		if err := os.Rename(built, binaries[p.Name]); err != nil {
			return nil, err
		}
	}
	return binaries, nil
}

// callerEnvironment is what is kept of the caller's environment.
func callerEnvironment(ctx context.Context) ([]string, error) {
	var env []string
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	out, err := exec.CommandContext(ctx, "go", append([]string{"env"}, settings...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\r\n"), "\n")
	for i, name := range settings {
		if i < len(lines) {
			env = append(env, name+"="+strings.TrimSpace(lines[i]))
		}
	}
	return env, nil
}
