package backend

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheOtherByteOrderIsNamed: a store file from a big-endian machine is not damaged on a little-endian one, but foreign.
func TestTheOtherByteOrderIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	b, err := Open(Options{Path: path, MmapBytes: 1 << 20})
	check(t, err)
	check(t, b.Close())
	data, err := os.ReadFile(path)
	check(t, err)
	for _, page := range []int{0, os.Getpagesize()} {
		slices.Reverse(data[page+pageHeader:][:4])
	}
	check(t, os.WriteFile(path, data, 0o600))
	_, err = Open(Options{Path: path, MmapBytes: 1 << 20})
	if !errors.Is(err, ErrByteOrder) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Fatalf("unclear error %v", err)
	}
}
