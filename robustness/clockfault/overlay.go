package clockfault

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed shift.go.txt
var shift []byte

// Overlay writes into a directory what `go build -overlay` needs to build programs with such a clock, and returns the file to name
// there. base holds replacements of files that the build needs as well, which may be none. It uses the standard library of the go
// command that is found, and fails when its Now is not as expected.
func Overlay(dir string, base map[string]string) (file string, err error) {
	if file, err = overlay(dir, base); err != nil {
		return "", fmt.Errorf("clockfault: overlay: %w", err)
	}
	return file, nil
}

func overlay(dir string, base map[string]string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	library := filepath.Join(string(bytes.TrimSpace(root)), "src", "time")
	original := filepath.Join(library, "time.go")
	source, err := os.ReadFile(cmp.Or(base[original], original))
	if err != nil {
		return "", err
	}
	if source, err = edit(source); err != nil {
		return "", fmt.Errorf("%s: %w", original, err)
	}
	replace := maps.Clone(base)
	if replace == nil {
		replace = map[string]string{}
	}
	for path, content := range map[string][]byte{original: source, filepath.Join(library, "lab_linux.go"): shift} {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], content, 0o644); err != nil {
			return "", err
		}
	}
	list, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "  ")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, append(list, '\n'), 0o644)
}

// edit makes Now ask for the shifted time. It is the only place that turns the clock of the runtime into a Time.
func edit(source []byte) ([]byte, error) {
	const asks, shifted = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "func Now() Time {\n\tsec, nsec, mono := labNow()\n"
	if n := bytes.Count(source, []byte("= runtimeNow()")); n != 1 || !bytes.Contains(source, []byte(asks)) {
		return nil, fmt.Errorf("expected Now to begin with a call of runtimeNow, the only one; found %d calls: "+
			"look at how this version of Go makes a Time, and change the edit", n)
	}
	return bytes.Replace(source, []byte(asks), []byte(shifted), 1), nil
}
