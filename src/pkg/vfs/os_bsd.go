//go:build unix && !linux

package vfs

import "os"

func tryLock(f *os.File) error { return flock(f) }

func syncDir(d *os.File) error { return d.Sync() }
