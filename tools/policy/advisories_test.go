package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// advisory matches a line of the table in SECURITY.md: identifier, what it was, the file of its test.
var advisory = regexp.MustCompile("(?m)^\\| ([A-Z][A-Za-z0-9#-]+|etcd#\\d+) \\| [^|]+ \\| `([^`]+_test\\.go)` \\|$")

func TestAdvisories(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := advisory.FindAllStringSubmatch(string(text), -1)
	if rows := strings.Count(string(text), "_test.go` |"); rows != len(lines) || rows < 20 {
		t.Fatalf("%d of %d lines of the table are understood", len(lines), rows)
	}
	for _, line := range lines {
		id, file := line[1], line[2]
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Error(err)
			continue
		}
		if !regexp.MustCompile(regexp.QuoteMeta(id) + `\b`).Match(source) {
			t.Errorf("%s does not name %s", file, id)
		}
	}
}
