package transcript

import (
	"fmt"
	"strings"
)

// outcome is what a run of the program left.
type outcome struct {
	exit           int
	stdout, stderr string
}

// compare returns the differences between what a record wants, with the ids translated, and what a run did. Log lines of
// the client on stderr do not count, and of a usage text only the form.
func (r Record) compare(want, got outcome) []string {
	var found []string
	if want.exit != got.exit {
		found = append(found, fmt.Sprintf("exit code: want %d, got %d", want.exit, got.exit))
	}
	switch {
	case r.HelpTextRemoved:
		found = append(found, compareUsage("stdout", want.stdout, got.stdout)...)
		found = append(found, compareUsage("stderr", want.stderr, got.stderr)...)
		return found
	case r.StdoutLen > 0:
		if !strings.HasPrefix(got.stdout, want.stdout) {
			found = append(found, fmt.Sprintf("stdout: want it to begin with %q", want.stdout))
		}
	case want.stdout != got.stdout:
		found = append(found, fmt.Sprintf("stdout: want %q, got %q", want.stdout, got.stdout))
	}
	if w, g := r.said(want.stderr), r.said(got.stderr); w != g {
		found = append(found, fmt.Sprintf("stderr: want %q, got %q", w, g))
	}
	return found
}

// said is stderr without what depends on timing: the log lines in JSON, and all that gRPC logs in debug mode.
func (r Record) said(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "{") || r.debugs() && !strings.HasPrefix(line, "ETCDCTL_") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// compareUsage holds every line of a captured usage text against the program's: an error line is the same, any other the
// beginning of a line, since the sentence behind it was taken out of the capture.
func compareUsage(stream, want, got string) []string {
	var found []string
	lines := strings.Split(got, "\n")
	for line := range strings.Lines(want) {
		line = strings.TrimRight(line, "\n ")
		if !wanted(line) {
			continue
		}
		if !anyPrefix(lines, line) {
			found = append(found, fmt.Sprintf("%s: no line begins with %q", stream, line))
		}
	}
	if want == "" && got != "" {
		found = append(found, fmt.Sprintf("%s: want nothing, got %q", stream, got))
	}
	return found
}

func anyPrefix(lines []string, prefix string) bool {
	for _, line := range lines {
		if line == prefix || !strings.HasPrefix(prefix, "Error: ") && strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
