package backend

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// mapsBeyondEnd says that a file is made as long as its map, so a map ahead of time would fill the disk.
const mapsBeyondEnd = false

// replacesOpenFile says that a file may be renamed over one that is open.
const replacesOpenFile = false

// syncDir does nothing: Windows journals names itself and cannot flush a directory.
func syncDir(string) error { return nil }

// tryLock locks one byte far behind any content, next to the one that bbolt locks right after it: unlike on Unix, an open
// file can not lock the same range twice. It returns ErrLocked when another process holds it.
func tryLock(f *os.File, exclusive bool) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	place := windows.Overlapped{Offset: math.MaxUint32 - 1, OffsetHigh: math.MaxUint32}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &place)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// freeBytes is how much room this user finds on the disk of a directory.
func freeBytes(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return int64(min(free, math.MaxInt64)), err
}
