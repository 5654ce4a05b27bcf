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
	// ErrByteOrder means that the file is from a machine whose processor has numbers the other way round in memory.
	// bbolt writes its structures as they are in memory, so neither kind of machine can read the files of the other.
	ErrByteOrder = errors.New("the file was written by a machine of the other byte order")
	// ErrClosed is returned by operations on a closed backend.
	ErrClosed = errors.New("backend: closed")
	// ErrDefragmenting is returned by the second of two defragmentations at a time.
	ErrDefragmenting = errors.New("a defragmentation is under way already: wait until it has ended")
	// ErrReadOnly is returned by Flush of a backend that was opened for reading only.
	ErrReadOnly = errors.New("backend: opened read-only")
)

func lockedError(path string) error {
	return fmt.Errorf("backend %s: %w: stop that process, or choose another data directory", path, ErrLocked)
}

func corruptError(path string, what any) error {
	return fmt.Errorf("backend %s: %w (%v): restore the member from a snapshot, or remove it from the cluster and add it again with an empty data directory", path, ErrCorrupt, what)
}

func byteOrderError(path string) error {
	return fmt.Errorf("backend %s: %w: start this member on a machine like that one; only requests can carry keys from one kind to the other", path, ErrByteOrder)
}
