package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// contender is one of the servers that are compared.
type contender struct {
	Name    string `json:"name"`
	Path    string `json:"-"`
	Version string `json:"version"` // first lines of --version
}

// echoContender is the name of the empty gRPC server in the report.
const echoContender = "echo"

// prepareContenders builds what must be built and asks both for their versions.
func prepareContenders(ctx context.Context, o *options, dir string, scenes []scene) ([]contender, error) {
	if !slices.ContainsFunc(scenes, func(s scene) bool { return !s.echo }) {
		return nil, nil
	}
	var out []contender
	for _, which := range []string{o.a, o.b} {
		path, err := binary(ctx, which, dir)
		if err != nil {
			return nil, err
		}
		version, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("%s --version: %w", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".exe")
		out = append(out, contender{Name: name, Path: path, Version: strings.Join(strings.Split(strings.TrimSpace(string(version)), "\n"), ", ")})
	}
	if out[0].Name == out[1].Name {
		out[0].Name += "-a"
		out[1].Name += "-b"
	}
	return out, nil
}

// binary returns the path of a server, building it when it is given as quoin or etcd.
func binary(ctx context.Context, which, dir string) (string, error) {
	switch which {
	case "quoin":
		return build(ctx, dir, which, ".", "./src/server/cmd/quoin")
	case "etcd":
		// etcd's API and ours register the same protos, so it is built by the one module that may require it.
		return build(ctx, dir, which, "e2e/interop", "go.etcd.io/etcd/server/v3", "GOWORK=off")
	}
	path, err := filepath.Abs(which)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("%s is neither quoin nor etcd nor the path of a binary", which)
	}
	return path, nil
}

func build(ctx context.Context, dir, name, from, pkg string, env ...string) (string, error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bin", name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, pkg)
	cmd.Dir = filepath.Join(root, from)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// repositoryRoot is the folder above this one, or this one, that holds go.work.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run this inside the repository, or give binaries with -a and -b")
		}
		dir = parent
	}
}
