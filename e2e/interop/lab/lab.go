// Package lab builds the published etcd programs and quoin's, and runs clusters of either as real processes.
//
// Everything is a child of the test and ends with it; data lives in the test's temporary folder. No package of quoin is
// imported, since etcd's API and quoin's are two copies of the same protos and cannot share a process.
package lab

import (
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Kind is who made a server.
type Kind string

// The kinds of servers.
const (
	Quoin  Kind = "quoin"
	Etcd   Kind = "etcd"
	Etcd36 Kind = "etcd36" // the minor version before, to which a cluster can be downgraded
)

// Subject is the server under test: quoin, or what INTEROP_SERVER names. With etcd the suite checks itself.
func Subject(t testing.TB) Kind {
	switch k := Kind(os.Getenv("INTEROP_SERVER")); k {
	case "":
		return Quoin
	case Quoin, Etcd:
		return k
	default:
		t.Fatalf("INTEROP_SERVER is %q, expected quoin or etcd", k)
		return ""
	}
}

// program is something to build.
type program struct {
	dir, pkg string // dir is relative to this module
	ours     bool
	version  string // if it is not that of this module's requirements

	once sync.Once
	path string
	err  error
}

var programs = map[string]*program{
	"etcd":     {dir: ".", pkg: "go.etcd.io/etcd/server/v3"},
	"etcd36":   {pkg: "go.etcd.io/etcd/server/v3", version: "v3.6.16"},
	"etcdctl":  {dir: ".", pkg: "go.etcd.io/etcd/etcdctl/v3"},
	"etcdutl":  {dir: ".", pkg: "go.etcd.io/etcd/etcdutl/v3"},
	"quoin":    {dir: "../..", pkg: "./src/server/cmd/quoin", ours: true},
	"quoinctl": {dir: "../..", pkg: "./src/ctl/cmd/quoinctl", ours: true},
	"quoinutl": {dir: "../..", pkg: "./src/utl/cmd/quoinutl", ours: true},
	// Programs on quoin's client.
	"coordinate": {dir: "../..", pkg: "./e2e/coordinate", ours: true},
}

// Binary returns the path of a program, built once per test run. The file stays in the user's cache folder, so that the
// next run links only what has changed.
//
// A quoin that does not build fails the test. An etcd that does not build, as on a machine that can not fetch modules,
// skips it, except in CI.
func Binary(t testing.TB, name string) string {
	t.Helper()
	p, ok := programs[name]
	if !ok {
		t.Fatalf("there is no program %q", name)
	}
	p.once.Do(func() { p.path, p.err = p.build(name) })
	switch {
	case p.err == nil:
	case p.ours || os.Getenv("CI") != "":
		t.Fatal(p.err)
	default:
		t.Skip(p.err)
	}
	return p.path
}

func (p *program) build(name string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "quoin-interop", name)
	if p.ours { // another checkout has another one
		path = filepath.Join(cache, "quoin-interop", fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(root))), name)
	}
	args := []string{"build", "-o", path}
	if p.ours && os.Getenv("QUOIN_E2E_RACE") != "" {
		args = append(args, "-race")
		if err := os.Setenv("GORACE", "halt_on_error=1"); err != nil { // the programs inherit it
			return "", err
		}
	}
	cmd := exec.Command("go", append(args, p.pkg)...)
	cmd.Dir = filepath.Join(root, p.dir)
	cmd.Env = withoutVariable(os.Environ(), "GOWORK")
	if !p.ours {
		cmd.Env = append(cmd.Env, "GOWORK=off")
	}
	if p.version != "" {
		if cmd.Dir, err = p.moduleOfItsOwn(); err != nil {
			return "", err
		}
		defer os.RemoveAll(cmd.Dir)
		cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// moduleOfItsOwn makes a module, for the time of a build, that requires another version of a program than this one does.
func (p *program) moduleOfItsOwn() (string, error) {
	dir, err := os.MkdirTemp("", "quoin-interop-")
	if err != nil {
		return "", err
	}
	mod := fmt.Sprintf("module other\n\ngo 1.26\n\nrequire %s %s\n", p.pkg, p.version)
	return dir, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600)
}

// withoutVariable removes one variable: the tests run with GOWORK=off, quoin is built in its workspace.
func withoutVariable(env []string, name string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, name+"=") {
			out = append(out, e)
		}
	}
	return out
}

// moduleRoot is the folder with this module's go.mod. Tests run in the folder of their package, which is it or below it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working folder")
		}
		dir = parent
	}
}
