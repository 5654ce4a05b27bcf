package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// complaint is how a line begins that a test said with Error, Fatal or Log, or that ginkgo says of a failed spec.
var complaint = regexp.MustCompile(`(?m)^[ \t]*([\w.-]+\.go:\d+: |\[FAILED\] )`)

// maxLineBytes bounds one line of test output.
const maxLineBytes = 16 << 20

// goTest runs go test and counts every test; the output of those that fail is printed, and one line per package.
func goTest(c *counts, dir string, args ...string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	if dir != "" {
		cmd.Env = append(os.Environ(), "GOWORK=off")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	before := c.failed
	unread := c.read(out)
	err = cmd.Wait()
	if err != nil && c.failed == before {
		return fmt.Errorf("go test %s: %w", strings.Join(args, " "), err)
	}
	return unread
}

// read counts every test of a report.
func (c *counts) read(report io.Reader) error {
	outputs := map[string]*strings.Builder{}
	lines := bufio.NewScanner(report)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			c.printf("%s\n", lines.Text()) // not from a test: the toolchain has something to say
			continue
		}
		c.take(e, outputs)
	}
	return lines.Err()
}

// take counts one event.
func (c *counts) take(e event, outputs map[string]*strings.Builder) {
	name := strings.TrimSuffix(e.Package+" "+e.Test, " ")
	o := outputs[name]
	if o == nil {
		o = new(strings.Builder)
		outputs[name] = o
	}
	switch e.Action {
	case "output", "build-output":
		o.WriteString(e.Output)
		return
	case "pass":
		if e.Test != "" {
			c.pass()
		} else {
			c.printf("ok   %-60s %6.1fs\n", e.Package, e.Elapsed)
		}
	case "skip":
		if e.Test != "" {
			c.skip(name, reasonOf(o.String()))
		}
	case "fail", "build-fail":
		c.fail(name, complaintOf(o.String()))
		c.printf("%s", o.String())
		c.printf("FAIL %-60s %6.1fs\n", name, e.Elapsed)
	default:
		return
	}
	delete(outputs, name)
}

// complaintOf is what a failed test said from its first complaint on: a line that names a place, or ginkgo's [FAILED].
func complaintOf(output string) string {
	at := complaint.FindStringIndex(output)
	if at == nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(output[at[0]:]), "[FAILED] ")
}

// reasonOf finds what a skipped test said, between the lines that tell where it was.
func reasonOf(output string) string {
	for _, line := range strings.Split(output, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "[SKIPPED] ")
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "> ") {
			return line
		}
	}
	return "no reason given"
}
