package robustness_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/scenario"
)

// HISTORY.md and the catalogue say the same about which scenario would show which fault.
func TestHistoryAndCatalogueAgree(t *testing.T) {
	text, err := os.ReadFile("HISTORY.md")
	if err != nil {
		t.Fatal(err)
	}
	inTable, inCatalogue := map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "id" {
			continue
		}
		id := strings.TrimSpace(cells[1])
		if inTable[id] != nil {
			t.Errorf("%s has two rows", id)
		}
		inTable[id] = strings.Split(strings.TrimSpace(cells[2]), ", ")
		named := strings.Split(cells[3], "`")
		if len(named) < 3 {
			t.Errorf("%s: which check would find it?", id)
		}
		for i := 1; i < len(named); i += 2 {
			if !slices.ContainsFunc(check.All(), func(c check.Check) bool { return c.Name == named[i] }) {
				t.Errorf("%s: there is no check %q", id, named[i])
			}
		}
	}
	for _, s := range scenario.All() {
		for _, id := range s.Guards {
			inCatalogue[id] = append(inCatalogue[id], s.Name)
		}
	}
	for id, names := range inCatalogue {
		if !same(names, inTable[id]) {
			t.Errorf("%s: the catalogue has %v, the table %v", id, names, inTable[id])
		}
	}
	for id, names := range inTable {
		if inCatalogue[id] == nil {
			t.Errorf("%s: the table has %v, no scenario guards against it", id, names)
		}
	}
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
