package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// The commands of the other builders, and where the files of Nix are found; see tools/offline for machines that can not
// install them.
const (
	bazelVariable   = "QUOIN_BAZEL"    // default: bazel
	nixVariable     = "QUOIN_NIX"      // default: nix
	nixRootVariable = "QUOIN_NIX_ROOT" // directory that holds /nix/store; default: /
)

// distribution builds and tests through Bazel and Nix, and proves that they make the bytes that the go command makes.
func distribution(c *counts) error {
	identical := []string{"run", "./tools/release", "identical"}
	with := "go"
	if bazel := builder(c, bazelVariable, "bazel", "info", "release"); bazel != nil {
		for _, what := range []string{"build", "test"} {
			if err := command(bazel[0], append(bazel[1:len(bazel):len(bazel)], what, "//...")...); err != nil {
				return err
			}
			c.pass()
		}
		with += ",bazel"
		identical = append(identical, "--bazel", strings.Join(bazel, " "))
	}
	if nix := builder(c, nixVariable, "nix", "flake", "metadata"); nix != nil {
		if err := command(nix[0], append(nix[1:len(nix):len(nix)], "flake", "check")...); err != nil {
			return err
		}
		c.pass()
		with += ",nix"
		identical = append(identical, "--nix", strings.Join(nix, " "))
		if root := os.Getenv(nixRootVariable); root != "" {
			identical = append(identical, "--nix-root", root)
		}
	}
	const name = "the same bytes from every builder"
	changes, err := exec.Command("git", "status", "--porcelain").Output()
	switch {
	case err != nil:
		return fmt.Errorf("git status: %w", err)
	case with == "go":
		c.skip(name, "there is no second builder")
		return nil
	case len(bytes.TrimSpace(changes)) > 0:
		c.skip(name, "the tree has changes that are not committed")
		return nil
	}
	table, err := exec.Command("go", append(identical, "--with", with)...).CombinedOutput()
	c.printf("%s", table)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.pass()
	return nil
}

// builder is the command of a builder, nil if this machine has none or it can not answer a question, for which what stands for it
// fetches what it needs.
func builder(c *counts, variable, program string, question ...string) []string {
	words := strings.Fields(os.Getenv(variable))
	if len(words) == 0 {
		words = []string{program}
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		c.skip("building with "+program, fmt.Sprintf("%v, and %s names nothing that stands for it (see tools/offline)", err, variable))
		return nil
	}
	if err := command(words[0], append(words[1:len(words):len(words)], question...)...); err != nil {
		c.skip("building with "+program, err.Error())
		return nil
	}
	return words
}
