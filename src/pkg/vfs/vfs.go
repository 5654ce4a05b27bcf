// Package vfs is the small file system that storage code writes through, so that tests can cut the power or break the disk.
//
// There are four implementations: OS, Mem (which knows what a power cut would leave behind), Fault (which breaks another one on
// demand) and NoSync (another one that does not wait for the disk). Names are paths as package os takes them.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLocked reports that another open file, of this or of another process, holds the lock.
var ErrLocked = errors.New("file is locked by another process")

// File is an open file. Read, Write and Seek share one position; ReadAt and WriteAt do not move it.
type File interface {
	io.Reader
	io.Writer
	io.Seeker
	io.ReaderAt
	io.WriterAt
	io.Closer

	Name() string
	Stat() (fs.FileInfo, error)

	// Truncate sets the size; a longer file reads as zeros.
	Truncate(size int64) error
	// Sync makes content and metadata durable, Datasync the content and what is needed to read it back.
	// The directory entry of a new or renamed file is only durable after FS.SyncDir.
	Sync() error
	Datasync() error
	// Preallocate makes the file at least size bytes long, reserving the space where the system can; new bytes read as zeros.
	Preallocate(size int64) error
	// TryLock takes an exclusive lock that lasts until Close, or returns ErrLocked at once. The file must be open for writing.
	TryLock() error
}

// FS opens files and changes directories.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Rename(oldName, newName string) error
	Remove(name string) error
	RemoveAll(name string) error
	// ReadDir returns the entries in the order of their names.
	ReadDir(name string) ([]fs.DirEntry, error)
	MkdirAll(name string, perm fs.FileMode) error
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the entries of the directory durable: created, renamed and removed names.
	SyncDir(name string) error
}

// Open opens name for reading.
func Open(fsys FS, name string) (File, error) {
	return fsys.OpenFile(name, os.O_RDONLY, 0)
}

// Create opens name for reading and writing, empty.
func Create(fsys FS, name string, perm fs.FileMode) (File, error) {
	return fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, perm)
}

// Lock opens name for writing and locks it. The lock lasts until the file is closed.
func Lock(fsys FS, name string) (File, error) {
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := f.TryLock(); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

// MkdirAll creates a directory and those above it that are missing, and makes their names durable.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	if _, err := fsys.Stat(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(name)
	if err := MkdirAll(fsys, parent, perm); err != nil {
		return err
	}
	if err := fsys.MkdirAll(name, perm); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}

// ReadFile returns the whole content of name.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := Open(fsys, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// WriteFile writes name durably and all or nothing: fill writes to temp, a name in the same directory, which is synced,
// renamed to name, and the directory synced. When it fails, temp is removed and name is as it was.
func WriteFile(fsys FS, name, temp string, perm fs.FileMode, fill func(io.Writer) error) (err error) {
	f, err := Create(fsys, temp, perm)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(temp)))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
