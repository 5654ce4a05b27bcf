package mutants

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/build"
)

// replacements plants a mutant and reads the file that tells the go command.
func replacements(t *testing.T, m Mutant, dir string, base map[string]string) map[string]string {
	t.Helper()
	file, err := m.Overlay(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &overlay)
	}
	if err != nil {
		t.Fatal(err)
	}
	return overlay.Replace
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestOverlayInsideOfTheRepository: git, which applies the patch, would look for the files elsewhere there.
func TestOverlayInsideOfTheRepository(t *testing.T) {
	dir, err := os.MkdirTemp(".", "overlay-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for original, copied := range replacements(t, all(t)[0], dir, nil) {
		if read(t, original) == read(t, copied) {
			t.Errorf("%s is as before", original)
		}
	}
}

func TestOverlayOnTopOfAnother(t *testing.T) {
	m, dir := all(t)[0], t.TempDir()
	root, err := build.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	both, other := filepath.Join(root, m.Files()[0]), filepath.Join(root, "go.mod")
	const remark = "// another overlay was here\n"
	replaced := filepath.Join(dir, "replaced.go")
	if err := os.WriteFile(replaced, []byte(remark+read(t, both)), 0o600); err != nil {
		t.Fatal(err)
	}
	base := map[string]string{both: replaced, other: replaced}
	got := replacements(t, m, t.TempDir(), base)
	if len(base) != 2 || base[both] != replaced {
		t.Errorf("the base was changed: %v", base)
	}
	if got[other] != replaced {
		t.Errorf("a replacement of the base is lost: %v", got)
	}
	if text := read(t, got[both]); !strings.HasPrefix(text, remark) || text == read(t, replaced) {
		t.Errorf("%s is not the file of the base with the bug in it", got[both])
	}
}

func TestOverlayRefusesWhatDoesNotFit(t *testing.T) {
	m := all(t)[0]
	m.patch = []byte(strings.Replace(string(m.patch), "\n ", "\n not there any more ", 1))
	if _, err := m.Overlay(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), m.Name) ||
		!strings.Contains(err.Error(), "does not fit") {
		t.Errorf("a stale patch: %v", err)
	}
	m.patch = []byte("--- a/src/gone.go\n+++ b/src/gone.go\n@@ -1 +1 @@\n-a\n+b\n")
	if _, err := m.Overlay(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "gone.go") {
		t.Errorf("a patch of a file that is gone: %v", err)
	}
}
