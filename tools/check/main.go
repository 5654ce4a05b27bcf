// Command check runs everything that has to hold before a change lands: linters, the tests of every module, the policy
// of the repository, the end-to-end suites and the interoperability with etcd. It ends with one line of counts.
//
//	go run ./tools/check                  # everything
//	go run ./tools/check unit lint        # some of it
//	go run ./tools/check -list            # the names of the parts
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// part is one thing to check.
type part struct {
	name, what string
	run        func(*counts) error
}

var parts = []part{
	{"lint", "gofmt, go vet, staticcheck, fresh BUILD files", lint},
	{"vulnerabilities", "govulncheck, where its database can be reached", vulnerabilities},
	{"unit", "the tests of every module of the workspace", unit},
	{"fuzz", "every fuzz target of the workspace, for a few seconds", fuzz},
	{"e2e", "real processes: one member, clusters, kills", endToEnd},
	{"interop", "etcd's client, command line and data directories against quoin", interop},
	{"distribution", "the same bytes from the go command, Bazel and Nix, where these can be had", distribution},
	{"robustness", "the lab: clusters in containers and namespaces, harmed and judged", robustness},
}

func main() {
	list := flag.Bool("list", false, "list the parts and exit")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go run ./tools/check [-list] [PART...]\n\nParts, all by default:\n")
		printParts()
	}
	flag.Parse()
	if *list {
		printParts()
		return
	}
	os.Exit(run(flag.Args()))
}

func printParts() {
	for _, p := range parts {
		fmt.Printf("  %-16s %s\n", p.name, p.what)
	}
}

// run checks the named parts, or all, and returns the exit code.
func run(names []string) int {
	for _, name := range names {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			fmt.Fprintf(os.Stderr, "check: there is no part %q; see go run ./tools/check -list\n", name)
			return 2
		}
	}
	total := &counts{out: os.Stdout}
	for _, p := range parts {
		if len(names) == 0 || slices.Contains(names, p.name) {
			total.check(p)
		}
	}
	for _, s := range total.skips {
		fmt.Println("skipped:", s)
	}
	for _, f := range total.failures {
		fmt.Println("failed:", f)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	if total.failed > 0 {
		return 1
	}
	return 0
}

// check runs one part, between two lines that name it.
func (c *counts) check(p part) {
	c.printf("== %s: %s\n", p.name, p.what)
	start := time.Now()
	if err := p.run(c); err != nil {
		c.failed++
		c.printf("FAIL %s: %v\n", p.name, err)
	}
	c.printf("== %s took %s\n\n", p.name, time.Since(start).Round(time.Second))
}

// counts is the sum over some parts, and where they print.
type counts struct {
	passed, failed, skipped int
	failures, skips         []string
	out                     io.Writer
}

func (c *counts) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

func (c *counts) pass() { c.passed++ }

func (c *counts) fail(name, said string) {
	c.failed++
	c.failures = append(c.failures, line(name, said))
}

func (c *counts) skip(name, reason string) {
	c.skipped++
	c.skips = append(c.skips, line(name, reason))
}

// line is a name and what was said of it, cut to what a reader of many lines takes in.
func line(name, said string) string {
	const most = 500
	if said = strings.Join(strings.Fields(said), " "); len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return strings.TrimSuffix(name+": "+said, ": ")
}
