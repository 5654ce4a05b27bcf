package snap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"quoin.dev/pkg/vfs"
)

// SaveDB writes a store received from the leader as the database of the snapshot at index, durably and all or nothing,
// and returns its size. A database that is there already is kept, since the content of an index is the same everywhere;
// r is then read to its end.
func (d *Dir) SaveDB(r io.Reader, index uint64) (int64, error) {
	name := filepath.Join(d.path, dbName(index))
	if _, err := d.fsys.Stat(name); err == nil {
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			return n, fmt.Errorf("snap: receive database: %w", err)
		}
		return n, nil
	}
	var n int64
	begun, written := time.Now(), time.Time{}
	err := vfs.WriteFile(d.fsys, name, d.tempName(dbName(index)), dbPerm, func(w io.Writer) (err error) {
		n, err = io.Copy(w, r)
		written = time.Now()
		return err
	})
	if err != nil {
		return n, fmt.Errorf("snap: receive database: %w", err)
	}
	d.meter.SyncDB.Since(written)
	d.meter.SaveDB.Since(begun)
	return n, nil
}

// DBPath returns the path of the database of the snapshot at index, or ErrNoDB.
func (d *Dir) DBPath(index uint64) (string, error) {
	name := filepath.Join(d.path, dbName(index))
	if _, err := d.fsys.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: %s", ErrNoDB, name)
	} else if err != nil {
		return "", fmt.Errorf("snap: %w", err)
	}
	return name, nil
}

// RemoveOrphanDBs deletes the databases of snapshots before index, which nobody will ask for, and returns their names.
func (d *Dir) RemoveOrphanDBs(index uint64) ([]string, error) {
	return d.remove(func(name string) bool {
		i, ok := parseDBIndex(name)
		return ok && i < index
	})
}

// RemoveTemporary deletes what a killed process left unfinished: files being received or saved, and the work files of
// defragmentation. It must run before anything writes to the directory. It returns the names.
func (d *Dir) RemoveTemporary() ([]string, error) { return d.remove(isTemporary) }

func (d *Dir) remove(match func(name string) bool) ([]string, error) {
	names, err := d.list(match)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if err := d.fsys.Remove(filepath.Join(d.path, name)); err != nil {
			return names[:i], fmt.Errorf("snap: %w", err)
		}
	}
	return names, nil
}
