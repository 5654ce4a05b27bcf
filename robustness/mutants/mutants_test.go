package mutants

import (
	"strings"
	"testing"
)

// fewest is how many mutants there are at least.
const fewest = 14

func all(t *testing.T) []Mutant {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryMutantSaysWhatItIs(t *testing.T) {
	mutants := all(t)
	if len(mutants) < fewest {
		t.Errorf("there are %d mutants, expected %d at least", len(mutants), fewest)
	}
	breaks, patches := map[string]string{}, map[string]string{}
	for _, m := range mutants {
		if !strings.HasSuffix(m.Breaks, ".") || strings.Count(m.Breaks, ". ") > 0 {
			t.Errorf("%s: what it breaks is not one sentence: %q", m.Name, m.Breaks)
		}
		if other, found := breaks[m.Breaks]; found {
			t.Errorf("%s and %s break the same", other, m.Name)
		}
		if other, found := patches[string(m.patch)]; found {
			t.Errorf("%s and %s have the same patch", other, m.Name)
		}
		breaks[m.Breaks], patches[string(m.patch)] = m.Name, m.Name
	}
}

func TestFind(t *testing.T) {
	first := all(t)[0]
	if m, err := Find(first.Name); err != nil || m.Breaks != first.Breaks {
		t.Errorf("found %q, %v", m.Breaks, err)
	}
	if _, err := Find("none"); err == nil || !strings.Contains(err.Error(), first.Name) {
		t.Errorf("the error does not say which mutants there are: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "Breaks: It.\nScenario: kill-one\nCheck: hashes\nSeed: 1\nTook: 1s\nUnit-Tests: none\n\n--- a/x\n+++ b/x\n"
	if _, err := parse("good", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"no header":         "--- a/x\n+++ b/x\n",
		"no diff":           "Breaks: It.",
		"a missing field":   strings.Replace(good, "Check: hashes\n", "", 1),
		"an empty field":    strings.Replace(good, "hashes", "", 1),
		"a field too many":  "Also: this\n" + good,
		"a seed of letters": strings.Replace(good, "Seed: 1", "Seed: one", 1),
		"no duration":       strings.Replace(good, "1s", "1", 1),
	} {
		if _, err := parse("bad", []byte(text)); err == nil || !strings.Contains(err.Error(), "bad.patch") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
