//go:build unix

package preflight

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// hasModes: permissions of files mean something here.
const hasModes = true

// writable asks the system without writing.
func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "write", Path: dir, Err: err}
	}
	return nil
}

// freeBytes is what this user may still write to the file system of dir.
func freeBytes(dir string) (free uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true
}
