package version_test

import (
	"strings"
	"testing"

	"quoin.dev/api/version"
)

func TestTextStartsWithTheAPIVersion(t *testing.T) {
	lines := strings.Split(version.Text(), "\n")
	want := []string{"etcd Version: 3.7.3", "quoin Version: 0.1.0", "Git SHA: ", "Go Version: go", "Go OS/Arch: "}
	for i, prefix := range want {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("line %d is %q, want prefix %q", i, lines[i], prefix)
		}
	}
}
