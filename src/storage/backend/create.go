package backend

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// create makes an empty database if there is no file. It is made under another name, and gets its own when all of it is on the disk:
// bbolt writes it in place, and of that a power cut leaves a part that can not be opened. (etcd#16596)
func create(o Options) error {
	if _, err := os.Stat(o.Path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it, opening tells
	}
	scratch := scratchPath(o.Path)
	db, err := bbolt.Open(scratch, fileMode, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, OpenFile: o.OpenFile})
	if err == nil {
		err = db.Close() // bbolt has synced what it began with
	}
	if err == nil {
		err = enter(o, scratch)
	}
	if err != nil {
		_ = os.Remove(scratch)
		return fmt.Errorf("create: %w", err)
	}
	return nil
}

// enter gives the new file its name, unless another process was faster, and makes that durable.
func enter(o Options, scratch string) error {
	err := os.Link(scratch, o.Path)
	switch {
	case err == nil || errors.Is(err, fs.ErrExist):
		err = os.Remove(scratch)
	default: // not every file system has links
		err = o.Rename(scratch, o.Path)
	}
	if err != nil {
		return err
	}
	return o.SyncDir(filepath.Dir(o.Path))
}
