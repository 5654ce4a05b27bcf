package mutants

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table in MUTANTS.md anew")

const (
	listFile   = "../MUTANTS.md"
	tableBegin = "| mutant |"
)

// TestTable: MUTANTS.md says what the headers of the patches say.
func TestTable(t *testing.T) {
	text := read(t, listFile)
	intro, old, found := strings.Cut(text, tableBegin)
	if !found {
		t.Fatalf("%s has no line that begins with %q", listFile, tableBegin)
	}
	table := strings.TrimPrefix(render(all(t)), tableBegin)
	switch {
	case table == old:
	case *update:
		if err := os.WriteFile(listFile, []byte(intro+tableBegin+table), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is stale: run `go test ./robustness/mutants -run TestTable -update`", listFile)
	}
}

// render makes the table, which ends the file.
func render(mutants []Mutant) string {
	var b strings.Builder
	fmt.Fprintln(&b, tableBegin, "what it breaks | scenario, seed | check that finds it | after | unit tests that do |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|")
	for _, m := range mutants {
		fmt.Fprintf(&b, "| `%s` | %s | `%s`, %d | `%s` | %s | %s |\n", m.Name, m.Breaks, m.Scenario, m.Seed, m.Check, m.Took, m.UnitTests)
	}
	return b.String()
}
