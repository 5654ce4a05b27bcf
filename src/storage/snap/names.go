package snap

import (
	"fmt"
	"strings"
)

const (
	snapSuffix   = ".snap"
	dbSuffix     = ".snap.db"
	brokenSuffix = ".broken"
	tempPrefix   = "tmp" // no suffix of its own, so that a purge by suffix leaves it alone
	defragPrefix = "db.tmp."
)

// snapName orders by term, then index, when names are sorted.
func snapName(term, index uint64) string {
	return fmt.Sprintf("%016x-%016x%s", term, index, snapSuffix)
}

func dbName(index uint64) string { return fmt.Sprintf("%016x%s", index, dbSuffix) }

func parseSnapName(name string) bool {
	var term, index uint64
	_, err := fmt.Sscanf(name, "%16x-%16x"+snapSuffix, &term, &index)
	return err == nil && name == snapName(term, index)
}

func parseDBIndex(name string) (uint64, bool) {
	var index uint64
	_, err := fmt.Sscanf(name, "%16x"+dbSuffix, &index)
	return index, err == nil && name == dbName(index)
}

func isTemporary(name string) bool {
	return strings.HasPrefix(name, tempPrefix) || strings.HasPrefix(name, defragPrefix)
}

// list returns the names of the directory that match, sorted.
func (d *Dir) list(match func(name string) bool) ([]string, error) {
	entries, err := d.fsys.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("snap: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && match(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
