package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"quoin.dev/pkg/vfs"
)

// Purge deletes the oldest files of dir whose name ends in suffix, until keep are left, and returns their names. It stops
// at the first file that is locked, since those after it are newer. keep 0 keeps all.
func Purge(dir, suffix string, keep int, o Options) (removed []string, err error) {
	if keep <= 0 {
		return nil, nil
	}
	o = o.withDefaults()
	entries, err := o.FS.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: purge: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	for len(names) > keep {
		name := filepath.Join(dir, names[0])
		err := purgeFile(name, o.FS)
		if errors.Is(err, vfs.ErrLocked) {
			return removed, nil
		}
		if err != nil {
			return removed, fmt.Errorf("wal: purge: %w", err)
		}
		removed = append(removed, names[0])
		names = names[1:]
	}
	return removed, nil
}

// purgeFile deletes under the lock, so that nobody can begin to use the file in between.
func purgeFile(name string, fsys vfs.FS) error {
	f, err := vfs.Lock(fsys, name)
	if err != nil {
		return err
	}
	return errors.Join(fsys.Remove(name), f.Close())
}
