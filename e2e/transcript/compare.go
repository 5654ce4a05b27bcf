package transcript

import (
	"fmt"
	"regexp"
	"strconv"
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
	got.stdout = elapse(want.stdout, got.stdout)
	for _, text := range []*string{&want.stdout, &got.stdout, &want.stderr, &got.stderr} {
		*text = duration.ReplaceAllString(*text, "took TIME")
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

// timeLeft matches what is left of a lease, in each format.
var timeLeft = regexp.MustCompile(`remaining\(\d+s\)|"ttl":\d+,"granted|"TTL" : \d+\n"Granted`)

// duration matches how long a request took.
var duration = regexp.MustCompile(`took (= )?[\d.]+(µs|ms|s)`)

// slack is how many seconds a replay may be slower or faster than the capture.
const slack = 60

// elapse puts the captured rest of a lease in the place of the answered one if both are about the same.
func elapse(want, got string) string {
	digits := regexp.MustCompile(`\d+`)
	rest := func(text string) (seconds int, found string) {
		found = timeLeft.FindString(text)
		seconds, _ = strconv.Atoi(digits.FindString(found)) // 0 without one
		return seconds, found
	}
	wanted, before := rest(want)
	left, after := rest(got)
	if before == "" || after == "" || left < max(1, wanted-slack) || left > wanted+slack {
		return got
	}
	return strings.Replace(got, after, before, 1)
}

// said is stderr without what depends on timing: the log lines in JSON, and all that gRPC logs in debug mode. etcdctl runs stty for
// its prompts, which complains where there is no terminal.
func (r Record) said(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "{") || strings.HasPrefix(line, "stty: ") || r.debugs() && !strings.HasPrefix(line, "ETCDCTL_") {
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
		if line != "" && !anyPrefix(lines, line) {
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
