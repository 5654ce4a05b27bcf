package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// workspace is every package of every module of the workspace.
var workspace = []string{
	"./...", "quoin.dev/api/...", "quoin.dev/pkg/...", "quoin.dev/client/...",
	"quoin.dev/storage/...", "quoin.dev/server/...", "quoin.dev/ctl/...", "quoin.dev/utl/...",
}

// command runs a tool and returns an error with its output.
func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func lint(c *counts) error {
	files, err := exec.Command("git", "ls-files", "*.go").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	unformatted, err := exec.Command("gofmt", append([]string{"-l"}, strings.Fields(string(files))...)...).Output()
	if err != nil {
		return fmt.Errorf("gofmt: %w", err)
	}
	if len(unformatted) > 0 {
		return fmt.Errorf("not formatted, run gofmt -w on:\n%s", unformatted)
	}
	c.pass()
	if err := command("go", append([]string{"vet"}, workspace...)...); err != nil {
		return err
	}
	c.pass()
	if err := command("go", append([]string{"tool", "staticcheck"}, workspace...)...); err != nil {
		return err
	}
	c.pass()
	if err := command("go", "run", "./tools/buildfiles", "-check"); err != nil {
		return err
	}
	c.pass()
	return nil
}

// vulnerabilities fails on a known vulnerability that our code reaches. Without the database nothing can be said.
func vulnerabilities(c *counts) error {
	out, err := exec.Command("go", append([]string{"tool", "govulncheck"}, workspace...)...).CombinedOutput()
	switch {
	case err == nil:
		c.pass()
		return nil
	case bytes.Contains(out, []byte("fetching vulnerabilities")):
		c.skip("govulncheck", "the vulnerability database can not be reached from here")
		return nil
	}
	return fmt.Errorf("govulncheck: %w\n%s", err, bytes.TrimSpace(out))
}

func unit(c *counts) error {
	var packages []string
	list, err := exec.Command("go", append([]string{"list"}, workspace...)...).Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	for _, p := range strings.Fields(string(list)) {
		if !strings.HasPrefix(p, "quoin.dev/quoin/e2e") && !strings.HasPrefix(p, "quoin.dev/quoin/robustness") {
			packages = append(packages, p)
		}
	}
	return goTest(c, "", append([]string{noVet}, packages...)...)
}

// noVet is for the packages of the workspace: lint shows all of them to all that vet knows, and go test would do some of it again.
const noVet = "-vet=off"

// sideBySide is how many tests that mostly wait run at a time: as many as two processors bear.
const sideBySide = 3

func endToEnd(c *counts) error {
	if err := specs(c, "./e2e", sideBySide, 40*time.Minute); err != nil {
		return err
	}
	list, err := exec.Command("go", "list", "./e2e/...").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	others := slices.DeleteFunc(strings.Fields(string(list)), func(p string) bool { return p == "quoin.dev/quoin/e2e" })
	return goTest(c, "", append([]string{noVet, "-timeout=40m"}, others...)...)
}

// interop is a module of its own: etcd's client and ours can not share a process. Its tests wait most of the time.
func interop(c *counts) error {
	if _, err := os.Stat("e2e/interop/go.mod"); err != nil {
		return err
	}
	return goTest(c, "e2e/interop", "-count=1", fmt.Sprint("-parallel=", sideBySide), "-timeout=45m", "./...")
}

// robustness runs one package at a time: clusters that are harmed and timed must not compete with each other.
func robustness(c *counts) error {
	return goTest(c, "", noVet, "-p=1", "-timeout=40m", "./robustness/...")
}
