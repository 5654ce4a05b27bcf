package identical

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"quoin.dev/quoin/tools/release/compile"
	"quoin.dev/quoin/tools/release/spec"
)

// Go is the canonical command itself.
type Go struct{}

// Name is the head of its column.
func (Go) Name() string { return "go build" }

// Build compiles into scratch.
func (Go) Build(ctx context.Context, r *spec.Release, scratch string) (string, error) {
	for _, p := range r.Platforms {
		if _, err := compile.Run(ctx, r, spec.Build{Platform: p, Programs: r.Programs, Out: filepath.Join(scratch, p.Dash())}); err != nil {
			return "", err
		}
	}
	return scratch, nil
}

// Bazel asks for //release:binaries_OS_ARCH.
type Bazel struct {
	Command []string // bazel, or what stands for it
}

// Name is the head of its column.
func (Bazel) Name() string { return "Bazel" }

// Build has Bazel build, and links its output directories below scratch.
func (b Bazel) Build(ctx context.Context, r *spec.Release, scratch string) (string, error) {
	commit := "--//release:commit=" + r.Commit
	var targets []string
	for _, p := range r.Platforms {
		targets = append(targets, fmt.Sprintf("//release:binaries_%s_%s", p.OS, p.Arch))
	}
	if _, err := output(ctx, r.Root, b.Command, append([]string{"build", commit}, targets...)...); err != nil {
		return "", err
	}
	base, err := output(ctx, r.Root, b.Command, "info", "execution_root")
	if err != nil {
		return "", err
	}
	for i, p := range r.Platforms {
		files, err := output(ctx, r.Root, b.Command, "cquery", "--output=files", commit, targets[i])
		if err != nil {
			return "", err
		}
		// One directory, which holds that of the platform.
		dir := filepath.Join(strings.TrimSpace(base), strings.TrimSpace(files), p.Dash())
		if err := os.Symlink(dir, filepath.Join(scratch, p.Dash())); err != nil {
			return "", err
		}
	}
	return scratch, nil
}

// Nix asks the flake for what it calls binaries.
type Nix struct {
	Command []string // nix, or what stands for it
	Root    string   // directory that holds /nix/store, "/" unless the store is elsewhere
}

// Name is the head of its column.
func (Nix) Name() string { return "Nix" }

// Build has Nix build, and links its output directories below scratch.
func (n Nix) Build(ctx context.Context, r *spec.Release, scratch string) (string, error) {
	for _, p := range r.Platforms {
		out, err := output(ctx, r.Root, n.Command, "build", "--no-link", "--print-out-paths", ".#binaries-"+p.Dash())
		if err != nil {
			return "", err
		}
		dir := filepath.Join(n.Root, strings.TrimSpace(out), p.Dash())
		if err := os.Symlink(dir, filepath.Join(scratch, p.Dash())); err != nil {
			return "", err
		}
	}
	return scratch, nil
}

// output runs a builder; what it says on the way is shown only when it fails.
func output(ctx context.Context, dir string, command []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
