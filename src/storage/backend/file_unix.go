//go:build unix

package backend

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mapsBeyondEnd says that the map of a file may be longer than the file, so that it can be made large ahead of time.
const mapsBeyondEnd = true

// replacesOpenFile says that a file may be renamed over one that is open.
const replacesOpenFile = true

// syncDir makes the names in a directory durable.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tryLock takes the lock that bbolt takes again, on the same open file, right after it. It returns ErrLocked when another
// process holds it.
func tryLock(f *os.File, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// freeBytes is how much room a user who is not root finds on the disk of a directory.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
