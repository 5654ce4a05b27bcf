package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// fuzzBudget is what all targets together may take, and fuzzMost one of them, not counting the compiler.
const (
	fuzzBudget = time.Minute
	fuzzMost   = 5 * time.Second
	fuzzLeast  = time.Second
)

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// fuzz lets every fuzz target of the workspace look for new inputs, for a short time: the seeds, and what was found before and
// is kept in testdata, are tried by the unit tests. What is found is written beside the test, to be kept with the repair.
func fuzz(c *counts) error {
	targets, err := fuzzTargets()
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("there is no fuzz target, though there should be some")
	}
	each := max(min(fuzzBudget/time.Duration(len(targets)), fuzzMost), fuzzLeast).Round(time.Second / 10)
	for _, t := range targets {
		begun := time.Now()
		cmd := exec.Command("go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+each.String(), "-fuzzminimizetime=20x", "./"+t.dir)
		out, err := cmd.CombinedOutput()
		if err != nil && ranOut(out) {
			c.skip(t.dir+" "+t.name, "its time was over before it had tried anything")
			continue
		}
		if err != nil {
			c.fail(t.dir+" "+t.name, complaintOf(string(out)))
			c.printf("%s\nFAIL %s %s: %v\n", out, t.dir, t.name, err)
			continue
		}
		c.pass()
		c.printf("ok   %-60s %6.1fs\n", t.dir+" "+t.name, time.Since(begun).Seconds())
	}
	return nil
}

// ranOut tells the end of the time, which go test reports as a failure if it comes at a bad moment (golang/go#48591), from what a
// target has found: that comes with an input.
func ranOut(out []byte) bool {
	return bytes.Contains(out, []byte("context deadline exceeded")) && !bytes.Contains(out, []byte("Failing input")) &&
		!bytes.Contains(out, []byte("failure while testing seed corpus"))
}

type fuzzed struct{ dir, name string }

// fuzzTargets finds the targets in the tests that git knows, in their order by name; e2e/interop, which is no part of the
// workspace, has none.
func fuzzTargets() ([]fuzzed, error) {
	files, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*_test.go").Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var targets []fuzzed
	for _, file := range strings.Fields(string(files)) {
		if strings.HasPrefix(file, "e2e/interop/") {
			continue
		}
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // deleted, and git has not been told
		}
		if err != nil {
			return nil, err
		}
		for _, match := range fuzzTarget.FindAllSubmatch(text, -1) {
			targets = append(targets, fuzzed{filepath.Dir(file), string(match[1])})
		}
	}
	slices.SortFunc(targets, func(a, b fuzzed) int { return strings.Compare(a.dir+" "+a.name, b.dir+" "+b.name) })
	return targets, nil
}
