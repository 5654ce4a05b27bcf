package config

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func completion(t *testing.T, shell string) string {
	t.Helper()
	_, err := ParseFrom([]string{"completion", shell}, Sources{})
	var stdout, stderr bytes.Buffer
	if code := Explain(err, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("exit code %d, %s", code, stderr.String())
	}
	return stdout.String()
}

func TestCompletionKnowsEveryFlag(t *testing.T) {
	for shell := range completers {
		script := completion(t, shell)
		for _, f := range completables() {
			if !strings.Contains(script, f.name) {
				t.Errorf("%s: --%s is missing", shell, f.name)
			}
		}
		if strings.Contains(script, "peer-heartbeat-interval") {
			t.Errorf("%s: a retired flag is offered", shell)
		}
	}
	for name := range knownValues {
		if _, r := newDefault(); r.fs.Lookup(name) == nil {
			t.Errorf("there are values for --%s, which does not exist", name)
		}
	}
}

// Every value that is offered is taken.
func TestOfferedValuesAreTaken(t *testing.T) {
	for name, values := range knownValues {
		for _, value := range values {
			if _, err := ParseFrom([]string{"--" + name + "=" + value}, Sources{}); err != nil {
				t.Errorf("--%s=%s: %v", name, value, err)
			}
		}
	}
}

func TestCompletionOfAnUnknownShell(t *testing.T) {
	for _, args := range [][]string{{"completion"}, {"completion", "ksh"}, {"completion", "bash", "zsh"}} {
		_, err := ParseFrom(args, Sources{})
		var stdout, stderr bytes.Buffer
		if code := Explain(err, &stdout, &stderr); code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "bash, fish, powershell, zsh") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, stdout.String(), stderr.String())
		}
	}
}

// The script does in bash what it should.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	var script bytes.Buffer
	if err := WriteCompletion(&script, "quoin", "bash"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := exec.Command("mkdir", filepath.Join(dir, "data")).Run(); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string][]string{
		"quoin --log-l":             {"--log-level"},
		"quoin --log-level d":       {"debug"},
		"quoin --log-level = w":     {"warn"},
		"quoin --initial-cluster-t": {"--initial-cluster-token"},
		"quoin --name x":            nil,
		"quoin --data-dir d":        {"data"},
		"quoin --pre-vote --metr":   {"--metrics"},
		"quoin --check":             {"--check-config"},
	} {
		n := len(strings.Fields(words)) - 1
		cmd := exec.Command(bash, "--norc", "-c", script.String()+"\ncompopt() { :; }\nCOMP_WORDS=("+words+"); COMP_CWORD="+string(rune('0'+n))+"\n_quoin; printf '%s\\n' \"${COMPREPLY[@]}\"")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q (%v), want %q", words, got, err, want)
		}
	}
}
