package backend

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// scratchPrefix begins the names of files that only the running process needs. The next start removes them.
const scratchPrefix = "db.tmp."

// scratchReserveBytes stays free on the disk whatever is copied: the write-ahead log must not run out of room for the sake of
// a copy.
const scratchReserveBytes = 256 << 20

// syncEveryBytes bounds what a copy leaves to the kernel: a sync of the write-ahead log may have to wait for it.
const syncEveryBytes = 16 << 20

var errNoRoom = errors.New("there is not enough room on the disk")

// checkRoom reports whether so many bytes can be written beside the database.
func checkRoom(path string, bytes int64) error {
	free, err := freeBytes(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("ask for the free room on the disk: %w", err)
	}
	if need := bytes + scratchReserveBytes; free < need {
		return fmt.Errorf("%w: %d MiB are needed, %d MiB are free", errNoRoom, need>>20, free>>20)
	}
	return nil
}

// scratchPath is a name beside the database that no other file has.
func scratchPath(path string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%016x", scratchPrefix, rand.Uint64()))
}

// createUnnamed makes a file beside the database that goes away by itself, where the system can do that.
func (b *Backend) createUnnamed() (*os.File, error) {
	name := scratchPath(b.o.Path)
	f, err := b.o.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	_ = os.Remove(name) // where it can't be done now, removeUnnamed does
	return f, nil
}

func (b *Backend) removeUnnamed(f *os.File) error {
	b.shrinkAway(f)
	err := f.Close()
	if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// A file system that frees a gigabyte at once, and tells the disk of each block, makes every sync wait meanwhile. So a file that
// is not needed any more becomes shorter by shrinkStepBytes, and the others have the disk for shrinkRest.
const (
	shrinkStepBytes = 8 << 20
	shrinkRest      = 20 * time.Millisecond
)

// doomed opens a file for shrinkAway, nil if it can't be: then its space is freed at once.
func doomed(path string) *os.File {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	return f
}

// shrinkAway gives the space of a file back bit by bit. It ends early when the backend is closed.
func (b *Backend) shrinkAway(f *os.File) {
	info, err := f.Stat()
	if err != nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for size := info.Size() - shrinkStepBytes; size > 0; size -= shrinkStepBytes {
		select {
		case <-timer.C:
		case <-b.stop:
			return
		}
		if f.Truncate(size) != nil {
			return
		}
		timer.Reset(shrinkRest)
	}
}
