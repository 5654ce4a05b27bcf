package command_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// record is a captured run of etcdutl 3.7.3.
type record struct {
	Argv      []string
	Exit      int
	Stdout    string
	StdoutHex string `json:"stdout_hex"`
	Stderr    string
	// HelpTextRemoved says that the sentences of a usage text were taken out; StdoutLen, that only a first line is there.
	HelpTextRemoved bool `json:"help_text_removed"`
	StdoutLen       int  `json:"stdout_len"`
}

// omitted are the records that are not replayed, by their index.
var omitted = map[int]string{
	22: "the sentence holds the sum of a file that etcdutl hashkv has written to; quoinutl hashkv writes nothing",
}

// TestTranscript replays the captured session in one folder, in its order.
func TestTranscript(t *testing.T) {
	data, err := os.ReadFile("testdata/etcdutl.json")
	must(t, err)
	var records []record
	must(t, json.Unmarshal(data, &records))
	if len(records) < 60 {
		t.Fatalf("%d records: the capture is not whole", len(records))
	}
	t.Chdir(golden(t))
	for i, r := range records {
		if omitted[i] != "" {
			continue
		}
		for _, difference := range r.compare(t, run(r.Argv[1:]...)) {
			t.Errorf("%d: %q: %s", i, r.Argv, difference)
		}
	}
}

// compare returns the differences. Of a usage text only the form counts, since the sentences were taken out of the capture.
// Log lines are the same but for time, place and durations; those that bbolt writes do not count, and quoinutl may say
// more about an error.
func (r record) compare(t *testing.T, got outcome) (found []string) {
	t.Helper()
	if r.Exit != got.exit {
		found = append(found, fmt.Sprintf("exit code %d, want %d", got.exit, r.Exit))
	}
	want := r.Stdout
	if r.StdoutHex != "" {
		b, err := hex.DecodeString(r.StdoutHex)
		must(t, err)
		want = string(b)
	}
	switch {
	case r.HelpTextRemoved:
		found = append(found, compareUsage(want, got.stdout)...)
	case r.StdoutLen > 0 && strings.HasPrefix(got.stdout, want):
	case want != got.stdout:
		found = append(found, fmt.Sprintf("stdout %.300q, want %.300q", got.stdout, want))
	}
	wantLog, wantText := split(r.Stderr)
	gotLog, gotText := split(got.stderr)
	if r.HelpTextRemoved {
		found = append(found, compareUsage(wantText, gotText)...)
	} else if wantText != gotText {
		found = append(found, fmt.Sprintf("stderr %q, want %q", gotText, wantText))
	}
	gotLog = slices.DeleteFunc(gotLog, func(line string) bool { return strings.HasPrefix(line, "error\t") && !slices.Contains(wantLog, line) })
	if !slices.Equal(wantLog, gotLog) {
		found = append(found, fmt.Sprintf("log\n%s\nwant\n%s", strings.Join(gotLog, "\n"), strings.Join(wantLog, "\n")))
	}
	return found
}

// split separates the log lines, reduced to level, message and fields, from the rest.
func split(stderr string) (log []string, text string) {
	for line := range strings.Lines(stderr) {
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(parts) < 4 || !strings.HasPrefix(parts[0], "20"):
			text += line
		case parts[2] == "bbolt":
		default:
			fields := strings.Join(parts[4:], "\t")
			if before, _, ok := strings.Cut(fields, `, "took": `); ok {
				fields = before
			}
			log = append(log, parts[1]+"\t"+parts[3]+"\t"+fields)
		}
	}
	return log, text
}

// compareUsage wants every line of the captured text at the beginning of a line.
func compareUsage(want, got string) (found []string) {
	if want == "" && got != "" {
		return []string{fmt.Sprintf("want nothing, got %.300q", got)}
	}
	lines := strings.Split(got, "\n")
	for line := range strings.Lines(want) {
		line = strings.TrimRight(line, "\n ")
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, line) }) {
			found = append(found, fmt.Sprintf("no line begins with %q:\n%s", line, got))
		}
	}
	return found
}
