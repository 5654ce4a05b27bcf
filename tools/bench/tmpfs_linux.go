package main

import "syscall"

// tmpfsMagic marks a file system in memory (statfs(2)).
const tmpfsMagic = 0x01021994

// fsyncWarning tells when fsync costs nothing in dir, which makes every put look better than it is.
func fsyncWarning(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err == nil && s.Type == tmpfsMagic {
		return "the data directories are on tmpfs, where fsync costs nothing; choose a folder on a disk with -dir"
	}
	return ""
}
