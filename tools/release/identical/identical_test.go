package identical_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/identical"
	"quoin.dev/quoin/tools/release/spec"
)

// fake writes one file for each program.
type fake struct{ name, content string }

func (f fake) Name() string { return f.name }

func (f fake) Build(_ context.Context, r *spec.Release, scratch string) (string, error) {
	for _, p := range r.Platforms {
		if err := os.Mkdir(filepath.Join(scratch, p.Dash()), 0o755); err != nil {
			return "", err
		}
		for _, program := range r.Programs {
			content := program.Name + p.String()
			if p.OS == "windows" {
				content += f.content
			}
			if err := os.WriteFile(filepath.Join(scratch, p.Dash(), p.Binary(program.Name)), []byte(content), 0o755); err != nil {
				return "", err
			}
		}
	}
	return scratch, nil
}

func TestTableAndVerdict(t *testing.T) {
	g := NewWithT(t)
	r := &spec.Release{Platforms: []spec.Platform{{OS: "linux", Arch: "s390x"}, {OS: "windows", Arch: "amd64"}}}
	r.Programs = []spec.Program{{Name: "quoin"}, {Name: "quoinctl"}}
	run := func(builders ...identical.Builder) (string, error) {
		rows, err := identical.Run(t.Context(), r, builders, t.TempDir(), func(string) {})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(rows).To(HaveLen(4))
		var table strings.Builder
		g.Expect(identical.Print(&table, builders, rows)).To(Succeed())
		return table.String(), identical.Check(builders, rows)
	}

	table, err := run(fake{"one", "x"}, fake{"two", "x"}, fake{"three", "x"})
	g.Expect(err).NotTo(HaveOccurred())
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		g.Expect(strings.Fields(line)).To(HaveExactElements(HavePrefix("quoin"), ContainSubstring("/"), HaveLen(64), Equal("="), Equal("=")))
	}

	table, err = run(fake{"one", "x"}, fake{"two", "x"}, fake{"three", "y"})
	g.Expect(err).To(MatchError(And(
		ContainSubstring("quoin for windows/amd64, one (the release) and three (the rebuild): byte 18 of 19 is 0x78"),
		ContainSubstring("quoinctl for windows/amd64"), Not(ContainSubstring("linux")))))
	last := strings.Fields(table[strings.LastIndex(strings.TrimSpace(table), "\n"):])
	g.Expect(last).To(HaveExactElements(Equal("quoinctl"), Equal("windows/amd64"), HaveLen(64), Equal("="), HaveLen(64)))
}

// TestABuilderThatLeavesAProgramOut is an error, not an empty row.
func TestABuilderThatLeavesAProgramOut(t *testing.T) {
	g := NewWithT(t)
	r := &spec.Release{Platforms: []spec.Platform{{OS: "linux", Arch: "amd64"}}}
	r.Programs = []spec.Program{{Name: "quoin"}}
	nothing := identical.Nix{Command: []string{"sh", "-c", "echo /nowhere"}, Root: t.TempDir()}
	_, err := identical.Run(t.Context(), r, []identical.Builder{fake{name: "one"}, nothing}, t.TempDir(), func(string) {})
	g.Expect(err).To(MatchError(os.ErrNotExist))
}

// TestABuilderThatFails shows what it said.
func TestABuilderThatFails(t *testing.T) {
	g := NewWithT(t)
	r := &spec.Release{Platforms: []spec.Platform{{OS: "linux", Arch: "amd64"}}}
	bazel := identical.Bazel{Command: []string{"sh", "-c", "echo no such target >&2; exit 3"}}
	_, err := identical.Run(t.Context(), r, []identical.Builder{bazel}, t.TempDir(), func(string) {})
	g.Expect(err).To(MatchError(And(ContainSubstring("Bazel"), ContainSubstring("exit status 3"), ContainSubstring("no such target"))))
}
