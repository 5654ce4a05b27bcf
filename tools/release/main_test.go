package main

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"
)

func execute(args ...string) (string, error) {
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	err := root.Execute()
	return out.String(), err
}

// TestEveryCommandHasAnExample: --help shows how a command is used.
func TestEveryCommandHasAnExample(t *testing.T) {
	g := NewWithT(t)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.HasSubCommands() {
				walk(sub)
				continue
			}
			if sub.Name() != "help" {
				g.Expect(sub.Example).NotTo(BeEmpty(), sub.CommandPath())
			}
		}
	}
	walk(rootCommand())
	out, err := execute("build", "--help")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("go run ./tools/release build --platforms all --out dist"))
}

func TestInputsAreChecked(t *testing.T) {
	g := NewWithT(t)
	t.Chdir("../..")
	for want, args := range map[string][]string{
		"is not a platform of a release": {"command", "--platforms", "plan9/386"},
		"not a version like 1.2.3":       {"command", "--version", "v1"},
		"not 40 hexadecimal digits":      {"command", "--commit", "HEAD"},
		`required flag(s) "out"`:         {"build"},
		"two builders are needed":        {"identical", "--with", "go"},
		`there is no builder "make"`:     {"identical", "--with", "go,make"},
		"see tools/offline":              {"identical", "--bazel", "no-such-bazel"},
		"needs the time of the commit":   {"command", "--commit", "0123456789abcdef0123456789abcdef01234567"},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", "")
		_, err := execute(args...)
		g.Expect(err).To(MatchError(ContainSubstring(want)), want)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	out, err := execute("command", "--commit", "0123456789abcdef0123456789abcdef01234567", "--version", "0.9.1", "--platforms", "all")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("GOARCH=s390x"))
	t.Chdir(t.TempDir())
	_, err = execute("command")
	g.Expect(err).To(MatchError(ContainSubstring("run this at the top of the repository")))
}
