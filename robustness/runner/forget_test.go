package runner

import (
	"os"
	"path/filepath"
	"testing"
)

func TestForgetLeavesTheRecord(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"m0.data/member/snap/db", "m1.data.disk/member/wal/0.wal"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := forget(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "plan.json" {
		t.Errorf("%v are left, %v", left, err)
	}
	if err := forget(filepath.Join(dir, "nowhere")); err != nil {
		t.Error(err)
	}
}
