// Package storefile reads the database file of a member that does not run, or a snapshot of one.
package storefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// ErrInvalid means that a file is no store file, or that its pages do not make a whole tree. The text is etcdutl's; what is
// wrong in particular is logged.
var ErrInvalid = errors.New("invalid database")

// Options say how to open a file.
type Options struct {
	// LockWait is how long to wait for a process that has the file open.
	LockWait time.Duration
	Logger   *zap.Logger
}

// InDataDir is the path of the database below a data directory.
func InDataDir(dir string) string { return filepath.Join(dir, "member", "snap", "db") }

// Find takes the path of a file, or of a data directory with one in it.
func Find(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if db := InDataDir(path); exists(db) {
			return db
		}
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Read opens a file for reading. It waits for a process that has it open for writing, but not for other readers.
func Read(path string, o Options) (*backend.Backend, error) {
	return open(backend.Options{Path: path, ReadOnly: true}, o)
}

// Write opens a file that exists for writing.
func Write(path string, o Options) (*backend.Backend, error) {
	return open(backend.Options{Path: path}, o)
}

func open(b backend.Options, o Options) (*backend.Backend, error) {
	info, err := os.Stat(b.Path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory without member/snap/db in it: give a file, or a data directory", b.Path)
	}
	if info.Size() == 0 { // bbolt would make a database of it
		return nil, ErrInvalid
	}
	b.LockWait = o.LockWait
	store, err := backend.Open(b)
	if err != nil {
		return nil, Explain(b.Path, err, o.Logger)
	}
	return store, nil
}

// Explain turns errors of the backend into those of a tool: what the operator of a member would do does not help one who
// holds a file.
func Explain(path string, err error, logger *zap.Logger) error {
	switch {
	case errors.Is(err, backend.ErrLocked):
		return fmt.Errorf("%s is locked by another process, most likely a member that runs: stop it first, or ask it with quoinctl", path)
	case errors.Is(err, backend.ErrByteOrder):
		return err
	case errors.Is(err, backend.ErrCorrupt):
		logger.Error("the file is damaged: use another snapshot, or the file of another member", zap.Error(err))
		return ErrInvalid
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run this as the owner of the file", err)
	}
	return err
}

// Version is the storage version of a file; "" for one of a version before 3.6.
func Version(b *backend.Backend) string {
	v := b.View()
	defer v.Close()
	return schema.StorageVersion(v)
}
