package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

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
	outputs := map[string]*strings.Builder{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text()) // not from a test: the toolchain has something to say
			continue
		}
		c.take(e, outputs)
	}
	err = cmd.Wait()
	if err != nil && c.failed == before {
		return fmt.Errorf("go test %s: %w", strings.Join(args, " "), err)
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
			fmt.Printf("ok   %-60s %6.1fs\n", e.Package, e.Elapsed)
		}
	case "skip":
		if e.Test != "" {
			c.skip(name, reasonOf(o.String()))
		}
	case "fail", "build-fail":
		c.fail(name)
		fmt.Print(o.String())
		fmt.Printf("FAIL %-60s %6.1fs\n", name, e.Elapsed)
	default:
		return
	}
	delete(outputs, name)
}

// reasonOf finds what a skipped test said.
func reasonOf(output string) string {
	for _, line := range strings.Split(output, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}
