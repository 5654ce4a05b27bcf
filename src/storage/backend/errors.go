package backend

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked means that a live process holds the lock of the file.
	ErrLocked = errors.New("the file is in use by another process")
	// ErrCorrupt means that the file is not a whole store file.
	ErrCorrupt = errors.New("the file is damaged or not a store file")
	// ErrClosed is returned by operations on a closed backend.
	ErrClosed = errors.New("backend: closed")
	// ErrReadOnly is returned by Flush of a backend that was opened for reading only.
	ErrReadOnly = errors.New("backend: opened read-only")
)

func lockedError(path string) error {
	return fmt.Errorf("backend %s: %w: stop that process, or choose another data directory", path, ErrLocked)
}

func corruptError(path string, what any) error {
	return fmt.Errorf("backend %s: %w (%v): restore the member from a snapshot, or remove it from the cluster and add it again with an empty data directory", path, ErrCorrupt, what)
}
