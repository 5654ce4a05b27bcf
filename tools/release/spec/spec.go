// Package spec says what a release consists of: the programs, the platforms, and the one command that compiles them. It
// reads release/table.json, which Bazel and Nix read, too.
package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// tableFile is where the table stands, below the top of the repository.
const tableFile = "release/table.json"

// Program is one main package that is shipped.
type Program struct {
	Name    string `json:"name"`
	Package string `json:"package"` // as a pattern below the top, "./src/..."
	// EtcdName is the name under which scripts written for etcd find the program.
	EtcdName string `json:"etcdName,omitempty"`
}

// Table is release/table.json.
type Table struct {
	// Go is the toolchain; another one makes other bytes.
	Go        string    `json:"go"`
	Programs  []Program `json:"programs"`
	Platforms []string  `json:"platforms"`
	// DebugPrograms are added to the programs in the debug image.
	DebugPrograms []Program         `json:"debugPrograms"`
	Environment   map[string]string `json:"environment"`
	Flags         []string          `json:"flags"`
	// Ldflags and DebugLdflags may hold {commit} and {version}. The latter keep symbols and DWARF.
	Ldflags      []string `json:"ldflags"`
	DebugLdflags []string `json:"debugLdflags"`
}

// Release is one run: the table, and everything that the bytes depend on besides the source.
type Release struct {
	Table
	Root      string     // the source tree
	Version   string     // without a leading v
	Commit    string     // 40 hexadecimal digits, followed by -dirty when the tree is not that commit
	Time      time.Time  // of the commit: the only time that gets into a file
	Builder   string     // URI of who builds, for the provenance
	Platforms []Platform // a selection of those of the table
}

// ReadTable reads the table of a source tree.
func ReadTable(root string) (*Table, error) {
	data, err := os.ReadFile(filepath.Join(root, tableFile))
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	t := new(Table)
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("%s: %w", tableFile, err)
	}
	return t, nil
}

// CheckToolchain fails unless this process was compiled by the toolchain of the table: compression, too, differs between
// versions of Go.
func (t *Table) CheckToolchain() error {
	if v := runtime.Version(); v != t.Go {
		return fmt.Errorf("this is %s, and %s pins %s: run `GOTOOLCHAIN=%s go run ./tools/release …`", v, tableFile, t.Go, t.Go)
	}
	return nil
}

// Select parses a comma-separated list of platforms, or "all".
func (t *Table) Select(list string) ([]Platform, error) {
	names := strings.Split(list, ",")
	if list == "all" {
		names = t.Platforms
	}
	var selected []Platform
	for _, name := range names {
		name = strings.TrimSpace(name)
		if !slices.Contains(t.Platforms, name) {
			return nil, fmt.Errorf("%q is not a platform of a release; there are %s", name, strings.Join(t.Platforms, ", "))
		}
		os, arch, _ := strings.Cut(name, "/")
		if p := (Platform{os, arch}); !slices.Contains(selected, p) {
			selected = append(selected, p)
		}
	}
	return selected, nil
}
