package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// specs runs a suite of ginkgo in some processes side by side, and counts every spec. The specs have to be of the kind that waits
// most of the time; the processes take them from one queue.
func specs(c *counts, dir string, processes int, timeout time.Duration) error {
	reports, err := os.MkdirTemp("", "quoin-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(reports)
	const name = "specs.json"
	cmd := exec.Command("go", "run", "github.com/onsi/ginkgo/v2/ginkgo", "run", "--no-color", "--keep-going",
		"--procs="+strconv.Itoa(processes), "--timeout="+timeout.String(), "--output-dir="+reports, "--gojson-report="+name, dir)
	out, failure := cmd.CombinedOutput()
	report, err := os.Open(filepath.Join(reports, name))
	if err != nil { // it did not come to that
		return fmt.Errorf("ginkgo %s: %w\n%s", dir, failure, out)
	}
	defer report.Close()
	before := len(c.failures)
	if err := c.read(report); err != nil {
		return err
	}
	// A failure of no spec is that of the suite, of which the report has no more than the name.
	if failed := len(c.failures) - before; failure != nil && failed <= 1 {
		return fmt.Errorf("ginkgo %s: %w\n%s", dir, failure, out)
	}
	return nil
}
